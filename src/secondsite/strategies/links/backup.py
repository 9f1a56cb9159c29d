"""Stream backups with their messages in an object store of another region; restored when they are needed."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, SiteRole, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.model.region import Region
from secondsite.strategies import requirements
from secondsite.strategies.clusters import empty_at_standby
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import no_failback
from secondsite.strategies.sizing import by_size, stream_bytes
from secondsite.strategies.steps import restore_streams_step
from secondsite.strategies.stores import nothing, refreshed, survivable


def stream_backup(kit: Kit, region: Region) -> Copy:
    """A full snapshot of every stream at an interval: the only copy that survives a wrong write."""
    size = stream_bytes(kit.system, kit.figures)
    travel = by_size(kit.figures, "backup.streams.travel", "backup.rate", size, "stream backup")
    return Copy(
        Subject.NATS,
        "streams and consumers",
        region.name,
        "stream backup",
        nothing(),
        travel,
        refreshed(kit.figures["backup.streams.interval"], travel),
        survivable(kit, region, operators=True),
    )


def backup_requirement(kit: Kit) -> Requirement:
    return requirements.work(
        kit,
        "stream-backup",
        "work.backup",
        f"back up streams with their messages and consumers to an object store in {kit.second.name}",
        "replication copies deletions of stores and wrong writes faithfully; only a backup goes back in time",
        "what an operator or a bad release destroys stays destroyed",
    )


def restore_streams(kit: Kit, after: str) -> Step:
    return restore_streams_step(kit, "the newest backup", "restore.rate", "the backup's manifest", after)


@frozen
class BackupLink:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return empty_at_standby(self.kit, sites)

    def links(self) -> tuple[WanLink, ...]:
        kit = self.kit
        interval = kit.figures["backup.streams.interval"].mean
        return (
            WanLink(
                LinkKind.BACKUP,
                kit.home.name,
                kit.second.name,
                "stream backups",
                stream_bytes(kit.system, kit.figures) / interval,
            ),
        )

    def copies(self) -> tuple[Copy, ...]:
        return (stream_backup(self.kit, self.kit.second),)

    def requirements(self) -> tuple[Requirement, ...]:
        return (backup_requirement(self.kit),) if self.kit.system.nats else ()

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        """Where nothing runs in the second region, its cluster is created first."""
        created = deployment.site(SiteRole.VAULT) is not None
        return (restore_streams(self.kit, Verb.START_SERVICES if created else after),)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        home, second = self.kit.home.name, self.kit.second.name
        why = (
            f"the streams of {second} came from a backup and no link carries them back: what was written there since "
            f"is only there. Stop the writers, back {second} up, restore that backup in {home}, and move the clients"
        )
        return no_failback(self.kit, why)
