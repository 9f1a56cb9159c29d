"""Retention: what the keep rules let go, and what never became a backup, is deleted; shown first when asked.

A backup dies with its manifest, which goes first: killed in between, what remains is no backup, and the next run
removes it. A hold that was put meanwhile is seen, as it is looked for again right before the deletion.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import frozen

from secondsite.backup.inventory import BackupInventory
from secondsite.backup.keep import KeepRules, RetentionDecision, decide
from secondsite.backup.layout import HOLD, SLOTS, manifest_key, started
from secondsite.objects.store import PROBES, ObjectStorage

INCOMPLETE_AFTER = timedelta(hours=24)
SLOTS_AFTER = timedelta(days=2)


@frozen
class Pruning:
    """``incomplete`` are older than a day, so no run still writes them. ``unreadable`` are left alone.

    ``waits`` says why nothing is deleted at all.
    """

    decisions: tuple[RetentionDecision, ...]
    incomplete: tuple[str, ...]
    unreadable: tuple[str, ...]
    waits: str = ""

    @property
    def doomed(self) -> tuple[str, ...]:
        """The backups that go."""
        return () if self.waits else tuple(decision.backup.id for decision in self.decisions if not decision.keep)


def plan_pruning(
    inventory: BackupInventory, rules: KeepRules, now: datetime, own: frozenset[str] = frozenset()
) -> Pruning:
    """Pure. ``own`` are backups that whoever prunes has just made: they stay."""
    return Pruning(
        decide(inventory.candidates, rules, own),
        tuple(
            backup for backup in inventory.incomplete if now - started(backup) > INCOMPLETE_AFTER and backup not in own
        ),
        tuple(entry.id for entry in inventory.entries if entry.manifest is None or entry.distrust),
        _waits(inventory),
    )


def _waits(inventory: BackupInventory) -> str:
    """While the newest holds less than it should, the older ones are all there is."""
    newest = next((entry for entry in inventory.entries if entry.manifest and not entry.distrust), None)
    if newest and newest.manifest and newest.manifest.suspicious:
        return f"the newest backup {newest.id} is suspicious: {'; '.join(newest.manifest.suspicious)}"
    return ""


async def apply_pruning(store: ObjectStorage, pruning: Pruning, now: datetime) -> tuple[str, ...]:
    """The ids that were deleted."""
    gone = []
    for backup_id in (*pruning.doomed, *pruning.incomplete):
        keys = [stored.key for stored in await store.listing(backup_id)]
        if f"{backup_id}/{HOLD}" in keys:
            continue
        await store.delete([manifest_key(backup_id)])
        await store.delete_below(backup_id)
        gone.append(backup_id)
    await _old_slots(store, now)
    await _old_probes(store, now)
    return tuple(gone)


async def _old_slots(store: ObjectStorage, now: datetime) -> None:
    limit = (now - SLOTS_AFTER).strftime(f"{SLOTS}/%Y%m%dT%H%M%SZ")
    await store.delete([stored.key for stored in await store.listing(SLOTS) if stored.key < limit])


async def _old_probes(store: ObjectStorage, now: datetime) -> None:
    """What a run left that was killed while it tried the store."""
    listed = await store.listing(PROBES)
    await store.delete([item.key for item in listed if item.modified_at and now - item.modified_at > INCOMPLETE_AFTER])
