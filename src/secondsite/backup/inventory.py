"""What is in the store: backups, newest first, and those that never came to be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attrs import frozen

from secondsite.backup.keep import RetentionCandidate
from secondsite.backup.layout import HOLD, MANIFEST, PROOFS, is_id, manifest_key, started
from secondsite.backup.manifest import BackupManifest, from_json
from secondsite.model.errors import InputError, MachineError
from secondsite.objects.failures import ObjectMissingError
from secondsite.objects.store import ObjectStorage

READS_AT_ONCE = 16


@frozen
class BackupEntry:
    """``manifest`` is None, and ``problem`` says why, for one that cannot be read. ``proof`` is the newest."""

    id: str
    manifest: BackupManifest | None
    problem: str
    held: bool
    proof: dict[str, Any] | None

    @property
    def good(self) -> bool:
        return self.manifest is not None and (self.proof is None or bool(self.proof.get("ok")))


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
            RetentionCandidate(entry.id, entry.manifest.finished, entry.good, entry.held)
            for entry in self.entries
            if entry.manifest
        )


async def take_inventory(store: ObjectStorage) -> BackupInventory:
    """Reads every manifest. Raises MachineError when the store cannot be read."""
    slots = asyncio.Semaphore(READS_AT_ONCE)

    async def one(backup_id: str) -> BackupEntry | None:
        async with slots:
            return await _entry(store, backup_id)

    ids = sorted((name for name in await store.folders() if is_id(name)), reverse=True)
    found = await asyncio.gather(*(one(backup_id) for backup_id in ids))
    entries = sorted((entry for entry in found if entry), key=_age, reverse=True)
    incomplete = tuple(backup_id for backup_id, entry in zip(ids, found, strict=True) if entry is None)
    return BackupInventory(tuple(entries), incomplete)


def _age(entry: BackupEntry) -> tuple[datetime, str]:
    return (entry.manifest.finished if entry.manifest else started(entry.id)), entry.id


async def _entry(store: ObjectStorage, backup_id: str) -> BackupEntry | None:
    key = manifest_key(backup_id)
    try:
        data = await store.read(key)
    except ObjectMissingError:
        return None
    names = [stored.key for stored in await store.listing(backup_id) if "/streams/" not in stored.key]
    held = f"{backup_id}/{HOLD}" in names
    proof = await _newest_proof(store, [name for name in names if f"/{PROOFS}/" in name])
    try:
        return BackupEntry(backup_id, from_json(data, backup_id, store.url(key)), "", held, proof)
    except InputError as error:
        return BackupEntry(backup_id, None, error.problems[0].what, held, proof)


async def _newest_proof(store: ObjectStorage, keys: list[str]) -> dict[str, Any] | None:
    if not keys:
        return None
    try:
        found = json.loads(await store.read(max(keys)))
    except (MachineError, ValueError):
        return None
    return found if isinstance(found, dict) else None


async def choose_backup(
    store: ObjectStorage, *, backup_id: str | None = None, at: datetime | None = None
) -> BackupManifest:
    """The one named, or the newest that was finished at ``at`` or before. Raises InputError."""
    if backup_id:
        return await read_manifest(store, backup_id)
    inventory = await take_inventory(store)
    for manifest in inventory.readable:
        if at is None or manifest.finished <= at:
            return manifest
    raise InputError.at(store.shown, _none(inventory, at), "see secondsite backup list; check the URL and the prefix")


def _none(inventory: BackupInventory, at: datetime | None) -> str:
    broken = sum(entry.manifest is None for entry in inventory.entries)
    told = [f"{broken} whose manifest is corrupt"] if broken else []
    told += [f"{len(inventory.incomplete)} without a manifest, which are no backups"] if inventory.incomplete else []
    told += [f"{len(inventory.readable)} newer"] if inventory.readable else []
    what = f"no backup finished at or before {at.isoformat()}" if at else "no backup"
    return what + (f" (there are {_and(told)})" if told else "")


def _and(parts: Iterable[str]) -> str:
    return " and ".join(parts)


async def read_manifest(store: ObjectStorage, backup_id: str) -> BackupManifest:
    """Raises InputError for an id that is none, has no manifest or has a corrupt one."""
    if not is_id(backup_id):
        raise InputError.at("--backup", f"{backup_id!r} is not the id of a backup", "see secondsite backup list")
    key = manifest_key(backup_id)
    try:
        data = await store.read(key)
    except ObjectMissingError:
        what = f"there is no {MANIFEST}, so this is no backup"
        raise InputError.at(store.url(key), what, "see secondsite backup list") from None
    return from_json(data, backup_id, store.url(key))
