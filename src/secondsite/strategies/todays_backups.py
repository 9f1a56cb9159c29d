"""Today's backups as they are: only those that hold data count, and only against what leaves them whole.

A backup may be made of another one's copies (tapes that go to a vault): what it holds is as old as all that came before
it, and its own travel and interval on top (Keeton and Merchant, DSN 2004).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secondsite.model.backup import Backup, Content, Where
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy
from secondsite.model.estimate import Estimate
from secondsite.model.fault import EVERY_FAULT, LEAVES_REGION, Fault
from secondsite.model.stated import stated
from secondsite.model.store import Loss, Store
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import at_rate, summed, transfer_time
from secondsite.strategies.steps import stores_restored
from secondsite.strategies.stores import nothing


def existing_backups(kit: Kit) -> tuple[Copy, ...]:
    return tuple(copy for backup in kit.system.backups for copy in _copies(kit, backup))


def restored_after(kit: Kit, copies: Sequence[Copy], fault: Fault) -> Estimate:
    """How long the stores take to come back, each from the freshest copy that the fault leaves."""
    known: dict[Copy, None] = {}
    others: list[str] = []
    for store in kit.system.stores:
        usable = [copy for copy in copies if copy.left(Subject.STATE, fault, store.name)]
        freshest = min(usable, key=_age_s, default=None)
        if freshest is not None and freshest.restore is not None:
            known[freshest] = None
        else:
            others.append(store.name)
    if not known:
        return stores_restored(kit, tuple(others))
    own = [copy.restore for copy in known if copy.restore is not None]
    rest = [stores_restored(kit, tuple(others))] if others else []
    return summed("restore of stores", *own, *rest)


def _age_s(copy: Copy) -> float:
    return copy.hold.mean + copy.propagate.mean + copy.interval.mean / 2


def _copies(kit: Kit, backup: Backup) -> Iterator[Copy]:
    if backup.content not in (Content.MESSAGES, Content.DATA, Content.VOLUMES):
        return
    elsewhere = backup.where is Where.ELSEWHERE
    stores = [store for store in kit.system.stores if store.service in backup.covers]
    services = {cluster.service for cluster in kit.system.nats}
    covers_nats = backup.content is Content.MESSAGES or bool(services & set(backup.covers))
    for subject in [Subject.NATS] * covers_nats + [Subject.STATE] * bool(stores):
        state = subject is Subject.STATE
        yield Copy(
            subject,
            backup.name,
            "elsewhere" if elsewhere else kit.home.name,
            f"backup ({backup.content})",
            _waited(kit, backup),
            _travel(kit, backup),
            _stated(kit, backup, "interval", backup.interval_s),
            EVERY_FAULT if elsewhere else EVERY_FAULT - LEAVES_REGION - {Fault.ZONE},
            tuple(store.name for store in stores) if state else (),
            _restore(kit, backup, stores) if state else None,
        )


def _waited(kit: Kit, backup: Backup) -> Estimate:
    """What all copies above it took, and its own hold."""
    by_name = {one.name: one for one in kit.system.backups}
    parts: list[Estimate] = []
    one: Backup | None = backup
    while one is not None:
        if one is not backup:
            parts.append(_travel(kit, one))
        if one.hold_s:
            parts.append(_stated(kit, one, "hold", one.hold_s))
        one = by_name.get(one.copy_of)
    return summed(f"{backup.name}: all that comes before it", *parts) if parts else nothing()


def _travel(kit: Kit, backup: Backup) -> Estimate:
    if backup.travel_s is None:
        return kit.figures["backup.stores.travel"]
    return _stated(kit, backup, "travel", backup.travel_s)


def _restore(kit: Kit, backup: Backup, stores: Sequence[Store]) -> Estimate | None:
    """None where the backup says nothing of its own: the catalogue's figures then hold."""
    if backup.fetch_s is None and backup.restore_bytes_per_s is None:
        return None
    size = float(sum(store.size_bytes or 0 for store in stores if store.loss is Loss.DATA))
    name, rate = f"restore from {backup.name}", backup.restore_bytes_per_s
    fetched = kit.figures["restore.stores"]
    if backup.fetch_s is not None:
        fetched = _stated(kit, backup, "fetch", backup.fetch_s)
    if rate is None:
        return summed(name, fetched, transfer_time(name, size, kit.figures["restore.rate"]))
    path = f"backups.{backup.name}.restore_bytes_per_s"
    return summed(name, fetched, at_rate(name, size, stated(kit.system, path, "rate of the restore", rate, "B/s")))


def _stated(kit: Kit, backup: Backup, key: str, value_s: float) -> Estimate:
    return stated(kit.system, f"backups.{backup.name}.{key}", f"{key} of {backup.name}", value_s, "s")
