"""Hazards of too few replicas, and of replicas that fall together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from secondsite.audit.audited import Audited, listed, rto_below, stream_path
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import INSIDE_REGION, LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.procedure import Verb
from secondsite.model.service import DisruptionBudget, Role, Service, Spreading
from secondsite.model.store import Loss
from secondsite.model.wording import counted

MEASURED = "nats-server 2.15.1, measured 2026-11"
NATS_REPLICAS = "NATS documentation, JetStream clustering"
SCHEDULING = "Kubernetes documentation, affinity and topology spread constraints"
ELECTION_S = 10.0
SERVED = (Subject.API, Subject.NATS)
NATS = (Subject.NATS,)
NODE_OR_ZONE = (Fault.NODE, Fault.ZONE)


def _streams(audited: Audited, replicas: Callable[[int], bool], says: str) -> Iterator[Finding]:
    for cluster in audited.clusters:
        servers = counted(audited.servers_of(cluster), "servers")
        for stream in cluster.streams:
            known = not audited.is_assumed(f"{stream_path(cluster, stream)}.replicas")
            if known and replicas(stream.replicas):
                yield Finding(
                    f"{stream_path(cluster, stream)}.replicas",
                    f"{stream.name}, replicas {stream.replicas}, on {servers}: {says}",
                    audited.endangered(SERVED, INSIDE_REGION),
                )


@rule(
    id="nats-even-servers",
    severity=Severity.LOW,
    title="An even number of servers",
    why="The last one adds cost and another way to fail, but no tolerance.",
    source=NATS_REPLICAS,
    remedy="Run 3 or 5 servers.",
)
def nats_even_servers(audited: Audited) -> Iterator[Finding]:
    for name, cluster in {cluster.name: cluster for cluster in audited.clusters}.items():
        servers = audited.servers_of(cluster)
        if cluster.jetstream and servers > 0 and servers % 2 == 0:
            yield Finding(
                f"nats.{name}.servers",
                f"{name} has {servers} servers and survives the loss of {(servers - 1) // 2}, as would {servers - 1}",
                audited.endangered(NATS, NODE_OR_ZONE),
            )


@rule(
    id="nats-stream-no-placement",
    severity=Severity.MEDIUM,
    title="A stream without placement in a super-cluster",
    why="The meta leader chooses the cluster, so a stream may lie far from its writers, or next to its own mirror.",
    source="NATS documentation, stream placement",
    remedy="Set `placement.cluster` on every stream and mirror.",
)
def nats_stream_no_placement(audited: Audited) -> Iterator[Finding]:
    for group in audited.meta_groups:
        for cluster in group.clusters if len(group.voters) > 1 else ():
            loose = [stream.name for stream in cluster.streams if not stream.placement]
            if loose and not audited.stretched(cluster):
                yield Finding(
                    f"nats.{cluster.name}.streams",
                    f"{listed(loose)} may be placed in any of {', '.join(group.voters)}",
                    audited.endangered(NATS, LOSES_REGION),
                )


@rule(
    id="nats-budget-majority",
    severity=Severity.HIGH,
    title="A drain may take the majority of NATS",
    why="Draining nodes for an upgrade may evict enough servers at once that no write is acknowledged.",
    source="Kubernetes documentation, disruption budgets",
    remedy="Set a PodDisruptionBudget with maxUnavailable 1.",
)
def nats_budget_majority(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        service = audited.service_of(cluster)
        if service and audited.on_kubernetes(service) and cluster.servers > 2:
            left = _left_by(service.disruption_budget, cluster.servers)
            if left < cluster.servers // 2 + 1:
                path = "disruption_budget" if service.disruption_budget else "replicas"
                yield Finding(
                    f"services.{service.name}.{path}",
                    f"a drain may leave {left} of {cluster.servers} servers of {cluster.name}, "
                    f"{cluster.servers // 2 + 1} are needed",
                    audited.endangered(NATS, (Fault.NODE, Fault.PROCESS)),
                )


def _left_by(budget: DisruptionBudget | None, replicas: int) -> int:
    if budget and budget.min_available is not None:
        return budget.min_available
    if budget and budget.max_unavailable is not None:
        return replicas - budget.max_unavailable
    return 0


def _replicas(service: Service) -> int:
    return service.autoscale.min_replicas if service.autoscale else service.replicas


def _side_by_side(audited: Audited, service: Service) -> int:
    """How many of its pods run in one Kubernetes cluster; a Deployment may place fewer there than run today."""
    sites = audited.deployment.sites if audited.deployment else ()
    return max((site.replicas(service.name) for site in sites), default=0) or _replicas(service)


def _is_nats(audited: Audited, service: Service) -> bool:
    return service.role is Role.NATS or any(audited.service_of(cluster) is service for cluster in audited.clusters)


def _holds_state(audited: Audited, service: Service) -> bool:
    """Whether losing its pods for good loses data: whether it is a store of any. NATS is judged elsewhere, and a volume
    of an application may be scratch: nobody knows.
    """
    stored = any(store.service == service.name and store.loss is Loss.DATA for store in audited.system.stores)
    return stored and not _is_nats(audited, service)


def _serves(service: Service) -> bool:
    return service.role in (Role.API, Role.GATEWAY)


def _together(
    audited: Audited, kind: Callable[[Service], bool], domain: str, subjects: tuple[Subject, ...]
) -> Iterator[Finding]:
    """Findings for services of a kind with several replicas that may share a node or a zone."""
    if domain == "zone" and audited.system.region.zones < 2:
        return
    for service in audited.system.services:
        spread = service.spread_nodes if domain == "node" else service.spread_zones
        unknown = audited.is_assumed(f"services.{service.name}.spread_{domain}s")
        apart = spread is Spreading.REQUIRED or unknown or not audited.on_kubernetes(service)
        if not apart and (pods := _side_by_side(audited, service)) > 1 and kind(service):
            only = "only prefers" if spread is Spreading.PREFERRED else "has no rule for"
            yield Finding(
                f"services.{service.name}.spread_{domain}s",
                f"{pods} pods of {service.name} may share a {domain}: it {only} separate {domain}s",
                audited.endangered(subjects, (Fault(domain),)),
            )


@rule(
    id="state-single-replica",
    severity=Severity.HIGH,
    title="One replica with state",
    why="Its node or its volume is the only place where the data is.",
    source="Kubernetes documentation, stateful applications",
    remedy="Run it replicated over zones, or use a managed service with a standby in another zone.",
)
def state_single_replica(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.services:
        part = any(service.name in cluster.parts for cluster in audited.clusters)
        nats = _is_nats(audited, service) and service.stateful and not part
        if _replicas(service) == 1 and (nats or _holds_state(audited, service)):
            yield Finding(
                f"services.{service.name}.replicas",
                f"{service.name} holds data in one replica",
                audited.endangered((Subject.STATE, Subject.API), INSIDE_REGION),
            )


@rule(
    id="api-single-replica",
    severity=Severity.HIGH,
    title="One replica answers clients",
    why="Every restart of it is an outage.",
    source="Kubernetes documentation, deployments",
    remedy="Run two replicas or more, on different nodes.",
)
def api_single_replica(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.services:
        if _replicas(service) == 1 and _serves(service):
            yield Finding(
                f"services.{service.name}.replicas",
                f"{service.name} answers clients from one replica",
                audited.endangered((Subject.API,), INSIDE_REGION),
            )


@rule(
    id="api-dependency-single-replica",
    severity=Severity.MEDIUM,
    title="One replica of what the API depends on",
    why="The API is no more available than it is.",
    source="Treynor et al., The Calculus of Service Availability",
    remedy="Run two replicas or more, or let the API serve without it.",
)
def api_dependency_single_replica(audited: Audited) -> Iterator[Finding]:
    waiting = [service.name for service in audited.system.services if _serves(service)]
    needed: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        service = audited.system.service(name)
        for dependency in service.depends_on if service else ():
            if dependency not in needed:
                needed[dependency] = name
                waiting.append(dependency)
    parts = {part for cluster in audited.clusters for part in cluster.parts}
    for service in audited.system.services:
        if (
            service.name in needed
            and service.name not in parts
            and _replicas(service) == 1
            and service.role is not Role.OBSERVABILITY
            and not _serves(service)
            and not _holds_state(audited, service)
        ):
            yield Finding(
                f"services.{service.name}.replicas",
                f"{needed[service.name]} depends on {service.name}, which runs one replica",
                audited.endangered((Subject.API,), INSIDE_REGION),
            )


@rule(
    id="observability-single-replica",
    severity=Severity.LOW,
    title="Monitoring with one replica",
    why="It fails with what it should report, and an outage that nobody sees is decided late.",
    source="Li et al., ISSRE 2022: half of all incidents are noticed within 8 minutes, one in ten after 43",
    remedy="Watch from outside the region too; one external probe is enough to page.",
)
def observability_single_replica(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.with_role(Role.OBSERVABILITY):
        if _replicas(service) == 1 and service.kind != "DaemonSet":
            yield Finding(
                f"services.{service.name}.replicas",
                f"{service.name} runs one replica in the region it watches",
                audited.endangered((Subject.OBSERVABILITY,), INSIDE_REGION | {Fault.OBSERVABILITY}),
            )


@rule(
    id="nats-rto-below-election",
    severity=Severity.MEDIUM,
    title="RTO below the time of an election",
    why="A stream without a leader acknowledges nothing, and a new leader takes seconds.",
    source=f"{MEASURED}: 4 to 9 s, and 5.3 to 8.0 s to the first write of a stretch cluster",
    remedy="Let each region write its own stream (active-active), or agree on an RTO above 10 s.",
)
def nats_rto_below_election(audited: Audited) -> Iterator[Finding]:
    elected = {
        procedure.fault for procedure in audited.procedures if any(s.verb is Verb.ELECT for s in procedure.steps)
    }
    for cluster in audited.clusters:
        led = [stream.name for stream in cluster.streams if stream.replicas > 1]
        faults = elected | (INSIDE_REGION if led else set())
        if audited.stretched(cluster):
            faults |= LOSES_REGION
        contracts = audited.endangered(SERVED, faults, rto_below(ELECTION_S)) if led else ()
        if contracts:
            yield Finding(
                f"nats.{cluster.name}.streams",
                f"{len(led)} replicated streams of {cluster.name} elect a new leader in 4 to 9 s",
                contracts,
            )


@rule(
    id="nats-stream-single-replica",
    severity=Severity.HIGH,
    title="A stream with one replica",
    why="The node that holds it is the stream: while it is away nobody can publish, and its disk is the only copy.",
    source=NATS_REPLICAS,
    remedy="Set `num_replicas: 3`, on three servers or more; an update is enough.",
)
def nats_stream_single_replica(audited: Audited) -> Iterator[Finding]:
    return _streams(audited, lambda replicas: replicas == 1, "one node holds the only copy")


@rule(
    id="nats-stream-even-replicas",
    severity=Severity.MEDIUM,
    title="A stream with an even number of replicas",
    why="A majority of two is two: the second replica adds another way to fail, but no tolerance.",
    source=NATS_REPLICAS,
    remedy="Use 3 or 5 replicas.",
)
def nats_stream_even_replicas(audited: Audited) -> Iterator[Finding]:
    return _streams(
        audited, lambda replicas: replicas > 1 and replicas % 2 == 0, "no more may fail than with one fewer"
    )


@rule(
    id="nats-may-share-node",
    severity=Severity.HIGH,
    title="NATS servers that may share a node",
    why="One machine may take the majority, and with it every acknowledged write of the last seconds.",
    source=SCHEDULING,
    remedy="Require anti-affinity by kubernetes.io/hostname.",
)
def nats_may_share_node(audited: Audited) -> Iterator[Finding]:
    return _together(audited, partial(_is_nats, audited), "node", NATS)


@rule(
    id="nats-may-share-zone",
    severity=Severity.HIGH,
    title="NATS servers that may share a zone",
    why="One zone may take the majority of the servers.",
    source=SCHEDULING,
    remedy="Add a topologySpreadConstraint on topology.kubernetes.io/zone with DoNotSchedule.",
)
def nats_may_share_zone(audited: Audited) -> Iterator[Finding]:
    return _together(audited, partial(_is_nats, audited), "zone", NATS)


@rule(
    id="state-may-share-node",
    severity=Severity.HIGH,
    title="Replicas with state that may share a node",
    why="Replicas on one machine are one replica.",
    source=SCHEDULING,
    remedy="Require anti-affinity by kubernetes.io/hostname.",
)
def state_may_share_node(audited: Audited) -> Iterator[Finding]:
    return _together(audited, partial(_holds_state, audited), "node", (Subject.STATE,))


@rule(
    id="state-may-share-zone",
    severity=Severity.MEDIUM,
    title="Replicas with state that may share a zone",
    why="Zonal volumes cannot follow their pods out of a lost zone.",
    source=SCHEDULING,
    remedy="Add a topologySpreadConstraint on topology.kubernetes.io/zone with DoNotSchedule.",
)
def state_may_share_zone(audited: Audited) -> Iterator[Finding]:
    return _together(audited, partial(_holds_state, audited), "zone", (Subject.STATE,))


@rule(
    id="api-may-share-node",
    severity=Severity.MEDIUM,
    title="Serving pods that may share a node",
    why="One machine may take all pods that answer clients.",
    source=SCHEDULING,
    remedy="Require anti-affinity or a topologySpreadConstraint by kubernetes.io/hostname.",
)
def api_may_share_node(audited: Audited) -> Iterator[Finding]:
    return _together(audited, _serves, "node", (Subject.API,))


@rule(
    id="api-may-share-zone",
    severity=Severity.MEDIUM,
    title="Serving pods that may share a zone",
    why="One zone may take all pods that answer clients.",
    source=SCHEDULING,
    remedy="Add a topologySpreadConstraint on topology.kubernetes.io/zone with DoNotSchedule.",
)
def api_may_share_zone(audited: Audited) -> Iterator[Finding]:
    return _together(audited, _serves, "zone", (Subject.API,))
