"""One stream cut at a moment: which of its shipped messages were there, and the archive that brings these back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, TypeVar

from attrs import field, frozen

from secondsite.archive.entries import rfc3339
from secondsite.archive.limits import dropped_by_limits
from secondsite.archive.moment import StandingStream
from secondsite.archive.records import ArchiveSegment, damaged
from secondsite.archive.sealed import SealError, stored_bytes, unseal, unsealed
from secondsite.archive.spans import Span, Walker, joined, within
from secondsite.backup.archive import MAGIC, ArchiveError, entry, heads
from secondsite.backup.codec import Keys
from secondsite.backup.s2 import MAGIC as S2_MAGIC
from secondsite.backup.s2 import STREAM_HEAD
from secondsite.backup.s2_write import blocks
from secondsite.objects.store import ObjectStorage

_S2_HEAD = bytes((STREAM_HEAD,)) + len(S2_MAGIC).to_bytes(3, "little") + S2_MAGIC
_END = entry(b"", 0, 0, b"", b"")
_READ_AHEAD = 2
_PIECES_AHEAD = 3
Change = Callable[[ArchiveSegment, bytes], bytes]
T = TypeVar("T")


@contextmanager
def as_damage(place: str) -> Iterator[None]:
    """What breaks its own rules there, or cannot be opened, is DamagedArchiveError."""
    try:
        yield
    except ArchiveError as error:
        raise damaged(place, f"it was written so: {error}") from None
    except SealError as error:
        raise damaged(place, f"corrupted, or encrypted with another key: {error}") from None


@frozen
class Segments:
    """Opens the segments of an archive."""

    store: ObjectStorage
    keys: Keys = field(repr=False)

    async def plain(self, segment: ArchiveSegment, change: Change = lambda _, plain: plain) -> bytes:
        """Its entries, changed in the thread that opens them. Raises DamagedArchiveError."""
        data = await stored_bytes(self.store, segment)
        with as_damage(self.store.url(segment.key)):
            return await asyncio.to_thread(lambda: change(segment, unseal(data, segment.codecs, self.keys)))

    async def pieces(
        self, segment: ArchiveSegment, data: bytes, change: Callable[[bytes], bytes]
    ) -> AsyncIterator[bytes]:
        """Of what is stored of a segment, its entries in the order of their bytes, each piece changed in a thread."""
        opened = unsealed(data, segment.codecs, self.keys)
        with as_damage(self.store.url(segment.key)):
            while piece := await asyncio.to_thread(lambda: change(plain) if (plain := next(opened, b"")) else b""):
                yield piece

    async def times(self, segment: ArchiveSegment) -> list[tuple[int, int]]:
        """Sequence and time in ns of each message. Raises DamagedArchiveError."""
        plain = await self.plain(segment)
        with as_damage(self.store.url(segment.key)):
            return [(sequence, time_ns) for sequence, time_ns, _, _ in heads(plain)]

    async def each(
        self, segments: Iterable[ArchiveSegment], change: Change = lambda _, plain: plain
    ) -> AsyncIterator[tuple[ArchiveSegment, bytes]]:
        """All of them in their order, read and changed a little ahead."""
        async with aclosing(_ahead(segments, partial(self.plain, change=change))) as opened:  # type: ignore[type-var] # an async generator
            async for item in opened:
                yield item

    async def stored(self, segments: Iterable[ArchiveSegment]) -> AsyncIterator[tuple[ArchiveSegment, bytes]]:
        """All of them as they are stored, compared with their checksums, read a little ahead."""
        async with aclosing(_ahead(segments, partial(stored_bytes, self.store))) as read:  # type: ignore[type-var] # an async generator
            async for item in read:
                yield item


async def _ahead(
    segments: Iterable[ArchiveSegment], read: Callable[[ArchiveSegment], Coroutine[Any, Any, T]]
) -> AsyncIterator[tuple[ArchiveSegment, T]]:
    ahead: list[tuple[ArchiveSegment, asyncio.Task[T]]] = []
    rest = iter(segments)
    try:
        while True:
            while len(ahead) < _READ_AHEAD and (segment := next(rest, None)):
                ahead.append((segment, asyncio.create_task(read(segment))))
            if not ahead:
                return
            first, task = ahead.pop(0)
            yield first, await task
    finally:
        for _, task in ahead:
            task.cancel()
        await asyncio.gather(*(task for _, task in ahead), return_exceptions=True)


async def _prepared(source: AsyncIterator[T], count: int) -> AsyncIterator[T]:
    """The same items; up to so many are made before they are asked for. Raises what the source raises."""
    made: asyncio.Queue[T | None] = asyncio.Queue(count)

    async def make() -> None:
        try:
            async with aclosing(source) as items:  # type: ignore[type-var] # an async generator
                async for item in items:
                    await made.put(item)
        except Exception:
            await made.put(None)
            raise
        await made.put(None)

    making = asyncio.create_task(make())
    try:
        while (item := await made.get()) is not None:
            yield item
        await making
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)


@frozen
class StreamCut:
    """``first`` and ``last`` are the sequences that the stream is to have; what lies in ``gone`` is left out."""

    standing: StandingStream
    segments: tuple[ArchiveSegment, ...]
    first: int
    last: int
    gone: tuple[Span, ...]
    messages: int
    size_bytes: int
    last_ns: int
    first_ns: int

    @property
    def name(self) -> str:
        return self.standing.checkpoint.name

    @property
    def wanted(self) -> tuple[ArchiveSegment, ...]:
        """The segments that hold something of it."""
        return tuple(part for part in self.segments if part.last_seq >= self.first and part.first_seq <= self.last)

    @property
    def state(self) -> dict[str, Any]:
        """As a server tells it."""
        return {
            "messages": self.messages,
            "bytes": self.size_bytes,
            "first_seq": self.first,
            "first_ts": rfc3339(self.first_ns) if self.messages else "0001-01-01T00:00:00Z",
            "last_seq": self.last,
            "last_ts": rfc3339(self.last_ns) if self.last_ns else "0001-01-01T00:00:00Z",
            "consumer_count": len(self.consumers),
        }

    @property
    def consumers(self) -> list[dict[str, Any]]:
        """None of them stands behind the end."""
        return [self._clamped(dict(info)) for info in self.standing.consumers]

    def _clamped(self, info: dict[str, Any]) -> dict[str, Any]:
        floor = dict(info["ack_floor"])
        floor["stream_seq"] = min(int(floor["stream_seq"]), self.last)
        return {**info, "ack_floor": floor, "delivered": floor}

    def _whole(self, segment: ArchiveSegment) -> bool:
        inside = self.first <= segment.first_seq and segment.last_seq <= self.last
        return inside and not within(self.gone, segment.first_seq, segment.last_seq)

    def kept(self, segment: ArchiveSegment, plain: bytes) -> bytes:
        """The entries that belong to the stream. Raises ArchiveError."""
        if self._whole(segment):
            return plain
        gone, out, begin, until = Walker(self.gone), bytearray(), 0, 0
        for sequence, _, _, end in heads(plain):
            if sequence > self.last:
                break
            if sequence < self.first or sequence in gone:
                out += plain[begin:until]
                begin = end
            until = end
        return bytes(out + plain[begin:until]) if until > begin else bytes(out)

    async def archive(self, reads: Segments) -> AsyncIterator[bytes]:
        """What STREAM.RESTORE of 2.15 takes. Raises DamagedArchiveError."""
        yield _S2_HEAD
        async for piece in self.entries(reads, blocks):
            yield piece

    async def entries(self, reads: Segments, frame: Callable[[bytes], bytes] = bytes) -> AsyncIterator[bytes]:
        """The same without its compression, or with each piece in a ``frame``. Raises DamagedArchiveError."""
        yield frame(MAGIC + self._head())
        async with aclosing(_prepared(self._framed(reads, frame), _PIECES_AHEAD)) as pieces:  # type: ignore[type-var] # an async generator
            async for piece in pieces:
                yield piece
        yield frame(_END)

    async def _framed(self, reads: Segments, frame: Callable[[bytes], bytes]) -> AsyncIterator[bytes]:
        """A segment that is wanted whole goes through piece by piece, and nobody looks at its entries."""
        async with aclosing(reads.stored(self.wanted)) as stored:  # type: ignore[type-var] # an async generator
            async for segment, data in stored:
                if self._whole(segment):
                    async for piece in reads.pieces(segment, data, frame):
                        yield piece
                    continue
                with as_damage(reads.store.url(segment.key)):
                    yield frame(await asyncio.to_thread(self._part, segment, data, reads.keys))

    def _part(self, segment: ArchiveSegment, data: bytes, keys: Keys) -> bytes:
        return self.kept(segment, unseal(data, segment.codecs, keys))

    def _head(self) -> bytes:
        out = [entry(b"state.json", self.last_ns, 0, b"", json.dumps(self.state).encode())]
        for info in self.consumers:
            floor = info["ack_floor"]
            content = {"config": info["config"], "state": {"delivered": floor, "ack_floor": floor}}
            name = f"consumers/{info['name']}".encode()
            out.append(entry(name, self.last_ns, 0, b"", json.dumps(content).encode()))
        return b"".join(out)


async def cut_at(
    reads: Segments,
    standing: StandingStream,
    segments: tuple[ArchiveSegment, ...],
    at_ns: int | None,
    sequence: int | None = None,
) -> StreamCut:
    """The stream as it was at a moment, or as its last message had this sequence. Raises DamagedArchiveError."""
    last = sequence if sequence is not None else await _last(reads, standing, segments, at_ns)
    first, gone = max(1, standing.checkpoint.first_seq), within(standing.gone, standing.checkpoint.first_seq, last)
    if last > standing.floor:
        wanted = [part for part in segments if part.first_seq <= last]
        plains = (plain async for _, plain in reads.each(wanted, lambda _, plain: _readable(plain)))
        gone = joined(gone, await dropped_by_limits(standing.config, plains, first, last, gone))
    counted = StreamCut(standing, segments, first, last, gone, 0, 0, 0, 0)
    return await _counted(reads, counted)


def _readable(plain: bytes) -> bytes:
    """Raises ArchiveError for what cannot be read to its end."""
    for _ in heads(plain):
        pass
    return plain


async def _last(
    reads: Segments, standing: StandingStream, segments: tuple[ArchiveSegment, ...], at_ns: int | None
) -> int:
    """The last sequence: what was seen, and what follows until a message is younger than the moment."""
    last = standing.floor
    for segment in segments:
        if segment.last_seq <= last:
            continue
        if at_ns is None:
            last = segment.last_seq
            continue
        if segment.first_seq > last and segment.first_ns > at_ns:
            break
        for sequence, time_ns in await reads.times(segment):
            if sequence <= last:
                continue
            if time_ns > at_ns:
                return last
            last = sequence
    return last


async def _counted(reads: Segments, cut: StreamCut) -> StreamCut:
    """With the number of messages, which only segments that are cut into have to be read for."""
    messages, size, first, first_ns, last_ns = 0, 0, 0, 0, 0
    for segment in cut.segments:
        if segment.last_seq < cut.first or segment.first_seq > cut.last:
            continue
        if cut._whole(segment):
            messages, size = messages + segment.messages, size + segment.plain_bytes
            first, first_ns = first or segment.first_seq, first_ns or segment.first_ns
            last_ns = segment.last_ns
            continue
        kept = await reads.plain(segment, cut.kept)
        size += len(kept)
        for sequence, time_ns, _, _ in heads(kept):  # read once, so whole
            messages += 1
            first, first_ns, last_ns = first or sequence, first_ns or time_ns, time_ns
    begin = first if messages else cut.last + 1 if cut.last else 0
    return StreamCut(cut.standing, cut.segments, begin, cut.last, cut.gone, messages, size, last_ns, first_ns)
