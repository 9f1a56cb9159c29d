"""PostgreSQL's write-ahead log in an object store: the cheapest copy that loses seconds, and the slowest to serve.

Every segment is shipped when it is full or after `archive_timeout`, beside a base backup a day. Nothing runs in the
other region until the day of the failover: then a server begins with the newest base backup and replays the log.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy
from secondsite.model.estimate import Estimate, Fixed, Provenance, fixed
from secondsite.model.fault import Fault
from secondsite.model.stated import stated
from secondsite.model.store import Store
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import at_rate, log_bytes_per_s, summed, transfer_time

LOG_ARCHIVE = "log archive"
SEGMENT_BYTES = 16 << 20


def log_archives(kit: Kit, region: str, names: Iterable[str], survives: frozenset[Fault]) -> tuple[Copy, ...]:
    """One for each store, as each fills its segments at a rate of its own."""
    return tuple(
        Copy(
            Subject.STATE,
            "write-ahead log",
            region,
            LOG_ARCHIVE,
            fixed("no delay", 0.0, "s", "by construction"),
            kit.figures["wal.travel"],
            _shipped_every(kit, store),
            survives,
            (store.name,),
            restored_from_log(kit, (store,)),
        )
        for store in kit.system.stores
        if store.name in names
    )


def restored_from_log(kit: Kit, stores: Iterable[Store]) -> Estimate:
    """One after the other, as one person restores them: the newest base backup by its size, then the log."""
    parts = [part for store in stores for part in (kit.figures["restore.base-backup"], _moved(kit, store))]
    return summed("restore from the log archive", *parts)


def _shipped_every(kit: Kit, store: Store) -> Estimate:
    """`archive_timeout`, or sooner where a segment is full before."""
    timeout = kit.figures["wal.archive-timeout"]
    if store.running is None or store.running.written_bytes_per_s is None:
        return timeout
    full_s = SEGMENT_BYTES / max(log_bytes_per_s(kit.system, (store.name,)), 1.0)
    if full_s >= timeout.mean:
        return timeout
    return evolve(
        timeout,
        name=f"segment of {store.name} full",
        distribution=Fixed(full_s),
        provenance=Provenance.DERIVED,
        source=f"stores.{store.name}.running.written_bytes_per_s: 16 MiB are full before archive_timeout",
        formula="16 MiB / write rate",
        inputs=(timeout,),
    )


def _moved(kit: Kit, store: Store) -> Estimate:
    """At the rate at which a backup of it was restored (`postgres prove --record`), where one was."""
    name, size = f"base backup of {store.name}", float(store.size_bytes or 0)
    for backup in kit.system.backups:
        if store.service in backup.covers and backup.restore_bytes_per_s is not None:
            path = f"backups.{backup.name}.restore_bytes_per_s"
            rate = stated(kit.system, path, "rate of the restore", backup.restore_bytes_per_s, "B/s")
            return at_rate(name, size, rate)
    return transfer_time(name, size, kit.figures["restore.rate"])
