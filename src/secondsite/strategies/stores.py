"""Copies of what lives outside NATS: databases, vector stores, configuration and secrets."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, WanLink
from secondsite.model.estimate import Estimate, Fixed, Provenance, fixed
from secondsite.model.fault import DESTROYS_DATA, EVERY_FAULT, LEAVES_REGION, Fault
from secondsite.model.region import Region
from secondsite.model.service import Role
from secondsite.model.store import CopiesToday, Loss, Replication, Store
from secondsite.model.system import System
from secondsite.strategies.design import Kit
from secondsite.strategies.log_archive import log_archives
from secondsite.strategies.provider_replicas import OFFERED, offered
from secondsite.strategies.sizing import by_size, log_bytes_per_s, store_bytes


def nothing(name: str = "no delay") -> Estimate:
    return fixed(name, 0.0, "s", "by construction")


def survivable(kit: Kit, region: Region, *, operators: bool) -> frozenset[Fault]:
    """The faults that a copy in ``region`` outlives; ``operators``: also those that replication copies."""
    faults = EVERY_FAULT if operators else EVERY_FAULT - DESTROYS_DATA
    if region.name == kit.home.name:
        faults -= LEAVES_REGION | {Fault.ZONE}
    elif region.geography == kit.home.geography:
        faults -= {Fault.GEOGRAPHY}
    return faults


ASYNCHRONOUS = "asynchronous replica"
SYNCHRONOUS = "synchronous replica"
PROVIDER_REPLICA = "provider's replica"
REDIS = frozenset({"redis", "valkey"})
QDRANT = frozenset({"qdrant"})
REPLICATED = frozenset({"postgres"}) | REDIS
"""Engines of which a replica in the other region is laid out. Of every other one there are only backups."""


@frozen
class StoreReplica:
    """A store that writes in one region and is followed in another; ``synchronous``: commits wait for the other one."""

    store: Store
    primary: str
    standby: str
    synchronous: bool = False


def store_replicas(deployment: Deployment) -> tuple[StoreReplica, ...]:
    """Those that the deployment lays out, and that stream."""
    return tuple(
        StoreReplica(*place, synchronous=copy.method == SYNCHRONOUS)
        for method in (ASYNCHRONOUS, SYNCHRONOUS)
        for copy, place in _laid_out(deployment, method)
    )


def stores_copied(deployment: Deployment, method: str) -> tuple[StoreReplica, ...]:
    """The stores that get to another region in this way."""
    return tuple(StoreReplica(*place) for _, place in _laid_out(deployment, method))


def _laid_out(deployment: Deployment, method: str) -> Iterator[tuple[Copy, tuple[Store, str, str]]]:
    home = deployment.primary.region.name
    for copy in deployment.copies:
        if copy.subject is Subject.STATE and copy.method == method:
            for store in deployment.system.stores:
                if store.name in copy.covers:
                    yield copy, (store, home, copy.region)


def way_of(store: Store) -> Replication:
    """How it is copied to another region, where one lives: as the team says, as far as there is such a way.

    What a provider runs has the provider's replica; a cache refills by itself, and nothing has to follow it.
    """
    asked = store.replication
    if store.engine in REDIS and store.loss is Loss.CACHE:
        return Replication.NONE
    if asked is Replication.REPLICA and store.product in OFFERED:
        return Replication.MANAGED
    if asked in (Replication.SYNCHRONOUS, Replication.ARCHIVE) and store.engine != "postgres":
        return Replication.NONE
    unlike = store.engine not in REPLICATED or store.replicated is CopiesToday.MANAGED
    if asked is Replication.REPLICA and unlike:  # nobody else gets at a provider's files
        return Replication.NONE
    return asked


def kept_by(system: System, *ways: Replication) -> tuple[str, ...]:
    """Stores that are copied in one of these ways."""
    return tuple(store.name for store in system.stores if way_of(store) in ways)


def following(system: System) -> tuple[str, ...]:
    """Stores that a standby in the other region follows."""
    return kept_by(system, Replication.REPLICA, Replication.SYNCHRONOUS)


def needed_to_serve(system: System) -> frozenset[str]:
    """Stores with data that the API or a gateway cannot answer without, as the system file says: also at one remove."""
    services = {service.name: service for service in system.services}
    ahead = [service.name for service in system.services if service.role in (Role.API, Role.GATEWAY)]
    reached = set(ahead)
    while ahead:
        service = services.get(ahead.pop())
        behind = [other for other in (service.depends_on if service else ()) if other not in reached]
        reached.update(behind)
        ahead += behind
    return frozenset(store.name for store in system.stores if store.loss is Loss.DATA and store.service in reached)


def backed_up_only(system: System) -> tuple[str, ...]:
    """Stores with data that nothing but backups carries to the other region."""
    return tuple(s.name for s in system.stores if s.loss is Loss.DATA and way_of(s) is Replication.NONE)


def rebuilt(system: System) -> tuple[str, ...]:
    """Caches: nothing of them is copied, as they refill from what they stand before."""
    return tuple(store.name for store in system.stores if store.loss is Loss.CACHE)


def copied(kit: Kit) -> str:
    """How the stores get to the other region, store by store: an engine that is only backed up is said to be."""
    system, second = kit.system, kit.second.name
    there, only = (", ".join(names) for names in (kept_by(system, Replication.REPLICA), backed_up_only(system)))
    minutes = f"{kit.figures['backup.stores.interval'].mean / 60:g} min"
    parts = [f"let a replica of {there} in {second} follow"] if there else []
    if waiting := ", ".join(kept_by(system, Replication.SYNCHRONOUS)):
        parts.append(
            f"let a synchronous standby of {waiting} in {second} follow (each COMMIT waits for it: where it is away, "
            "commits stop until it is back or somebody turns it off)"
        )
    if provided := ", ".join(kept_by(system, Replication.MANAGED)):
        parts.append(f"let the provider replicate {provided} to {second} (promoted by the provider's call, by hand)")
    if archived := ", ".join(kept_by(system, Replication.ARCHIVE)):
        parts.append(
            f"ship the write-ahead log of {archived} to an object store in {second}, with a base backup a day "
            "(restored from there: nothing of it runs before)"
        )
    if only:
        parts.append(f"back up {only} to {second} every {minutes} (no replica of it is laid out)")
    if caches := ", ".join(rebuilt(kit.system)):
        parts.append(f"start {caches} empty there (a cache: it refills, and nothing is lost with it)")
    return "; ".join(parts)


def replica(kit: Kit, region: Region) -> tuple[Copy, ...]:
    """Each store's own way to the other region, and frequent backups of everything beside it."""
    databases = kept_by(kit.system, Replication.REPLICA)
    copies = [
        _follower(kit, region, "databases", ASYNCHRONOUS, kit.figures["lag.database"], databases),
        _follower(
            *(kit, region, "databases", SYNCHRONOUS, kit.figures["lag.synchronous"]),
            kept_by(kit.system, Replication.SYNCHRONOUS),
        ),
        *_provider_replicas(kit, region),
    ]
    return (*(copy for copy in copies if copy.covers), *kept_outside(kit, region))


def kept_outside(kit: Kit, region: Region) -> tuple[Copy, ...]:
    """What a lost region, an operator's mistake and a wrong write all leave whole: logs and backups."""
    logged = kept_by(kit.system, Replication.ARCHIVE)
    if not logged:
        return (off_region_backup(kit, region),)
    others = tuple(s.name for s in kit.system.stores if s.loss is Loss.DATA and s.name not in logged)
    backup = off_region_backup(kit, region, others)
    archives = log_archives(kit, region.name, logged, survivable(kit, region, operators=True))
    return (*archives, *((backup,) if others else ()))


def saved(kit: Kit) -> str:
    """How they get there where nothing runs in the other region before it is needed."""
    there = kit.second.name
    logged = ", ".join(kept_by(kit.system, Replication.ARCHIVE))
    log = f"; ship the write-ahead log of {logged} to an object store there, with a base backup a day"
    return f"back up databases and vector stores to {there}" + (log if logged else "")


def _follower(kit: Kit, region: Region, what: str, method: str, lag: Estimate, covers: tuple[str, ...]) -> Copy:
    survives = survivable(kit, region, operators=False)
    return Copy(Subject.STATE, what, region.name, method, nothing(), lag, nothing(), survives, covers)


def _provider_replicas(kit: Kit, region: Region) -> Iterator[Copy]:
    """One for each product, as each is behind in its own way."""
    stores = [store for store in kit.system.stores if way_of(store) is Replication.MANAGED]
    for lag in dict.fromkeys(offered(store).lag for store in stores):
        mine = tuple(store.name for store in stores if offered(store).lag == lag)
        yield _follower(kit, region, "managed databases", PROVIDER_REPLICA, kit.figures[lag], mine)


def refreshed(interval: Estimate, travel: Estimate) -> Estimate:
    """A copy that takes longer than its interval is followed by the next when it has ended."""
    if travel.quantile(0.5) <= interval.quantile(0.5):
        return interval
    return evolve(
        interval,
        name=f"{interval.name}, as long as a copy takes",
        distribution=Fixed(travel.quantile(0.5)),
        provenance=Provenance.DERIVED,
        source=f"a copy takes longer than the interval: {travel.source}",
        formula="the copy's own time",
        inputs=(interval, travel),
    )


def off_region_backup(kit: Kit, region: Region, covers: tuple[str, ...] = ()) -> Copy:
    """Scheduled dumps and snapshots of every store (or of those named), outside the serving region."""
    figures = kit.figures
    size = store_bytes(kit.system, covers)
    travel = by_size(figures, "backup.stores.travel", "backup.rate", size, "store backup")
    return Copy(
        Subject.STATE,
        "databases, vector stores, configuration",
        region.name,
        "scheduled backup",
        nothing(),
        travel,
        refreshed(figures["backup.stores.interval"], travel),
        survivable(kit, region, operators=True),
        covers,
    )


def database_links(kit: Kit, region: Region) -> tuple[WanLink, ...]:
    """What database replication sends: what the servers said they write, else about one row a message."""
    ways = (Replication.REPLICA, Replication.SYNCHRONOUS, Replication.MANAGED)
    names = kept_by(kit.system, *ways)
    return (_log_link(kit, region, LinkKind.DATABASE, "database log", names),) if names else ()


def _log_link(kit: Kit, region: Region, kind: LinkKind, carries: str, names: tuple[str, ...]) -> WanLink:
    return WanLink(kind, kit.home.name, region.name, carries, log_bytes_per_s(kit.system, names))


def backup_links(kit: Kit, region: Region) -> tuple[WanLink, ...]:
    """What store backups send: what changes in a day; and the logs that are archived, with a base backup a day."""
    logged = kept_by(kit.system, Replication.ARCHIVE)
    others = tuple(s.name for s in kit.system.stores if s.loss is Loss.DATA and s.name not in logged)
    size = store_bytes(kit.system, others) if logged else store_bytes(kit.system)
    rate = size * kit.figures["backup.change-per-day"].mean / 86400 if others or not logged else 0.0
    links = (WanLink(LinkKind.BACKUP, kit.home.name, region.name, "store backups", rate),) if rate else ()
    if not logged:
        return links
    whole = store_bytes(kit.system, logged) / kit.figures["wal.base-interval"].mean
    log = _log_link(kit, region, LinkKind.BACKUP, "write-ahead log and base backups", logged)
    return (*links, evolve(log, bytes_per_s=log.bytes_per_s + whole))
