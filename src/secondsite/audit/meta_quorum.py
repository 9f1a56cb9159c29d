"""Hazards of a meta group: whether the regions that remain can still decide anything.

All servers of a super-cluster elect one meta leader. Without a majority of them nothing can be created,
changed or promoted, however well the streams themselves are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from secondsite.audit.audited import Audited, MetaGroup, lacks, listed
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.nats import NatsCluster
from secondsite.model.nats_release import Feature

MEASURED = "nats-server 2.15.1, measured 2026-11"
NATS = (Subject.NATS,)


def _breakable(audited: Audited) -> Iterator[MetaGroup]:
    return (group for group in audited.meta_groups if group.indispensable)


@rule(
    id="nats-meta-quorum",
    severity=Severity.HIGH,
    title="Losing one region takes the meta group's majority",
    why="Without a meta leader no stream or consumer can be created or changed, so no mirror can be promoted.",
    source=f"{MEASURED}: 3+3 servers, one region lost, 503/10008 after about 20 s",
    remedy="Put a JetStream server into a third region, or use independent clusters with a JetStream domain each.",
)
def nats_meta_quorum(audited: Audited) -> Iterator[Finding]:
    for group in _breakable(audited):
        left = min(group.total - group.voters[region] for region in group.indispensable)
        yield Finding(
            f"{group.path}.gateways",
            f"{group.split} JetStream servers: losing {' or '.join(group.indispensable)} leaves {left} of "
            f"{group.total}, and {group.majority} are needed for a meta leader",
            audited.endangered(NATS, LOSES_REGION),
        )


@rule(
    id="nats-meta-no-rescue",
    severity=Severity.HIGH,
    title="The meta group can lose its majority and has no rescue",
    why="Below 2.15 there is no META rescue: after about 20 s without a majority nothing brings a leader back.",
    source=f"{MEASURED}; META rescue came with nats-server 2.15 (pull request 8408)",
    remedy="Upgrade to 2.15 or newer, or keep a rehearsed runbook that snapshots the survivors and restores elsewhere.",
)
def nats_meta_no_rescue(audited: Audited) -> Iterator[Finding]:
    for group in _breakable(audited):
        if group.oldest and lacks(group.oldest, Feature.META_RESCUE):
            yield Finding(
                f"nats.{group.oldest.name}.version",
                f"NATS {group.oldest.version} cannot be told to go on with the servers that are left of {group.split}",
                audited.endangered(NATS, LOSES_REGION),
            )


@rule(
    id="nats-promotion-without-leader",
    severity=Severity.FATAL,
    title="The mirror cannot be promoted after the loss it is there for",
    why="Promotion is an update, an update needs a meta leader, and the lost region took the majority with it.",
    source=f"{MEASURED}: promotion refused on the survivor of 3+3",
    remedy="Give each region its own cluster and JetStream domain, linked by leaf nodes; or let a third region vote.",
)
def nats_promotion_without_leader(audited: Audited) -> Iterator[Finding]:
    for group in _breakable(audited) if audited.means_to_promote else ():
        if not lacks(group.oldest, Feature.META_RESCUE):
            continue
        for cluster in group.clusters:
            mirrors = [mirror for mirror in audited.remote_mirrors if mirror.cluster is cluster]
            stuck = [mirror for mirror in mirrors if _lost_with_the_majority(audited, group, mirror.home)]
            if stuck:
                yield Finding(
                    f"nats.{cluster.name}.streams",
                    f"{listed(mirror.stream.name for mirror in stuck)} cannot be promoted when their origins' region "
                    f"is lost: the meta group is {group.split}, and there is no rescue",
                    audited.endangered(NATS, LOSES_REGION),
                )


def _lost_with_the_majority(audited: Audited, group: MetaGroup, home: NatsCluster | None) -> bool:
    return home is not None and home in group.clusters and audited.region_of(home) in group.indispensable


@rule(
    id="nats-meta-unequal-split",
    severity=Severity.MEDIUM,
    title="An unequal split over two regions",
    why="The side with more votes decides alone, so its loss stops both.",
    source=f"{MEASURED}: 2+3, 3+2, 5+3 and 3+5 survive only where the majority survives",
    remedy="Add a voting third region instead of more servers on one side.",
)
def nats_meta_unequal_split(audited: Audited) -> Iterator[Finding]:
    for group in audited.meta_groups:
        voting = {region: count for region, count in group.voters.items() if count}
        if len(voting) == 2 and len(set(voting.values())) == 2:
            larger = max(voting, key=lambda region: voting[region])
            yield Finding(
                f"{group.path}.gateways",
                f"{group.split}: {larger} has {voting[larger]} of {group.total} votes and is a single point of failure",
                audited.endangered(NATS, LOSES_REGION),
            )


@rule(
    id="nats-witness-without-jetstream",
    severity=Severity.HIGH,
    title="A witness that does not vote",
    why="Only JetStream servers are members of the meta group; a witness without it is as good as none.",
    source=f"{MEASURED}: a third region without JetStream is as bad as 3+3",
    remedy="Enable JetStream on the witness; a small store is enough.",
)
def nats_witness_without_jetstream(audited: Audited) -> Iterator[Finding]:
    for group in audited.meta_groups:
        for cluster in group.clusters if len(group.voters) > 1 else ():
            if not cluster.jetstream and not group.voters[audited.region_of(cluster)]:
                yield Finding(
                    f"nats.{cluster.name}.jetstream",
                    f"the {cluster.servers} servers in {audited.region_of(cluster)} run without JetStream, "
                    f"so they do not vote: the meta group is {group.split}",
                    audited.endangered(NATS, LOSES_REGION),
                )


@rule(
    id="nats-gateway-self-route",
    severity=Severity.HIGH,
    title="A gateway region of one server without a route",
    why="A server with a gateway and JetStream needs a cluster route; alone, it needs one to itself.",
    source=MEASURED,
    remedy="Add a `cluster` block with a route to the server itself.",
)
def nats_gateway_self_route(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        if cluster.gateways and cluster.servers == 1 and not cluster.self_route:
            yield Finding(
                f"nats.{cluster.name}.self_route",
                f"{cluster.name} has gateways, one server and no route: that server exits at start",
                audited.endangered(NATS, LOSES_REGION),
            )


def _differing(audited: Audited, of: str, value: Callable[[NatsCluster], str]) -> Iterator[Finding]:
    for group in audited.meta_groups:
        values = {cluster.name: value(cluster) for cluster in group.clusters}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name}: {given or 'none'}" for name, given in values.items())
            yield Finding(
                f"{group.path}.{of}",
                f"clusters of one super-cluster have different values of {of.replace('_', ' ')} ({listed})",
                audited.endangered(NATS, LOSES_REGION),
            )


@rule(
    id="nats-gateway-domains",
    severity=Severity.FATAL,
    title="Different JetStream domains in one super-cluster",
    why="Two domains do not make two meta groups: creation, mirroring and promotion fail.",
    source=f"{MEASURED}: broken either way, also with separate system accounts",
    remedy="Use one domain over gateways, or leaf nodes between domains.",
)
def nats_gateway_domains(audited: Audited) -> Iterator[Finding]:
    return _differing(audited, "domain", lambda cluster: cluster.domain)


@rule(
    id="nats-gateway-system-accounts",
    severity=Severity.FATAL,
    title="Different system accounts in one super-cluster",
    why="Servers with different system accounts never elect a meta leader.",
    source=MEASURED,
    remedy="Use the same system account in every region.",
)
def nats_gateway_system_accounts(audited: Audited) -> Iterator[Finding]:
    return _differing(audited, "system_account", lambda cluster: cluster.system_account)
