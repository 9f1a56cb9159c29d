"""Hazards of the connections: between servers, between regions, and into the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited, listed
from secondsite.audit.rule import Finding, rule
from secondsite.audit.subjects import SubjectIndex, covers
from secondsite.model.contract import Subject
from secondsite.model.deployment import LinkKind
from secondsite.model.fault import EVERY_FAULT, LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.nats import LeafLink, NatsCluster, Stream, StreamKind

MEASURED = "nats-server 2.15.1, measured 2026-11"
NATS_SECURITY = "NATS documentation, TLS and authorization"
NATS = (Subject.NATS,)
TWO_WRITERS = LOSES_REGION | {Fault.WAN_PARTITION}


def _listens_on(audited: Audited, stream: Stream) -> tuple[str, ...]:
    """What a stream captures, or will once it is promoted. Key-value subjects do not cross a leaf link."""
    if stream.kind is StreamKind.KV:
        return ()
    if stream.subjects:
        return stream.subjects
    mirrored = audited.mirrored.get(id(stream))
    if mirrored and mirrored.subjects:
        return mirrored.subjects
    return (f"$O.{stream.name.removeprefix('OBJ_')}.>",) if stream.kind is StreamKind.OBJECT else ()


def _crossing(audited: Audited, here: NatsCluster, there: NatsCluster, leaf: LeafLink) -> Iterator[tuple[Stream, str]]:
    """Streams of ``here`` with a subject that ``there`` captures too and that the leaf does not deny both ways."""
    captured = SubjectIndex({subject for stream in there.streams for subject in _listens_on(audited, stream)})
    denied = set(leaf.deny_imports) & set(leaf.deny_exports)
    for stream in here.streams:
        for mine in [subject for subject in _listens_on(audited, stream) if subject not in denied]:
            if any(not _denied(leaf, mine, theirs) for theirs in captured.overlapping(mine)):
                yield stream, mine


def _denied(leaf: LeafLink, mine: str, theirs: str) -> bool:
    return all(
        any(covers(deny, mine) or covers(deny, theirs) for deny in denies)
        for denies in (leaf.deny_imports, leaf.deny_exports)
    )


def _leaf_pairs(audited: Audited) -> Iterator[tuple[NatsCluster, NatsCluster, LeafLink]]:
    by_name = {cluster.name: cluster for cluster in audited.clusters}
    for cluster in audited.clusters:
        for leaf in cluster.leaves:
            if leaf.cluster in by_name and leaf.cluster != cluster.name:
                yield cluster, by_name[leaf.cluster], leaf


def _captures(audited: Audited, objects: bool) -> Iterator[Finding]:
    for here, there, leaf in _leaf_pairs(audited):
        captured = [
            pair for pair in _crossing(audited, here, there, leaf) if (pair[0].kind is StreamKind.OBJECT) is objects
        ]
        if captured:
            yield Finding(
                f"nats.{here.name}.leaves.{leaf.cluster}",
                f"{listed(dict.fromkeys(subject for _, subject in captured))} cross the leaf link {here.name} to "
                f"{leaf.cluster} and are captured on both sides",
                audited.endangered(NATS, TWO_WRITERS),
            )


@rule(
    id="nats-leaf-double-capture",
    severity=Severity.FATAL,
    title="One subject, two writers over a leaf link",
    why="A publish in one region is stored by the other region's stream, or by both, with two acknowledgements.",
    source=MEASURED,
    remedy="List the streams' subjects under deny_imports and deny_exports of the leaf remote.",
)
def nats_leaf_double_capture(audited: Audited) -> Iterator[Finding]:
    return _captures(audited, objects=False)


@rule(
    id="nats-leaf-object-capture",
    severity=Severity.HIGH,
    title="Object store subjects cross a leaf link",
    why="Unlike key-value subjects, $O.> is not held back by a JetStream domain: chunks land on the wrong side.",
    source=MEASURED,
    remedy="Add `$O.<bucket>.>` to deny_imports and deny_exports of the leaf remote.",
)
def nats_leaf_object_capture(audited: Audited) -> Iterator[Finding]:
    return _captures(audited, objects=True)


@rule(
    id="nats-route-tls",
    severity=Severity.MEDIUM,
    title="Routes without TLS",
    why="Whoever is on the network reads and writes what the servers replicate.",
    source=NATS_SECURITY,
    remedy="Configure `cluster.tls` with certificates of your own authority and `verify: true`.",
)
def nats_route_tls(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        known = not audited.is_assumed(f"nats.{cluster.name}.route_tls")
        if audited.servers_of(cluster) > 1 and known and not cluster.route_tls:
            yield Finding(
                f"nats.{cluster.name}.route_tls",
                f"the {audited.servers_of(cluster)} servers of {cluster.name} replicate over routes without TLS",
                audited.endangered(NATS, (Fault.BAD_WRITE,)),
            )


@rule(
    id="nats-routes-open",
    severity=Severity.HIGH,
    title="Routes that let any server join",
    why="Whoever reaches the route port with the cluster's name joins, and reads and writes past every login and gate.",
    source=f"{MEASURED}: a server of the same name with accounts of its own read and published messages",
    remedy="Set `cluster.authorization`, with the login in every route's URL, or `cluster.tls` with `verify: true`.",
)
def nats_routes_open(audited: Audited) -> Iterator[Finding]:
    """Of what runs today: what a strategy renders logs in. Where nobody could read the setting, nothing is said."""
    for cluster in () if audited.deployment else audited.clusters:
        if audited.servers_of(cluster) > 1 and cluster.route_authorization is False and not cluster.route_tls:
            yield Finding(
                f"nats.{cluster.name}.route_authorization",
                f"any server that reaches the route port of {cluster.name} may join it",
                audited.endangered(NATS, (Fault.DELETION, Fault.BAD_WRITE)),
            )


@rule(
    id="nats-gateways-open",
    severity=Severity.HIGH,
    title="Gateways that let any cluster join",
    why="A cluster's name is no secret: whoever gives it joins the super-cluster, and its accounts cross the gateway.",
    source=f"{MEASURED}: a server with the name of a cluster that was away joined, reject_unknown_cluster or not",
    remedy="Set `gateway.authorization` to one login in every cluster, or `gateway.tls`; best both.",
)
def nats_gateways_open(audited: Audited) -> Iterator[Finding]:
    """Of what runs today, as with routes."""
    for cluster in () if audited.deployment else audited.clusters:
        plain = [link.cluster for link in cluster.gateways if not link.tls and link.cluster != cluster.name]
        if plain and cluster.gateway_authorization is False:
            yield Finding(
                f"nats.{cluster.name}.gateway_authorization",
                f"any server that reaches the gateway port of {cluster.name} may join as {plain[0]}",
                audited.endangered(NATS, (Fault.DELETION, Fault.BAD_WRITE)),
            )


@rule(
    id="nats-clients-open",
    severity=Severity.HIGH,
    title="Clients that log in with nothing",
    why="Whoever reaches the client port publishes, purges and deletes streams, and no write gate holds anybody back.",
    source="NATS documentation, authentication; nats-server 2.15.1, INFO without auth_required",
    remedy="Give each application a login in an account of its own: `accounts`, JWTs, or verified certificates.",
)
def nats_clients_open(audited: Audited) -> Iterator[Finding]:
    """Of what runs today: what a strategy renders asks for a login. What nobody could read is no finding."""
    for cluster in () if audited.deployment else audited.clusters:
        if cluster.client_authorization is False:
            yield Finding(
                f"nats.{cluster.name}.client_authorization",
                f"whoever reaches {cluster.name} may write to it, and delete its streams",
                audited.endangered(NATS, (Fault.DELETION, Fault.BAD_WRITE)),
            )


@rule(
    id="nats-link-tls",
    severity=Severity.HIGH,
    title="A link between clusters without TLS",
    why="It leaves the region, and with it whatever protects the network there.",
    source=NATS_SECURITY,
    remedy="Configure TLS on the gateway or leaf remote, with verification on both sides.",
)
def nats_link_tls(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        gateways = [("gateways", link.cluster) for link in cluster.gateways if not link.tls]
        leaves = [("leaves", link.cluster) for link in cluster.leaves if not link.tls]
        for kind, other in (*gateways, *leaves):
            if other != cluster.name:
                yield Finding(
                    f"nats.{cluster.name}.{kind}.{other}",
                    f"{cluster.name} reaches {other} without TLS",
                    audited.endangered(NATS, (Fault.BAD_WRITE,)),
                )


@rule(
    id="nats-link-one-credential",
    severity=Severity.MEDIUM,
    title="One credential for all links",
    why="It cannot be revoked for one region without cutting off the others, which is what fencing needs.",
    source=NATS_SECURITY,
    remedy="Issue one credential per link and direction.",
)
def nats_link_one_credential(audited: Audited) -> Iterator[Finding]:
    users: dict[str, list[str]] = {}
    for cluster in audited.clusters:
        for leaf in cluster.leaves:
            if leaf.credentials:
                users.setdefault(leaf.credentials, []).append(cluster.name)
    for credential, clusters in users.items():
        if len(clusters) > 1:
            yield Finding(
                f"nats.{clusters[0]}.leaves",
                f"{len(clusters)} leaf links ({', '.join(clusters)}) use one credential, {credential}",
                audited.endangered(NATS, (Fault.BAD_WRITE,)),
            )


@rule(
    id="nats-gateway-reject-unknown",
    severity=Severity.MEDIUM,
    title="Gateways that accept unknown clusters",
    why="A cluster that nobody listed may join the super-cluster and its interest graph.",
    source="NATS documentation, gateway configuration: reject_unknown_cluster",
    remedy="Set `reject_unknown_cluster: true` and list the gateways.",
)
def nats_gateway_reject_unknown(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        if cluster.gateways and not cluster.reject_unknown_gateways:
            yield Finding(
                f"nats.{cluster.name}.reject_unknown_gateways",
                f"{cluster.name} lets any cluster with a gateway join",
                audited.endangered(NATS, (Fault.BAD_WRITE,)),
            )


@rule(
    id="nats-no-network-policy",
    severity=Severity.LOW,
    title="No network policy around NATS",
    why="One compromised pod can purge streams or read what is replicated.",
    source="Kubernetes documentation, network policies",
    remedy="Allow the client port from the services that use it, and the route port among the servers.",
)
def nats_no_network_policy(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        service = audited.service_of(cluster)
        if service and audited.on_kubernetes(service) and not service.network_policy:
            yield Finding(
                f"services.{service.name}.network_policy",
                f"every pod of the Kubernetes cluster can reach all ports of {service.name}",
                audited.endangered(NATS, (Fault.DELETION, Fault.BAD_WRITE)),
            )


@rule(
    id="nats-stretch-latency",
    severity=Severity.MEDIUM,
    title="A stretched stream slower than promised",
    why="A replica in another region has to confirm each write, and a remote writer first has to reach the leader.",
    source=f"{MEASURED}: 22.5 ms near the leader, twice that elsewhere, at a round trip of 20 ms",
    remedy="Place the leaders near the writers, choose nearer regions, or relax the budget.",
)
def nats_stretch_latency(audited: Audited) -> Iterator[Finding]:
    budget_s = audited.system.load.publish_budget_s
    trips = (
        [link.rtt_s for link in audited.deployment.links if link.kind is LinkKind.ROUTE and link.rtt_s]
        if audited.deployment
        else []
    )
    if budget_s is not None and trips and 2 * max(trips) > budget_s:
        yield Finding(
            "load.publish_budget",
            f"a writer far from the leader waits two round trips, {2000 * max(trips):.0f} ms, and "
            f"{1000 * budget_s:.0f} ms were promised",
            audited.endangered((Subject.API, Subject.NATS), EVERY_FAULT),
        )
