"""What is in the store: backups, newest first, and those that never came to be.

Damage is one backup's, and has a name: nothing that stands in the store keeps the others from being read. A backup is
as old as its manifest says, unless the store's clock shows that this cannot be; one from the future is never newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import frozen

from secondsite.backup.keep import RetentionCandidate
from secondsite.backup.layout import HOLD, MANIFEST, PROOFS, is_id, manifest_key, started
from secondsite.backup.manifest import BackupManifest, from_json
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.backup.strict import MisfitError, parse
from secondsite.model.errors import InputError, MachineError
from secondsite.objects.failures import ObjectMissingError, ObjectTooLargeError
from secondsite.objects.store import ObjectStorage

READS_AT_ONCE = 16
CLOCKS_APART = timedelta(minutes=5)
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class BackupEntry:
    """``manifest`` is None, and ``problem`` says why, for one that cannot be read. ``proof`` is the newest.

    ``when`` is the time that counts, and ``clock`` says what is wrong with the one it tells. ``distrust`` says why a
    backup of an unknown writer does not count.
    """

    id: str
    manifest: BackupManifest | None
    problem: str
    held: bool
    proof: dict[str, Any] | None
    when: datetime = _UNKNOWN
    clock: str = ""
    future: bool = False
    distrust: str = ""

    @property
    def usable(self) -> BackupManifest | None:
        """The manifest, when nothing speaks against restoring from it."""
        wrong = self.future or self.distrust or (self.manifest and self.manifest.suspicious)
        return None if wrong else self.manifest

    @property
    def good(self) -> bool:
        return self.usable is not None and (self.proof is None or self.proof.get("ok") is True)

    @property
    def why_not(self) -> str:
        """Why `usable` is None."""
        suspicious = "; ".join(self.manifest.suspicious) if self.manifest else ""
        return self.problem or self.distrust or (self.future and self.clock) or suspicious


@frozen
class BackupInventory:
    """``incomplete`` have objects and no manifest: no backups."""

    entries: tuple[BackupEntry, ...]
    incomplete: tuple[str, ...]

    @property
    def readable(self) -> tuple[BackupManifest, ...]:
        """Newest first."""
        return tuple(entry.manifest for entry in self.entries if entry.manifest)

    @property
    def candidates(self) -> tuple[RetentionCandidate, ...]:
        """For the keep rules: what cannot be read is not theirs to judge."""
        return tuple(
            RetentionCandidate(entry.id, entry.when, entry.good, entry.held, entry.future)
            for entry in self.entries
            if entry.manifest and not entry.distrust
        )

    @property
    def newest_good(self) -> BackupEntry | None:
        return next((entry for entry in self.entries if entry.good), None)


async def take_inventory(store: ObjectStorage, trust: Trust = ANYBODY, now: datetime | None = None) -> BackupInventory:
    """Reads every manifest. Raises MachineError when the store cannot be read."""
    slots, at = asyncio.Semaphore(READS_AT_ONCE), now or datetime.now(UTC)

    async def one(backup_id: str) -> BackupEntry | None:
        async with slots:
            return await _entry(store, backup_id, trust, at)

    ids = sorted((name for name in await store.folders() if is_id(name)), reverse=True)
    backups = await asyncio.gather(*(one(backup_id) for backup_id in ids))
    entries = sorted((entry for entry in backups if entry), key=_age, reverse=True)
    incomplete = tuple(backup_id for backup_id, entry in zip(ids, backups, strict=True) if entry is None)
    return BackupInventory(tuple(entries), incomplete)


def _age(entry: BackupEntry) -> tuple[bool, datetime, str]:
    return not entry.future, entry.when, entry.id


async def _entry(store: ObjectStorage, backup_id: str, trust: Trust, now: datetime) -> BackupEntry | None:
    key = manifest_key(backup_id)
    try:
        data = await store.read(key)
    except ObjectMissingError:
        return None
    except ObjectTooLargeError as error:
        return BackupEntry(backup_id, None, f"the manifest {error.problems[0].what}", False, None, started(backup_id))
    stored_at, held, proof = await _beside(store, backup_id)
    try:
        manifest = from_json(data, backup_id, store.url(key))
    except InputError as error:
        return BackupEntry(backup_id, None, error.problems[0].what, held, proof, started(backup_id))
    when, clock, future = _when(manifest.finished, stored_at, now)
    return BackupEntry(backup_id, manifest, "", held, proof, when, clock, future, trust.distrust(manifest))


async def _beside(store: ObjectStorage, backup_id: str) -> tuple[datetime | None, bool, dict[str, Any] | None]:
    """When the store got the manifest, whether the backup is held, and its newest proof."""
    listed = [stored for stored in await store.listing(backup_id) if "/streams/" not in stored.key]
    at = next((stored.modified_at for stored in listed if stored.key == manifest_key(backup_id)), None)
    names = [stored.key for stored in listed]
    proof = await _newest_proof(store, [name for name in names if f"/{PROOFS}/" in name])
    return at, f"{backup_id}/{HOLD}" in names, proof


def _when(finished: datetime, stored_at: datetime | None, now: datetime) -> tuple[datetime, str, bool]:
    """The time that counts, what is wrong with the one told, and whether even the former lies in the future. Pure."""
    when, clock = finished, ""
    if stored_at and finished > stored_at + CLOCKS_APART:
        when = stored_at
        clock = f"says that it was finished at {finished.isoformat()}, and was stored at {stored_at.isoformat()}"
    future = when > now + CLOCKS_APART
    if future:
        clock = f"its time is {when.isoformat()}, and it is {now.isoformat()} here: one of the two clocks is wrong"
    return when, clock, future


async def _newest_proof(store: ObjectStorage, keys: list[str]) -> dict[str, Any] | None:
    if not keys:
        return None
    try:
        proof = parse(await store.read(max(keys)))
    except (MachineError, MisfitError):
        return None
    return proof if isinstance(proof, dict) else None


def _quietly(_: str) -> None:
    """Nobody is told."""


async def choose_backup(
    store: ObjectStorage,
    *,
    backup_id: str | None = None,
    at: datetime | None = None,
    trust: Trust = ANYBODY,
    report: Callable[[str], None] = _quietly,
) -> BackupManifest:
    """The one named, or the newest usable one that was finished at ``at`` or before. Raises InputError.

    ``report`` gets what stands in the store as newer and was passed over.
    """
    if backup_id:
        manifest = await read_manifest(store, backup_id)
        if why := trust.distrust(manifest):
            remedy = "give the signer's key with --signer, or accept it with --allow unsigned"
            raise InputError.at(store.url(manifest_key(backup_id)), f"this backup is rejected: {why}", remedy)
        return manifest
    inventory = await take_inventory(store, trust)
    chosen = next((entry for entry in inventory.entries if entry.usable and (at is None or entry.when <= at)), None)
    for entry in inventory.entries:
        if not entry.usable and (at is None or entry.when <= at) and (chosen is None or _newer(entry, chosen)):
            report(f"skipped {entry.id}: {entry.why_not}")
    if chosen and chosen.usable:
        return chosen.usable
    remedy = "check the URL and the prefix; list backups with: secondsite backup list"
    if any(entry.distrust for entry in inventory.entries):
        remedy = "give the signer's key with --signer, or accept it with --allow unsigned"
    raise InputError.at(store.shown, _none(inventory, at), remedy)


def _newer(entry: BackupEntry, chosen: BackupEntry) -> bool:
    return entry.future or entry.when > chosen.when


def _none(inventory: BackupInventory, at: datetime | None) -> str:
    broken = sum(entry.manifest is None for entry in inventory.entries)
    reasons = [f"{broken} whose manifest is corrupt"] if broken else []
    reasons += (
        [f"{len(inventory.incomplete)} without a manifest, which are not backups"] if inventory.incomplete else []
    )
    reasons += [f"{entry.id}: {entry.why_not}" for entry in inventory.entries if entry.manifest and not entry.usable]
    newer = sum(entry.usable is not None for entry in inventory.entries)
    reasons += [f"{newer} newer"] if newer else []
    what = f"no backup finished at or before {at.isoformat()}" if at else "no backup"
    return what + (f" (there are {_and(reasons)})" if reasons else "")


def _and(parts: Iterable[str]) -> str:
    return " and ".join(parts)


async def read_manifest(store: ObjectStorage, backup_id: str) -> BackupManifest:
    """Raises InputError for an id that is none, has no manifest or has a corrupt one."""
    if not is_id(backup_id):
        raise InputError.at(
            "--backup", f"{backup_id!r} is not the id of a backup", "list backups with: secondsite backup list"
        )
    key = manifest_key(backup_id)
    try:
        data = await store.read(key)
    except ObjectMissingError:
        what = f"there is no {MANIFEST}, so this is not a backup"
        raise InputError.at(store.url(key), what, "list backups with: secondsite backup list") from None
    return from_json(data, backup_id, store.url(key))
