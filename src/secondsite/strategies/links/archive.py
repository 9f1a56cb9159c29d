"""What is new of every stream, shipped every few seconds to an object store of another region; restored when needed."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, SiteRole, WanLink
from secondsite.model.estimate import fixed
from secondsite.model.nats import NatsCluster
from secondsite.model.nats_release import Feature, since
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import requirements
from secondsite.strategies.archiver import EVERY_S
from secondsite.strategies.clusters import empty_at_standby
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import no_failback
from secondsite.strategies.sizing import stream_rate_bytes_per_s
from secondsite.strategies.steps import blocked_step, restore_streams_step
from secondsite.strategies.stores import nothing, refreshed, survivable

METHOD = "stream archive"


def restore_archived(kit: Kit, after: str, moment: str) -> Step:
    """As the streams were at the ``moment``; blocked where the servers take no archive."""
    old = requirements.without(kit.system.nats, Feature.MESSAGE_ARCHIVE)
    if old:
        since_release = since(Feature.MESSAGE_ARCHIVE)
        why = f"nats-server below {since_release} takes no archive that was put together from messages"
        return blocked_step(Verb.RESTORE_STREAMS, why, after)
    return restore_streams_step(kit, f"the archive, as of {moment}", "archive.restore-rate", "the archive", after)


@frozen
class ArchiveLink:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return empty_at_standby(self.kit, sites)

    def links(self) -> tuple[WanLink, ...]:
        rate = stream_rate_bytes_per_s(self.kit.system)
        return (WanLink(LinkKind.ARCHIVE, self.kit.home.name, self.kit.second.name, "new messages of streams", rate),)

    def copies(self) -> tuple[Copy, ...]:
        """Any moment comes back, so that it outlives wrong writes too."""
        kit, travel = self.kit, self.kit.figures["archive.travel"]
        every = fixed("interval of the archiver", EVERY_S, "s", "`--every` of the rendered Deployment")
        return (
            Copy(
                Subject.NATS,
                "streams and consumers",
                kit.second.name,
                METHOD,
                nothing(),
                travel,
                refreshed(every, travel),
                survivable(kit, kit.second, operators=True),
            ),
        )

    def requirements(self) -> tuple[Requirement, ...]:
        if not self.kit.system.nats:
            return ()
        archive = requirements.work(
            self.kit,
            "stream-archive",
            "work.archive",
            f"`secondsite archive` in {self.kit.home.name}, into a bucket in {self.kit.second.name}",
            "a full copy every few minutes moves everything each time; an archive moves only new messages",
            "streams are lost with the region, and what a bad release destroys stays destroyed",
        )
        return (archive, *requirements.restorable(self.kit))

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        """Where nothing runs in the second region, its cluster is created first."""
        created = deployment.site(SiteRole.VAULT) is not None
        return (restore_archived(self.kit, Verb.START_SERVICES if created else after, "its newest moment"),)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        home, second = self.kit.home.name, self.kit.second.name
        why = (
            f"the streams of {second} came from the archive and no link carries them back: what was written there "
            f"since is only there. Stop the writers, ship {second} to an archive of its own with `secondsite archive "
            f"--once`, restore that in {home}, and move the clients"
        )
        return no_failback(self.kit, why)
