"""One super-cluster by gateways over two regions; the standby mirrors every stream.

JetStream's meta group spans both regions, and losing either takes the majority of it: nothing can be created,
updated or promoted until a person rescues the group, which erases what the lost region had not yet sent.
"""

from __future__ import annotations

from collections.abc import Set

from attrs import evolve, frozen

from secondsite.model.deployment import Copy, Deployment, LinkKind, Requirement, Site, WanLink
from secondsite.model.nats import GatewayLink, NatsCluster, Stream
from secondsite.model.nats_release import Feature
from secondsite.model.procedure import QuorumMethod, Step, Verb
from secondsite.strategies import requirements
from secondsite.strategies.clusters import at_home, mirrors, named, stream_copy, stream_link
from secondsite.strategies.design import Kit
from secondsite.strategies.failback_steps import no_failback
from secondsite.strategies.links.backup import backup_requirement, stream_backup
from secondsite.strategies.mirrorable import why_no_promotion
from secondsite.strategies.requirements import without
from secondsite.strategies.steps import (
    blocked_step,
    free_subjects,
    included_in,
    make_step,
    promote_mirrors,
    restore_consumers,
)
from secondsite.strategies.write_gate import write_gate


def joined(clusters: tuple[NatsCluster, ...]) -> tuple[NatsCluster, ...]:
    """Every cluster with gateways to all the others."""
    return tuple(
        evolve(
            cluster,
            reject_unknown_gateways=True,
            gateways=tuple(GatewayLink(other.name, tls=True) for other in clusters if other.name != cluster.name),
        )
        for cluster in clusters
    )


def mirrored_pair(kit: Kit, cluster: NatsCluster) -> tuple[NatsCluster, NatsCluster]:
    """Today's cluster and one in the second region that mirrors its streams, names told apart by the region."""
    other = named(cluster, kit.second)
    here = {stream.name for stream in cluster.streams}
    renamed = tuple(_renamed(mirror, cluster.region, here, other) for mirror in mirrors(cluster, domain=False))
    placed = tuple(evolve(stream, placement=cluster.name) for stream in cluster.streams)
    return evolve(cluster, streams=placed), evolve(other, streams=renamed)


def _renamed(mirror: Stream, home: str, here: Set[str], other: NatsCluster) -> Stream:
    """One that mirrors a stream of its own region reads from that one's copy."""
    name, origin = f"{mirror.name}-{other.region}", mirror.mirror
    if origin is None or origin.region == home or origin.stream not in here:
        return evolve(mirror, name=name, placement=other.name)
    return evolve(
        mirror, name=name, placement=other.name, mirror=evolve(origin, stream=f"{origin.stream}-{other.region}")
    )


def gateway_requirement(kit: Kit) -> Requirement:
    return requirements.work(
        kit,
        "gateways",
        "work.link",
        "gateways with TLS and reject_unknown between the regions, streams placed by cluster",
        "one super-cluster: one account space, one meta group",
    )


@frozen
class SuperclusterMirror:
    kit: Kit

    def sites(self, sites: tuple[Site, ...]) -> tuple[Site, ...]:
        return sites

    def clusters(self, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
        return tuple(one for cluster in at_home(self.kit) for one in joined(mirrored_pair(self.kit, cluster)))

    def links(self) -> tuple[WanLink, ...]:
        return stream_link(self.kit, self.kit.second, LinkKind.GATEWAY)

    def copies(self) -> tuple[Copy, ...]:
        kit = self.kit
        return (stream_copy(kit, kit.second, "mirror over a gateway"), stream_backup(kit, kit.second))

    def requirements(self) -> tuple[Requirement, ...]:
        return (
            backup_requirement(self.kit),
            *requirements.promotion(self.kit, Feature.META_RESCUE),
            gateway_requirement(self.kit),
            *write_gate(self.kit),
            requirements.position_agent(self.kit),
        )

    def stream_steps(self, deployment: Deployment, after: str) -> tuple[Step, ...]:
        kit = self.kit
        lost, voters = _voters(deployment)
        if lost * 2 >= voters and without(deployment.clusters, Feature.META_RESCUE):
            refused = "; and a mirror is not promoted (400/10055)" if _refuses(deployment) else ""
            why = (
                f"{voters - lost} of {voters} meta voters survive and {voters // 2 + 1} are needed: every update fails "
                f"with 503/10008, and nats-server below 2.15 has no rescue{refused}"
            )
            return (blocked_step(Verb.RESTORE_QUORUM, why, after),)
        if why := why_no_promotion(deployment.clusters):
            return (blocked_step(Verb.PROMOTE_STREAMS, why, after),)
        rescue = make_step(
            kit,
            Verb.RESTORE_QUORUM,
            "rescue the meta group, remove the lost servers that do not answer: what only their disks hold is erased "
            "when they rejoin",
            "quorum.rescue",
            check="a meta leader is known, and every server that is still in the group answers",
            after=(after, "approve"),
            region=kit.second.name,
            reversible=False,
            approval=True,
        )
        rescue = evolve(rescue, method=QuorumMethod.RESCUE)
        approve = make_step(
            kit,
            Verb.DECIDE,
            "approve what cannot be undone: the old region's disks are disconnected or given up",
            "approve.people",
            check="a named person approved this plan's hash",
            after=(after,),
            step_id="approve",
            by_person=True,
        )
        free = evolve(free_subjects(kit, rescue.id), duration=included_in("quorum.rescue", kit))
        promote = promote_mirrors(kit, "remove the mirror of every stream and give it the origin's subjects", free.id)
        return approve, rescue, free, promote, restore_consumers(kit, promote.id)

    def failback_steps(self, deployment: Deployment, ready: tuple[str, ...]) -> tuple[Step, ...]:
        home, second = self.kit.home.name, self.kit.second.name
        why = (
            f"{home} shares its meta group with {second} alone: started apart it has no majority and changes no stream "
            f"(10008), and joined after a rescue it erases what only its disks hold. Serve from {second}, save the old "
            "disks, and lay the deployment out again, or add a witness"
        )
        return no_failback(self.kit, why)


def _voters(deployment: Deployment) -> tuple[int, int]:
    """Meta voters in the lost region, and in all."""
    home = deployment.primary.region.name
    return (
        sum(cluster.voters for cluster in deployment.clusters if cluster.region == home),
        sum(cluster.voters for cluster in deployment.clusters),
    )


def _refuses(deployment: Deployment) -> bool:
    return bool(without(deployment.clusters, Feature.PROMOTION))
