"""Hazards of databases and other stores: copies that cannot keep what a contract promises, store by store."""

from __future__ import annotations

import re
from collections.abc import Iterator

from secondsite.audit.audited import Audited, rpo_below
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy
from secondsite.model.fault import DESTROYS_DATA, EVERY_FAULT, LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.store import CopiesToday, Loss, Replication, RunningStore, Store
from secondsite.model.wording import counted, duration, number
from secondsite.strategies.log_archive import LOG_ARCHIVE
from secondsite.strategies.provider_replicas import OFFERED
from secondsite.strategies.stores import ASYNCHRONOUS, PROVIDER_REPLICA, REPLICATED, SYNCHRONOUS, way_of

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
    remedy="Replicate it synchronously (`replication: synchronous`), back it up more often, or agree on a longer RPO.",
)
def store_rpo_below_lag(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        if store.loss is not Loss.DATA:
            continue
        for fault in sorted(LOSES_REGION):
            nearest = min(_covering(audited, store.name, fault), key=_behind_s, default=None)
            if nearest is None:
                continue
            behind_s = max(_behind_s(nearest), _lag_today_s(store) if nearest.method == ASYNCHRONOUS else 0.0)
            contracts = audited.endangered((Subject.STATE,), (fault,), rpo_below(behind_s))
            if contracts := audited.concerned(f"stores.{store.name}", contracts):
                how = f"{nearest.method} of {store.name} in {nearest.region}"
                yield Finding(f"stores.{store.name}", f"the {how} is up to {duration(behind_s)} behind", contracts)
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
        followed = [copy for copy in copies if copy.method not in _NOT_PROMOTED]
        if service is not None and service.kind in _OPERATED and store.engine in REPLICATED and followed:
            yield Finding(
                f"stores.{store.name}",
                f"an operator runs {service.kind} {store.name}, and the failover promotes it in {followed[0].region}",
                audited.endangered((Subject.STATE,), LOSES_REGION),
            )


PG_REPLICATION = "PostgreSQL 18 documentation, 19.6 Replication"


@rule(
    id="store-commits-wait-for-one",
    severity=Severity.HIGH,
    title="A database whose commits wait for a single standby",
    why="Each COMMIT waits until that standby has it. Where the standby, its region or the link is away, every commit "
    "of the primary stands still: RPO 0 is bought with an outage in a region where nothing failed.",
    source="PostgreSQL 18 documentation, 26.2.8 Synchronous Replication; CloudNativePG documentation, Replication: "
    "`dataDurability: preferred` cannot be used with standbys of another cluster",
    remedy="Run two standbys in the other region (`ANY 1 (a, b)`), or decide who turns synchronous_standby_names off, "
    "and rehearse it.",
)
def store_commits_wait_for_one(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        running = store.running
        today = running is not None and running.replicated is CopiesToday.SYNCHRONOUS and running.confirming == 1
        planned = _goes_by(audited, store, Replication.SYNCHRONOUS, SYNCHRONOUS)
        if today or planned:
            where = "the other region" if planned else "one server, as it says"
            yield Finding(
                f"stores.{store.name}{'.replication' if planned else '.running.confirming'}",
                f"commits of {store.name} wait for one standby ({where}), and stop with it",
                audited.endangered((Subject.STATE, Subject.API), (Fault.WAN_PARTITION,)),
            )


@rule(
    id="store-log-never-restored",
    severity=Severity.MEDIUM,
    title="A log archive that nobody has restored",
    why="Nothing of this database runs in the other region: all there is are a base backup and a log, and one missing "
    "segment or a wrong key is found on the day of the failover.",
    source="PostgreSQL 18 documentation, 25.3.5 Recovering Using a Continuous Archive Backup",
    remedy="Restore it on a schedule: `secondsite postgres prove BASE --wal COMMAND --record NAME`.",
)
def store_log_never_restored(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        proven = any(one.restore_tested and store.service in one.covers for one in audited.system.backups)
        if not proven and _goes_by(audited, store, Replication.ARCHIVE, LOG_ARCHIVE):
            yield Finding(
                f"stores.{store.name}.replication",
                f"{store.name} comes back from its log archive alone, and no backup of it was ever restored",
                audited.endangered((Subject.STATE,), LOSES_REGION),
            )


@rule(
    id="store-provider-unknown",
    severity=Severity.MEDIUM,
    title="A provider's replica of a database of which no provider is known",
    why="How far a provider's replica is behind, how long its promotion takes and which call makes it differ from one "
    "product to the next: figures and commands are nobody's.",
    source="Amazon RDS, Amazon Aurora, Cloud SQL and Azure Database documentation: read replicas in other regions",
    remedy=f"Write `product:` ({', '.join(OFFERED)}), or choose another `replication`.",
)
def store_provider_unknown(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        if store.product not in OFFERED and _goes_by(audited, store, Replication.MANAGED, PROVIDER_REPLICA):
            yield Finding(
                f"stores.{store.name}.replication",
                f"{store.name} is to have its provider's replica, and nothing says who that is",
                audited.endangered((Subject.STATE,), LOSES_REGION),
            )


@rule(
    id="store-slot-fills-disk",
    severity=Severity.HIGH,
    title="A replication slot without a limit",
    why="A slot keeps all WAL until its standby has it: while the standby's region is away the primary's disk fills, "
    "and a primary with a full disk stops.",
    source=f"{PG_REPLICATION}: max_slot_wal_keep_size is -1 by default, and then slots keep an unlimited amount",
    remedy="Set max_slot_wal_keep_size to what the disk can spare, and alert on inactive slots.",
)
def store_slot_fills_disk(audited: Audited) -> Iterator[Finding]:
    for store, running in _running(audited):
        if running.slots and running.bounded_slots is False:
            yield Finding(
                f"stores.{store.name}.running.bounded_slots",
                f"{counted(running.slots, 'slots')} of {store.name} may keep WAL without limit"
                + _full_after(store, running),
                audited.endangered((Subject.STATE, Subject.API), EVERY_FAULT),
            )


def _full_after(store: Store, running: RunningStore) -> str:
    """How much a day without the standby leaves on the disk."""
    rate = running.written_bytes_per_s
    return f": a day without the standby leaves {number(rate * 86400 / 1e9)} GB" if rate else ""


@rule(
    id="store-no-log-archive",
    severity=Severity.MEDIUM,
    title="A database whose WAL is not archived",
    why="A standby repeats a wrong write at once, and a backup at intervals goes back to its own moment alone: no "
    "other moment comes back.",
    source="PostgreSQL 18 documentation, 25.3 Continuous Archiving and Point-in-Time Recovery",
    remedy="Ship WAL to an object store in another region (CloudNativePG, Barman, WAL-G, pgBackRest), and restore it.",
)
def store_no_log_archive(audited: Audited) -> Iterator[Finding]:
    for store, running in _running(audited):
        planned = _goes_by(audited, store, Replication.ARCHIVE, LOG_ARCHIVE)
        if running.archived is False and store.loss is Loss.DATA and not planned:
            contracts = audited.endangered((Subject.STATE,), DESTROYS_DATA)
            yield Finding(f"stores.{store.name}.running.archived", f"{store.name} ships no WAL", contracts)


@rule(
    id="store-numbers-repeat",
    severity=Severity.MEDIUM,
    title="Sequences of a database that is replicated asynchronously",
    why="A promoted standby counts on from the last number that it got: numbers of commits that were lost are given "
    "again, to other rows, while the old ones may be in events, invoices and caches.",
    source="PostgreSQL 18 documentation, 26.2.5 Streaming Replication (asynchronous by default) and 9.17 Sequences",
    remedy="Use UUIDs where a number leaves the database, or advance every sequence right after a promotion.",
)
def store_numbers_repeat(audited: Audited) -> Iterator[Finding]:
    for store, running in _running(audited):
        followed = any(copy.method in _FOLLOWS_LATER for copy in _covering(audited, store.name, Fault.REGION))
        waits = running.replicated is CopiesToday.SYNCHRONOUS
        if running.sequences and not waits and (followed or running.replicated is CopiesToday.ASYNCHRONOUS):
            yield Finding(
                f"stores.{store.name}.running.sequences",
                f"{counted(running.sequences, 'sequences')} of {store.name} may give numbers twice after a promotion",
                audited.endangered((Subject.STATE,), LOSES_REGION),
            )


@rule(
    id="store-not-rewindable",
    severity=Severity.LOW,
    title="A database that cannot be rewound",
    why="After a promotion the old primary is on another timeline. Without data checksums or wal_log_hints pg_rewind "
    "refuses it, and failback copies the whole database over the WAN.",
    source="PostgreSQL 18 documentation, pg_rewind: it needs wal_log_hints or data checksums, and full_page_writes",
    remedy="Turn wal_log_hints on (needs a restart), or enable checksums with pg_checksums.",
)
def store_not_rewindable(audited: Audited) -> Iterator[Finding]:
    for store, running in _running(audited):
        if running.rewindable is False:
            whole = f" ({number(store.size_bytes / 1e9)} GB)" if store.size_bytes else ""
            what = f"failback copies all of {store.name}{whole} again"
            contracts = audited.endangered((Subject.STATE,), LOSES_REGION)
            yield Finding(f"stores.{store.name}.running.rewindable", what, contracts)


@rule(
    id="store-extension-not-in-image",
    severity=Severity.HIGH,
    title="An extension that the standby's image does not have",
    why="A standby has its primary's catalogue and its own files: without an extension's library its functions, types "
    "and indexes fail on the first query after the promotion.",
    source="PostgreSQL 18 documentation, 36.17 Packaging Related Objects into an Extension, and appendix F",
    remedy="Run the standby from an image that has every extension, in the same version.",
)
def store_extension_not_in_image(audited: Audited) -> Iterator[Finding]:
    for store, running in _running(audited):
        service = audited.system.service(store.service)
        missing = [name for name in running.extensions if name not in _SUPPLIED]
        if missing and service is not None and _OFFICIAL.fullmatch(service.image):
            yield Finding(
                f"stores.{store.name}.running.extensions",
                f"{store.name} uses {', '.join(missing)}, and {service.image} does not have it",
                audited.endangered((Subject.STATE, Subject.API), LOSES_REGION),
            )


_OFFICIAL = re.compile(r"(docker\.io/)?(library/)?postgres(:[^/]*)?(@.*)?")
_APPENDIX_F = """
amcheck autoinc bloom bool_plperl btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance
file_fdw fuzzystrmatch hstore insert_username intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache
pg_freespacemap pg_logicalinspect pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility pg_walinspect
pgcrypto pgrowlocks pgstattuple plpgsql postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows
tsm_system_time unaccent uuid-ossp xml2
"""
_SUPPLIED = frozenset(_APPENDIX_F.split())
"""What PostgreSQL itself ships (its documentation, appendix F), and so the official image."""


_NOT_PROMOTED = frozenset({"scheduled backup", LOG_ARCHIVE, PROVIDER_REPLICA})
"""Ways of a copy that the failover does not promote by SQL."""
_FOLLOWS_LATER = frozenset({ASYNCHRONOUS, PROVIDER_REPLICA})


def _goes_by(audited: Audited, store: Store, way: Replication, method: str) -> bool:
    """Whether it is copied so: as the strategy lays it out, where there is one, else as the file asks for."""
    if way_of(store) is not way:
        return False
    mine = [copy for copy in audited.copies if copy.subject is Subject.STATE and store.name in copy.covers]
    return audited.deployment is None or any(copy.method == method for copy in mine)


def _running(audited: Audited) -> Iterator[tuple[Store, RunningStore]]:
    for store in audited.system.stores:
        if store.running is not None:
            yield store, store.running


def _covering(audited: Audited, store: str, fault: Fault) -> list[Copy]:
    """Copies that the fault leaves good; one that names no store has all of them."""
    mine = [copy for copy in audited.copies if copy.subject is Subject.STATE and fault in copy.survives]
    return [copy for copy in mine if not copy.covers or store in copy.covers]


def _lag_today_s(store: Store) -> float:
    """How far its copy is behind, as the primary said when it was asked: a replica in another region is no quicker."""
    return (store.running.lag_s or 0.0) if store.running else 0.0


def _behind_s(copy: Copy) -> float:
    return copy.hold.quantile(0.5) + copy.propagate.quantile(0.5) + copy.interval.mean
