"""Copies of what lives outside NATS: databases, vector stores, configuration and secrets."""

from __future__ import annotations

from attrs import evolve, frozen

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment, LinkKind, WanLink
from secondsite.model.estimate import Estimate, Fixed, Provenance, fixed
from secondsite.model.fault import DESTROYS_DATA, EVERY_FAULT, LEAVES_REGION, Fault
from secondsite.model.region import Region
from secondsite.model.service import Role
from secondsite.model.store import Loss, Replication, Store
from secondsite.model.system import System
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import by_size, store_bytes


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
REDIS = frozenset({"redis", "valkey"})
REPLICATED = frozenset({"postgres"}) | REDIS
"""Engines of which a replica in the other region is laid out. Of every other one there are only backups."""


@frozen
class StoreReplica:
    """A store that writes in one region and is followed in another."""

    store: Store
    primary: str
    standby: str


def store_replicas(deployment: Deployment) -> tuple[StoreReplica, ...]:
    """Those that the deployment lays out."""
    home = deployment.primary.region.name
    return tuple(
        StoreReplica(store, home, copy.region)
        for copy in deployment.copies
        if copy.method == ASYNCHRONOUS
        for store in deployment.system.stores
        if store.name in copy.covers
    )


def following(system: System) -> tuple[str, ...]:
    """Stores that a replica in the other region follows."""
    return tuple(store.name for store in system.stores if _follows(store))


def _follows(store: Store) -> bool:
    """A cache refills by itself: nothing has to follow it."""
    wanted = store.replication is Replication.REPLICA and not (store.engine in REDIS and store.loss is Loss.CACHE)
    return store.engine in REPLICATED and wanted


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
    """Stores with data that no replica follows."""
    return tuple(s.name for s in system.stores if s.loss is Loss.DATA and not _follows(s))


def rebuilt(system: System) -> tuple[str, ...]:
    """Caches: nothing of them is copied, as they refill from what they stand before."""
    return tuple(store.name for store in system.stores if store.loss is Loss.CACHE)


def copied(kit: Kit) -> str:
    """How the stores get to the other region, store by store: an engine that is only backed up is said to be."""
    there, only = ", ".join(following(kit.system)), ", ".join(backed_up_only(kit.system))
    minutes = f"{kit.figures['backup.stores.interval'].mean / 60:g} min"
    parts = [f"let a replica of {there} in {kit.second.name} follow"] if there else []
    if only:
        parts.append(f"back up {only} to {kit.second.name} every {minutes} (no replica of it is laid out)")
    if caches := ", ".join(rebuilt(kit.system)):
        parts.append(f"start {caches} empty there (a cache: it refills, and nothing is lost with it)")
    return "; ".join(parts)


def replica(kit: Kit, region: Region) -> tuple[Copy, ...]:
    """An asynchronous replica of what has one, and frequent backups of everything beside it."""
    databases = following(kit.system)
    if not databases:
        return (off_region_backup(kit, region),)
    return (
        Copy(
            Subject.STATE,
            "databases",
            region.name,
            ASYNCHRONOUS,
            nothing(),
            kit.figures["lag.database"],
            nothing(),
            survivable(kit, region, operators=False),
            databases,
        ),
        off_region_backup(kit, region),
    )


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


def off_region_backup(kit: Kit, region: Region) -> Copy:
    """Scheduled dumps and snapshots of every store, outside the serving region."""
    figures = kit.figures
    travel = by_size(figures, "backup.stores.travel", "backup.rate", store_bytes(kit.system), "store backup")
    return Copy(
        Subject.STATE,
        "databases, vector stores, configuration",
        region.name,
        "scheduled backup",
        nothing(),
        travel,
        refreshed(figures["backup.stores.interval"], travel),
        survivable(kit, region, operators=True),
    )


def database_links(kit: Kit, region: Region) -> tuple[WanLink, ...]:
    """What database replication sends: what the servers said they write, else about one row a message."""
    names = following(kit.system)
    if not names:
        return ()
    rates = [store.running.written_bytes_per_s for store in kit.system.stores if store.running and store.name in names]
    known = sum(rate for rate in rates if rate is not None)
    rate = known or kit.system.load.mean_per_s * kit.system.load.message_bytes
    return (WanLink(LinkKind.DATABASE, kit.home.name, region.name, "database log", rate),)


def backup_links(kit: Kit, region: Region) -> tuple[WanLink, ...]:
    """What store backups send: what changes in a day."""
    rate = store_bytes(kit.system) * kit.figures["backup.change-per-day"].mean / 86400
    return (WanLink(LinkKind.BACKUP, kit.home.name, region.name, "store backups", rate),) if rate else ()
