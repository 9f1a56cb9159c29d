"""A hold on a backup: an object beside it, so that whoever prunes sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from secondsite.backup.inventory import read_manifest
from secondsite.backup.layout import HOLD
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage


async def put_hold(store: ObjectStorage, backup_id: str, why: str) -> None:
    """Raises InputError for what is no backup; a hold that is there stays as it is."""
    await read_manifest(store, backup_id)
    content = json.dumps({"since": datetime.now(UTC).isoformat(), "why": why}).encode()
    try:
        await store.create(f"{backup_id}/{HOLD}", content)
    except ObjectExistsError:
        return


async def end_hold(store: ObjectStorage, backup_id: str) -> bool:
    """Whether there was one."""
    await read_manifest(store, backup_id)
    key = f"{backup_id}/{HOLD}"
    there = any(stored.key == key for stored in await store.listing(backup_id))
    if there:
        await store.delete([key])
    return there
