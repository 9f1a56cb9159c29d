"""Who could read a secret: files below a folder, and everybody who lists the processes of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_EVERY_S = 0.02


def processes() -> Iterator[bytes]:
    """What anybody on the machine reads of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            continue


def held_in(folder: Path, secret: str) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@asynccontextmanager
async def watched(*secrets: str) -> AsyncIterator[list[bytes]]:
    """Command lines that had one of them while it ran."""
    found: list[bytes] = []

    async def look() -> None:
        while True:
            found.extend(line for line in processes() for each in secrets if each.encode() in line)
            await asyncio.sleep(_EVERY_S)

    watching = asyncio.create_task(look())
    try:
        yield found
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
