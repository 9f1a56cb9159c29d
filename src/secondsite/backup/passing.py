"""The digest of an archive that passes by on its way to a server, so that the proof need not read it once more.

Only where that is little work: what is large and has to be unpacked would hold up the transfer, and is read for the
proof later. The digest says nothing until the transfer has shown that the archive is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from attrs import evolve

from secondsite.backup.digesting import SMALL_BYTES, Archived, Digested, DigestError, mostly_plain
from secondsite.backup.s2 import S2Meter

PIECES_HELD = 4


class PassingDigest:
    """Hands on what it is given, unchanged, and digests it beside. Used for one archive."""

    def __init__(self, archived: Archived, width: int) -> None:
        self._archived = evolve(archived, framed=True)
        self._width = width
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(PIECES_HELD)
        self._task: asyncio.Task[Digested] | None = None

    async def passing(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        held: list[bytes] | None = []
        meter = S2Meter()
        async with aclosing(pieces) as closing:  # type: ignore[type-var] # an async generator
            async for piece in closing:
                if held is not None:
                    held.append(piece)
                    meter.feed(piece)
                    if sum(map(len, held)) > SMALL_BYTES:
                        if mostly_plain(meter):
                            await self._begin(held)
                        held = None
                elif self._task:
                    await self._take(piece)
                yield piece
        if held is not None:
            await self._begin(held)
        if self._task:
            await self._take(b"")

    async def result(self) -> Digested | None:
        """None where it was left for later, or could not be told. To be asked for when all has passed."""
        if not self._task:
            return None
        try:
            return await self._task
        except DigestError:
            return None  # the proof will read the archive, and say why

    async def aclose(self) -> None:
        """Whatever happened."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _begin(self, held: list[bytes]) -> None:
        self._task = asyncio.create_task(evolve(self._archived, source=self._queued).digest(self._width))
        for piece in held:
            await self._take(piece)

    async def _take(self, piece: bytes) -> None:
        """Waits while the digest is behind; it takes no more once it has failed."""
        assert self._task  # noqa: S101 # begun
        putting = asyncio.ensure_future(self._queue.put(piece))
        try:
            await asyncio.wait((putting, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()

    async def _queued(self) -> AsyncIterator[bytes]:
        while piece := await self._queue.get():
            yield piece
