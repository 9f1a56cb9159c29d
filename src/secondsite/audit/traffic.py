"""Hazards of the way clients are moved: arithmetic of detection, decision, TTL and resolvers that ignore it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

from secondsite.audit.audited import Audited, rto_below
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.procedure import Need
from secondsite.model.wording import duration, percent
from secondsite.strategies.switches.switching import holds_dns_control

DECIDE = NormalDist(mu=3.466, sigma=1.264)  # of the logarithm, in minutes
MANUAL_AT_LEAST_S = 1800.0
STALE_S = 900.0
STALE_SHARE = 0.02
API = (Subject.API,)


@rule(
    id="dns-arithmetic",
    severity=Severity.HIGH,
    title="Health checks and TTL use up the RTO",
    why="Clients keep the old address until the checks have failed and the record has expired.",
    source="arithmetic; AWS Route 53 documentation: 30 s × 3 and TTL 60 s are about 150 s",
    remedy="Check every 10 s, lower the TTL, or put a global load balancer in front.",
)
def dns_arithmetic(audited: Audited) -> Iterator[Finding]:
    traffic = audited.traffic
    detection_s = traffic.detection_s if traffic.automatic else 0.0
    spent_s = detection_s + traffic.ttl_s

    def late(contract: Contract) -> bool:
        return contract.rto_s is not None and contract.rto_s <= spent_s

    contracts = audited.contracts(API, LOSES_REGION, late)
    if contracts:
        rto_s = min(contract.rto_s or 0.0 for contract in contracts)
        checks = f"checks {traffic.check_threshold} × {duration(traffic.check_interval_s)} + "
        yield Finding(
            "traffic.ttl",
            f"{checks if traffic.automatic else ''}TTL {duration(traffic.ttl_s)} = {duration(spent_s)} "
            f"before anything else, and the RTO is {duration(rto_s)}",
            audited.endangered(API, LOSES_REGION, late),
        )


@rule(
    id="dns-stale-resolvers",
    severity=Severity.MEDIUM,
    title="Resolvers that outlive the RTO",
    why="Some resolvers and clients keep a record long after its TTL.",
    source="Flavel et al., LANMAN 2014: 2 % stale 15 min after TTL 20 s; Bhowmick et al., PAM 2023: 8.74 % extend TTLs",
    remedy="Use an anycast address or a client that tries both regions, or promise less than 98 %.",
)
def dns_stale_resolvers(audited: Audited) -> Iterator[Finding]:
    def missed_by_the_tail(contract: Contract) -> bool:
        return contract.rto_s is not None and contract.rto_s < STALE_S and contract.confidence > 1 - STALE_SHARE

    contracts = audited.contracts(API, LOSES_REGION, missed_by_the_tail)
    if contracts:
        strictest = max(contract.confidence for contract in contracts)
        yield Finding(
            "traffic.ttl",
            f"{percent(STALE_SHARE)} of requests still go to the lost region after {duration(STALE_S)}, and "
            f"{percent(strictest)} are promised before then",
            audited.endangered(API, LOSES_REGION, missed_by_the_tail),
        )


@rule(
    id="dns-control-in-lost-region",
    severity=Severity.HIGH,
    title="The record is changed through the region that is lost",
    why="Changing a record asks the provider's control plane, which is lost with this region.",
    source="AWS: Route 53 Developer Guide, control and data planes; Static stability using Availability Zones",
    remedy="Use health-checked failover or weighted records, which the data plane answers by itself.",
)
def dns_control_in_lost_region(audited: Audited) -> Iterator[Finding]:
    hasty = rto_below(MANUAL_AT_LEAST_S)
    contracts = audited.contracts(API, LOSES_REGION, hasty)
    asks = any(Need.DNS_CONTROL in step.needs for procedure in audited.failovers for step in procedure.steps)
    if contracts and asks and holds_dns_control(audited.system.region):
        yield Finding(
            "traffic.host",
            f"Route 53 takes changes in {audited.system.region.name} alone, and the failover changes the record "
            "when that region is lost",
            audited.endangered(API, LOSES_REGION, hasty),
        )


@rule(
    id="dns-by-hand",
    severity=Severity.HIGH,
    title="DNS by hand against a short RTO",
    why="People need to notice, gather and agree before anyone changes a record.",
    source="Li et al., ISSRE 2022: n 43, p50 32 min, p95 256 min; lognormal with those, μ 3.47 σ 1.26 in minutes",
    remedy="Let health checks switch the record, or agree on an RTO that people can keep.",
)
def dns_by_hand(audited: Audited) -> Iterator[Finding]:
    hasty = rto_below(MANUAL_AT_LEAST_S)
    contracts = () if audited.traffic.automatic else audited.contracts(API, LOSES_REGION, hasty)
    if contracts:
        rto_s = min(contract.rto_s or 0.0 for contract in contracts)
        yield Finding(
            "traffic.automatic",
            f"a person changes DNS: the decision alone took 32 min at the median of 43 published incidents, and is "
            f"made within the RTO of {duration(rto_s)} in {percent(_decided_within(rto_s))} of cases",
            audited.endangered(API, LOSES_REGION, hasty),
        )


def _decided_within(limit_s: float) -> float:
    return DECIDE.cdf(math.log(limit_s / 60)) if limit_s > 0 else 0.0
