"""The digest of an archive that passes by on its way to a server, so that the proof need not read it once more.

Only where that is little work: what is large and has to be unpacked would hold up the transfer. Of that the blocks are
hashed as they are, and only where they do not settle it the archive is read for the proof. What was told as it passed
counts only once the transfer has shown that the archive is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from attrs import evolve, frozen

from secondsite.backup.digesting import SMALL_BYTES, Archived, Digested, DigestError, mostly_plain
from secondsite.backup.frames import Framed, FrameDigest
from secondsite.backup.s2 import S2Meter

PIECES_HELD = 4


@frozen
class Passed:
    """What could be told of an archive: all of it, or what its blocks say; both None where it was left for later."""

    digested: Digested | None = None
    framed: Framed | None = None


NOTHING_PASSED = Passed()


class PassingDigest:
    """Hands on what it is given, unchanged, and digests it beside. Used for one archive."""

    def __init__(self, archived: Archived, width: int) -> None:
        self._archived = evolve(archived, framed=True)
        self._width = width
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(PIECES_HELD)
        self._task: asyncio.Task[Digested] | None = None
        self._frames: FrameDigest | None = None

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
                        else:
                            await self._frame(b"".join(held))
                        held = None
                elif self._task:
                    await self._take(piece)
                else:
                    await self._frame(piece)
                yield piece
        if held is not None:
            await self._begin(held)
        if self._task:
            await self._take(b"")

    async def result(self) -> Passed:
        """To be asked for when all has passed."""
        if self._frames:
            return Passed(framed=self._frames.result())
        if not self._task:
            return NOTHING_PASSED
        try:
            return Passed(await self._task)
        except DigestError:
            return NOTHING_PASSED  # the proof will read the archive, and say why

    async def aclose(self) -> None:
        """Whatever happened."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _frame(self, piece: bytes) -> None:
        self._frames = self._frames or FrameDigest()
        await asyncio.to_thread(self._frames.feed, piece)

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
