"""A stream as another lab left it, messages and all: what a lab begins with in place of an empty one.

The server that takes it keeps each message at its place and at the time at which the first server stored it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from secondsite.nats.jetstream import JetStream
from secondsite.nats.snapshot import open_snapshot


@frozen
class AgedStream:
    """``state`` as the server gave it, ``archive`` the file that its snapshot went to; consumers are not in it."""

    name: str
    state: Mapping[str, Any]
    archive: Path

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await asyncio.to_thread(self.archive.read_bytes)


async def keep_stream(jetstream: JetStream, name: str, archive: Path) -> AgedStream:
    """Raises MachineError where the snapshot breaks off."""
    async with open_snapshot(jetstream, name, consumers=False) as snapshot:
        whole = b"".join([chunk async for chunk in snapshot.chunks])
        await asyncio.to_thread(archive.write_bytes, whole)
        return AgedStream(name, snapshot.state, archive)
