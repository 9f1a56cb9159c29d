"""The part of a bill that pays for copies of databases, where they are no pods and no scheduled backups."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.evaluate.bill import GIB, MONTH_HOURS, USD, Bill, CostItem, gigabytes
from secondsite.evaluate.derive import product, total
from secondsite.model.deployment import Copy
from secondsite.model.store import Store
from secondsite.strategies.log_archive import LOG_ARCHIVE
from secondsite.strategies.sizing import log_bytes_per_s
from secondsite.strategies.stores import PROVIDER_REPLICA


def store_items(bill: Bill) -> Iterator[CostItem]:
    for copy in bill.deployment.copies:
        covered = [store for store in bill.deployment.system.stores if store.name in copy.covers]
        for store in covered if copy.method == PROVIDER_REPLICA else ():
            yield _provider_replica(bill, copy, store)
        for store in covered if copy.method == LOG_ARCHIVE else ():
            yield _log_archive(bill, copy, store)


def _provider_replica(bill: Bill, copy: Copy, store: Store) -> CostItem:
    """A second instance, whatever the first one costs today: that one is in no bill here."""
    name, region = f"provider's replica of {store.name}, {copy.region}", bill.region(copy.region)
    stored = gigabytes("storage", float(store.size_bytes or 0), f"stores.{store.name}.size")
    parts = [
        product(
            f"{name}, instance", USD, bill.figures["managed.class"], MONTH_HOURS, bill.price("postgres_hour", region)
        ),
        product(f"{name}, storage", USD, stored, bill.price("postgres_gb_month", region)),
    ]
    return CostItem(name, total(name, USD, parts))


def _log_archive(bill: Bill, copy: Copy, store: Store) -> CostItem:
    """Base backups and the log of all days that are kept, before compression."""
    days, every = bill.figures["backup.retention-days"], bill.figures["wal.base-interval"]
    copies, size = days.mean * 86400 / every.mean, float(store.size_bytes or 0)
    rate = log_bytes_per_s(bill.deployment.system, (store.name,))
    why = f"{copies:.0f} base backups of {size / GIB:.3g} GB, and {days.mean:g} days of {rate / 1024:.3g} KiB/s"
    kept = gigabytes("log archive", size * copies + rate * 86400 * days.mean, why, days, every)
    price = bill.price("object_gb_month", bill.region(copy.region))
    return bill.item(f"{LOG_ARCHIVE} of {store.name}, {copy.region}", kept, price)
