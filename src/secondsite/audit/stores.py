"""Hazards of databases and other stores: copies that cannot keep what a contract promises, store by store."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited, rpo_below
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy
from secondsite.model.fault import LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.store import Loss
from secondsite.model.wording import duration
from secondsite.strategies.stores import REPLICATED

_OPERATED = frozenset(
    {"Cluster", "postgresql", "PostgresCluster", "SGCluster", "PerconaPGCluster", "RedisFailover", "RedisReplication"}
)
"""Resources of which an operator decides who is primary."""


@rule(
    id="store-rpo-below-lag",
    severity=Severity.FATAL,
    title="RPO of a store below the lag of its nearest copy",
    why="A replica that follows after the commit, or a backup at intervals, lacks what was committed last.",
    source="PostgreSQL documentation, 26.2.5 and 26.2.8: asynchronous streaming replication may lose transactions "
    "that were committed; measured 2026-11: 30 commits lost at 20 a second over a link of 1.5 s",
    remedy="Replicate it synchronously, back it up more often, or ask for a longer RPO.",
)
def store_rpo_below_lag(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        if store.loss is not Loss.DATA:
            continue
        for fault in sorted(LOSES_REGION):
            nearest = min(_covering(audited, store.name, fault), key=_behind_s, default=None)
            if nearest is None:
                continue
            contracts = audited.endangered((Subject.STATE,), (fault,), rpo_below(_behind_s(nearest)))
            if contracts:
                how = f"{nearest.method} of {store.name} in {nearest.region}"
                behind = duration(_behind_s(nearest))
                yield Finding(f"stores.{store.name}", f"the {how} is up to {behind} behind", contracts)
                break


@rule(
    id="store-promoted-by-two",
    severity=Severity.HIGH,
    title="A database that its operator and the failover promote",
    why="An operator keeps the primary that it knows: it turns a promotion by SQL back, or promotes another instance, "
    "and two of them take writes.",
    source="CloudNativePG documentation, Replica clusters: promotion by `replica.enabled: false`; Patroni "
    "documentation, Standby cluster: promoted by its configuration",
    remedy="Promote it through its operator, in a step of your own, and leave it out here (`replication: none`).",
)
def store_promoted_by_two(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        service = audited.system.service(store.service)
        copies = _covering(audited, store.name, Fault.REGION)
        followed = [copy for copy in copies if copy.method != "scheduled backup"]
        if service is not None and service.kind in _OPERATED and store.engine in REPLICATED and followed:
            yield Finding(
                f"stores.{store.name}",
                f"an operator runs {service.kind} {store.name}, and the failover promotes it in {followed[0].region}",
                audited.endangered((Subject.STATE,), LOSES_REGION),
            )


def _covering(audited: Audited, store: str, fault: Fault) -> list[Copy]:
    """Copies that the fault leaves good; one that names no store has all of them."""
    mine = [copy for copy in audited.copies if copy.subject is Subject.STATE and fault in copy.survives]
    return [copy for copy in mine if not copy.covers or store in copy.covers]


def _behind_s(copy: Copy) -> float:
    return copy.hold.quantile(0.5) + copy.propagate.quantile(0.5) + copy.interval.mean
