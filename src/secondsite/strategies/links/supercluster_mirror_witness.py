"""A super-cluster with one JetStream server in a third region: its vote keeps the meta group able to act."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.deployment import Copy, Deployment, PlacedService, Requirement, Site, SiteRole, WanLink
from secondsite.model.nats import NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import requirements
from secondsite.strategies.clusters import at_home, named
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import mirrored_failback
from secondsite.strategies.links.backup import backup_requirement
from secondsite.strategies.links.supercluster_mirror import (
    SuperclusterMirror,
    gateway_requirement,
    joined,
    mirrored_pair,
)
from secondsite.strategies.mirrorable import why_no_promotion
from secondsite.strategies.steps import (
    blocked_step,
    free_subjects,
    promote_mirrors,
    restore_consumers,
)
from secondsite.strategies.write_gate import write_gate


@frozen
class SuperclusterMirrorWitness:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        names = [cluster.service for cluster in self.kit.system.nats if cluster.service]
        placed = tuple(PlacedService(name, 1) for name in names)
        return (*sites, Site(self.kit.third, SiteRole.WITNESS, placed, control_plane=False))

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return tuple(one for cluster in at_home(self.kit) for one in joined(self._three(cluster)))

    def _three(self, cluster: NatsCluster) -> tuple[NatsCluster, ...]:
        witness = evolve(named(cluster, self.kit.third), servers=1, streams=(), self_route=True)
        return (*mirrored_pair(self.kit, cluster), witness)

    def links(self) -> tuple[WanLink, ...]:
        return SuperclusterMirror(self.kit).links()

    def copies(self) -> tuple[Copy, ...]:
        return SuperclusterMirror(self.kit).copies()

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            backup_requirement(self.kit),
            *requirements.promotion(self.kit),
            gateway_requirement(self.kit),
            requirements.work(
                self.kit,
                "witness",
                "work.small",
                f"run one nats-server with JetStream in {self.kit.third.name}, with a route to itself",
                "a vote outside both regions: 4 of 7 survive the loss of either",
                "the meta group dies with either region",
            ),
            *write_gate(self.kit),
            requirements.position_agent(self.kit),
        )

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        kit = self.kit
        if why := why_no_promotion(deployment.clusters):
            return (blocked_step(Verb.PROMOTE_STREAMS, why, after),)
        free = free_subjects(kit, after)
        promote = promote_mirrors(kit, "remove the mirror of every stream and give it the origin's subjects", free.id)
        return free, promote, restore_consumers(kit, promote.id)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        return mirrored_failback(self.kit, ready, joined=True)
