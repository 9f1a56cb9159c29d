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
    def sites(self, kit: Kit, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        del kit
        return sites

    def clusters(self, kit: Kit, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        del sites
        return tuple(one for cluster in at_home(kit) for one in self._pair(kit, cluster))

    def _pair(self, kit: Kit, cluster: NatsCluster) -> tuple[NatsCluster, NatsCluster]:
        home = evolve(cluster, domain=kit.home.name)
        other = evolve(named(cluster, kit.second), domain=kit.second.name)
        denied = written_subjects(cluster)
        leaf = LeafLink(
            home.name, tls=True, credentials=f"leaf-{kit.second.name}", deny_imports=denied, deny_exports=denied
        )
        return home, evolve(other, streams=mirrors(other, home, domain=True), leaves=(leaf,))

    def links(self, kit: Kit) -> tuple[WanLink, ...]:
        return stream_link(kit, kit.second, LinkKind.LEAF)

    def copies(self, kit: Kit) -> tuple[Copy, ...]:
        return (stream_copy(kit, kit.second, "mirror over a leaf link"), stream_backup(kit, kit.second))

    def requirements(self, kit: Kit) -> tuple[Requirement, ...]:
        return (
            backup_requirement(kit),
            *requirements.promotion(kit),
            requirements.work(
                kit,
                "leaf-link",
                "work.link",
                "one JetStream domain per region, a leaf link with TLS, own credentials and denies for every subject",
                "each region keeps a meta group of its own; denies keep each publish in one stream",
                "a publish is stored in both regions at once",
            ),
            write_gate(kit),
        )

    def stream_steps(self, deployment: Deployment, kit: Kit, after: str) -> tuple[Step, ...]:
        if why := why_no_promotion(deployment.clusters):
            return (blocked_step(kit, Verb.PROMOTE_STREAMS, why, after),)
        promote = promote_mirrors(kit, "remove the mirror of every stream and give it its subjects", after)
        return promote, restore_consumers(kit, promote.id)

    def failback_steps(self, deployment: Deployment, kit: Kit, ready: tuple[str, ...]) -> tuple[Step, ...]:
        del deployment
        return mirrored_failback(kit, ready)
