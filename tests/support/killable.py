"""Parts of an archive as processes of their own, to be killed at any moment."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from datetime import timedelta

from moments import bring_back

from secondsite.archive.chain import Chain
from secondsite.archive.compact import CompactPlan, compact
from secondsite.archive.daemon import archive_once
from secondsite.archive.plan import ArchivePlan
from secondsite.model.errors import MachineError
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

SMALL = ArchivePlan(segment_bytes=4_000, checkpoint_bytes=16_000)


def _place(url: str) -> NatsPlace:
    return NatsPlace(parse_addresses(url), ConnectOptions())


def _store(address: str) -> ObjectStorage:
    return ObjectStorage(parse_store(address), make=True)


def ship_on_and_on(url: str, address: str) -> None:
    while True:
        asyncio.run(archive_once(_place(url), _store(address), SMALL))


def ship_without_room(url: str, address: str) -> None:
    """As on a disk that is full: no file gets larger than a few bytes. Ends with 3 where that is told as what it is."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
    try:
        asyncio.run(archive_once(_place(url), _store(address), SMALL))
    except MachineError as error:
        sys.exit(3 if "the store failed" in str(error) else 4)


def compact_on_and_on(_: str, address: str) -> None:
    async def work() -> None:
        store = _store(address)
        await compact(store, CompactPlan(SMALL, timedelta(seconds=1)), time.time_ns(), await Chain(store).read())

    while True:
        asyncio.run(work())


def restore_on_and_on(url: str, address: str) -> None:
    while True:
        try:
            asyncio.run(bring_back(_place(url), _store(address)))
        except MachineError:
            time.sleep(0.05)
