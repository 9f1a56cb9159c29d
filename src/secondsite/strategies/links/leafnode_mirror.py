"""Independent clusters, one JetStream domain each, joined by leaf nodes; the standby mirrors every stream.

Each region keeps a meta group of its own, so the survivor can always act. The leaf link denies the streams'
subjects: without that a publish in one region is stored by the other region's stream as well.
"""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, WanLink
from secondsite.model.nats import LeafLink, NatsCluster
from secondsite.model.procedure import Step, Verb
from secondsite.strategies import requirements
from secondsite.strategies.clusters import at_home, mirrors, named, stream_copy, stream_link
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import mirrored_failback
from secondsite.strategies.links.backup import backup_requirement, stream_backup
from secondsite.strategies.mirrorable import why_no_promotion
from secondsite.strategies.steps import (
    blocked_step,
    promote_mirrors,
    restore_consumers,
)
from secondsite.strategies.stream_config import written_subjects
from secondsite.strategies.write_gate import write_gate


@frozen
class LeafnodeMirror:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return tuple(one for cluster in at_home(self.kit) for one in self._pair(cluster))

    def _pair(self, cluster: NatsCluster) -> tuple[NatsCluster, NatsCluster]:
        home = evolve(cluster, domain=self.kit.home.name)
        other = evolve(named(cluster, self.kit.second), domain=self.kit.second.name)
        denied = written_subjects(cluster)
        leaf = LeafLink(
            home.name, tls=True, credentials=f"leaf-{self.kit.second.name}", deny_imports=denied, deny_exports=denied
        )
        return home, evolve(other, streams=mirrors(home, domain=True), leaves=(leaf,))

    def links(self) -> tuple[WanLink, ...]:
        return stream_link(self.kit, self.kit.second, LinkKind.LEAF)

    def copies(self) -> tuple[Copy, ...]:
        kit = self.kit
        return (stream_copy(kit, kit.second, "mirror over a leaf link"), stream_backup(kit, kit.second))

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            backup_requirement(self.kit),
            *requirements.promotion(self.kit),
            requirements.work(
                self.kit,
                "leaf-link",
                "work.link",
                "one JetStream domain per region, a leaf link with TLS, own credentials and denies for every subject",
                "each region keeps a meta group of its own; denies keep each publish in one stream",
                "a publish is stored in both regions at once",
            ),
            *write_gate(self.kit),
            requirements.position_agent(self.kit),
        )

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        if why := why_no_promotion(deployment.clusters):
            return (blocked_step(Verb.PROMOTE_STREAMS, why, after),)
        promote = promote_mirrors(self.kit, "remove the mirror of every stream and give it its subjects", after)
        return promote, restore_consumers(self.kit, promote.id)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        return mirrored_failback(self.kit, ready)
