"""Streams at a managed service (Synadia Cloud, published plans), mirrored in its super-cluster of many regions."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.nats_release import CURRENT
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import requirements, services
from secondsite.strategies.clusters import at_home, stream_copy, stream_link
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import mirrored_failback
from secondsite.strategies.links.backup import backup_requirement, stream_backup
from secondsite.strategies.links.supercluster_mirror import joined, mirrored_pair
from secondsite.strategies.mirrorable import why_unmirrorable
from secondsite.strategies.steps import (
    blocked_step,
    free_subjects,
    promote_mirrors,
    restore_consumers,
)

PLAN = "synadia"


@frozen
class Managed:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return tuple(evolve(site, services=services.without_nats(site.services, self.kit.system)) for site in sites)

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        """The provider's clusters; its other regions hold the meta quorum, shown as one more voter region."""
        upgraded = tuple(evolve(cluster, version=CURRENT, service="") for cluster in at_home(self.kit))
        return tuple(
            one
            for cluster in upgraded
            for one in joined(
                (*mirrored_pair(self.kit, cluster), evolve(cluster, name="managed", region="managed", streams=()))
            )
        )

    def links(self) -> tuple[WanLink, ...]:
        return stream_link(self.kit, self.kit.second, LinkKind.MANAGED)

    def copies(self) -> tuple[Copy, ...]:
        kit = self.kit
        return (stream_copy(kit, kit.second, "mirror at the provider"), stream_backup(kit, kit.second))

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            backup_requirement(self.kit),
            requirements.work(
                self.kit,
                "migration",
                "work.migration",
                "move streams and clients to the managed service",
                "the provider runs its servers, upgrades and quorum",
            ),
        )

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        if why := why_unmirrorable(deployment.clusters):
            return (blocked_step(Verb.PROMOTE_STREAMS, why, after),)
        free = free_subjects(self.kit, after)
        promote = promote_mirrors(self.kit, "promote the mirrors through the provider's JetStream API", free.id)
        return free, promote, restore_consumers(self.kit, promote.id)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        return mirrored_failback(self.kit, ready)
