"""One checkpoint of all streams: what is new goes to the store as segments, and then the record that names them.

The record is written last, on condition that nobody wrote one of its number: what it names is durable by then, and what
a killed or beaten archiver had written is named by nothing. So the next checkpoint begins where the last one ended,
whoever takes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

from attrs import define, field

from secondsite import __version__
from secondsite.archive.chain import START, Head, details_text
from secondsite.archive.entries import EntryRun
from secondsite.archive.inspection import StreamInfo, consumers, overview, stream_info
from secondsite.archive.layout import index_key, pack_folder, segment_key
from secondsite.archive.plan import ArchivePlan, BeatenError, NotStoredError, Shipped, create_same
from secondsite.archive.records import ArchiveSegment, Checkpoint, StreamCheckpoint, to_json
from secondsite.archive.sealed import codecs_for, seal, seal_text, suffix_of
from secondsite.archive.shipped_stream import ShippedStream
from secondsite.archive.spans import size, within
from secondsite.archive.tail import time_of
from secondsite.model.errors import InputError, MachineError
from secondsite.nats.jetstream import JetStream
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage


@define
class _Under:
    """A checkpoint that is being taken."""

    number: int
    folder: str
    room: int
    streams: list[StreamCheckpoint] = field(factory=list)
    details: dict[str, dict[str, Any]] = field(factory=dict)
    behind: dict[str, int] = field(factory=dict)
    failed: list[str] = field(factory=list)
    gone: tuple[str, ...] = ()


@define
class Shipper:
    """Checkpoints of one account, one after the other. ``head`` is where the archive stands; None for a new one.

    After an exception it is of no use any more: what the archive holds is read anew.
    """

    store: ObjectStorage
    plan: ArchivePlan
    head: Head | None
    writer: str = field(factory=lambda: secrets.token_hex(8))
    _known: dict[str, ShippedStream] = field(factory=dict)
    _tries: dict[tuple[str, str], int] = field(factory=dict)
    _number: int = 0
    _sha256: str = START
    _written_s: float = float("-inf")
    checkpoints_since_base: int = 0

    def __attrs_post_init__(self) -> None:
        if self.head:
            self._number, self._sha256 = self.head.number, self.head.sha256
            self.checkpoints_since_base, self._tries = self.head.checkpoints_since_base, dict(self.head.tries)
            for name, stream in self.head.streams.items():
                end = self.head.ends.get(name, (0, 0))
                self._known[name] = ShippedStream(stream.life, stream.through, end, checked=False)

    @property
    def number(self) -> int:
        """The newest checkpoint that this archiver knows of."""
        return self._number

    def check(self, jetstream: JetStream, domain: str) -> None:
        """Raises InputError where this is the archive of another cluster, or better protected than this plan is."""
        cluster = str(jetstream.connection.server.get("cluster", ""))
        if self.head and (self.head.cluster, self.head.domain) != (cluster, domain):
            of = f"cluster {self.head.cluster or '(none)'}, domain {self.head.domain or '(none)'}"
            what = f"this is the archive of {of}; connected to {cluster or '(none)'}, {domain or '(none)'}"
            raise InputError.at(self.store.shown, what, "give each cluster its own archive, with another prefix")
        if self.head:
            self.plan.check_protects(self.head, self.store.shown)

    async def once(self, jetstream: JetStream, domain: str) -> Shipped:
        """Raises BeatenError, or MachineError where nothing could be looked at; the next one may go better."""
        at_ns = time.time_ns()
        listed, lost = await overview(jetstream, self._known)
        streams = {name: stream for name, stream in listed.items() if self.plan.wants(name)}
        missing = tuple(name for name in lost if self.plan.wants(name))
        for name in self._known.keys() & set(missing):
            self._known[name].checked = False  # it may come back from an older disk
        gone = await self._gone(jetstream, streams, missing)
        number = self._number + 1
        under = _Under(number, pack_folder(number, secrets.token_hex(4)), self.plan.checkpoint_bytes)
        slots = asyncio.Semaphore(self.plan.parallel)

        async def one(stream: StreamInfo) -> None:
            async with slots:
                await self._stream(jetstream, stream, under)

        try:
            async with asyncio.TaskGroup() as group:
                for stream in streams.values():
                    group.create_task(one(stream))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if jetstream.connection.client.is_closed:
            raise MachineError.at(jetstream.shown, "the connection closed", "check whether the server is running")
        at_ns = min((stream.at_ns for stream in streams.values() if stream.at_ns), default=at_ns)
        failed = tuple(sorted({*missing, *under.failed}))
        if under.streams or gone or time.monotonic() - self._written_s >= self.plan.heartbeat_s:
            under.gone, under.failed = gone, list(failed)
            await self._write(jetstream, domain, under, at_ns)
        else:
            number = 0
        for name in gone:
            self._known.pop(name, None)
            self.plan.report(f"no longer there: {name}; what was shipped of it stays in the archive")
        segments = [segment for shipped in under.streams for segment in shipped.segments]
        return Shipped(
            number=number,
            streams=len(under.streams),
            messages=sum(segment.messages for segment in segments),
            plain_bytes=sum(segment.plain_bytes for segment in segments),
            stored_bytes=sum(segment.size_bytes for segment in segments),
            behind=under.behind,
            whole=tuple(sorted(streams.keys() - set(under.behind) - set(failed))),
            missing=failed,
        )

    async def _gone(
        self, jetstream: JetStream, streams: dict[str, StreamInfo], missing: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Known streams that the server says are not there: a list that lacks them is not enough."""
        absent = [name for name in self._known if name not in streams and name not in missing]
        return tuple([name for name in absent if await stream_info(jetstream, name, details=False) is None])

    async def _stream(self, jetstream: JetStream, listed: StreamInfo, under: _Under) -> None:
        known = self._known.get(listed.name)
        before = (known.life, known.through, known.end) if known else ("", 0, (0, 0))
        try:
            held = (
                await consumers(jetstream, listed.name) if listed.consumer_count or (known and known.consumers) else ()
            )
            if known and not known.changed(listed, held):
                return
            await self._news(jetstream, listed, held, under)
        except NotStoredError:
            raise
        except MachineError as error:
            if known := self._known.get(listed.name):
                await known.close_tail()
                _, known.through, known.end = before if before[0] == known.life else ("", 0, (0, 0))
            under.failed.append(listed.name)
            self.plan.report(f"{listed.name}: {error}")

    async def _news(
        self, jetstream: JetStream, listed: StreamInfo, held: tuple[dict[str, Any], ...], under: _Under
    ) -> None:
        known = await self._life(jetstream, listed)
        ask = known.lacks_gone(listed)
        info = await stream_info(jetstream, listed.name, details=ask)
        if info is None or info.created != listed.created:
            return  # it went, or is another one: the next checkpoint tells
        before = known.through
        segments = [segment async for segment in self._segments(jetstream, info, known, under)]
        whole = known.through >= info.last_seq
        gone = within(info.gone, 1, known.through) if info.gone is not None else None
        if not whole:
            ahead = info.last_seq - max(known.through, info.first_seq - 1)
            under.behind[info.name] = info.bytes * ahead // max(1, info.last_seq - info.first_seq + 1)
        under.streams.append(
            StreamCheckpoint(
                name=info.name,
                life=known.life,
                at_ns=info.at_ns,
                through=known.through,
                first_seq=info.first_seq,
                last_seq=info.last_seq,
                messages=info.messages,
                bytes=info.bytes,
                vanished=_vanished(info, before, known.through, segments),
                segments=tuple(segments),
            )
        )
        under.details[info.name] = known.news(info, held, gone)
        known.last = info

    async def _life(self, jetstream: JetStream, info: StreamInfo) -> ShippedStream:
        """The life of a stream that goes on, or a new one: made anew, or set back behind what is shipped."""
        known = self._known.get(info.name)
        if known is None:
            return self._begun(info)
        same, why = known.life.rpartition("#")[0] == info.created, ""
        if not same:
            pass
        elif info.last_seq < known.through:
            why = f"ends at {info.last_seq}, and {known.through} was shipped: its server lost messages"
        elif known.end[0] >= max(1, info.first_seq) and (not known.checked or info.last_seq > known.through):
            time_ns = await time_of(jetstream, info.name, known.end[0])
            if time_ns is not None and time_ns != known.end[1]:
                why = f"has another message {known.end[0]} than was shipped"
        known.checked = True
        if same and not why:
            return known
        if why:
            self.plan.report(f"{info.name} {why}; shipped data is kept, and it is shipped again")
        await known.close_tail()
        return self._begun(info)

    def _begun(self, info: StreamInfo) -> ShippedStream:
        """A life that was none before, though the stream may have been shipped and seemed gone since."""
        created = info.name, info.created
        self._tries[created] = self._tries.get(created, 0) + 1
        known = self._known[info.name] = ShippedStream(f"{info.created}#{self._tries[created]}", 0)
        return known

    async def _segments(
        self, jetstream: JetStream, info: StreamInfo, known: ShippedStream, under: _Under
    ) -> AsyncIterator[ArchiveSegment]:
        """Read and seal side by side, one segment ahead."""
        sealing: asyncio.Task[ArchiveSegment] | None = None
        try:
            async for run in known.runs(jetstream, info, self.plan):
                if sealing:
                    yield await sealing
                known.through, known.end = max(known.through, run.last_seq), (run.last_seq, run.last_ns)
                under.room -= len(run.plain)
                sealing = asyncio.create_task(self._seal(info.name, run, under))
                if under.room <= 0:
                    break
            else:
                known.through = max(known.through, info.last_seq)
            if sealing:
                yield await sealing
        finally:
            if sealing and not sealing.done():
                sealing.cancel()
                await asyncio.gather(sealing, return_exceptions=True)

    async def _seal(self, stream: str, run: EntryRun, under: _Under) -> ArchiveSegment:
        codecs = codecs_for(self.plan.keys)
        data = await asyncio.to_thread(seal, run.plain, self.plan.keys)
        key = segment_key(under.folder, stream, run.first_seq, run.last_seq, suffix_of(codecs))
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            await create_same(self.store, key, data)
        except MachineError as error:
            raise NotStoredError(error.problems) from None
        return ArchiveSegment(
            key=key,
            size_bytes=len(data),
            sha256=sha256,
            plain_bytes=len(run.plain),
            messages=run.messages,
            first_seq=run.first_seq,
            last_seq=run.last_seq,
            first_ns=run.first_ns,
            last_ns=run.last_ns,
            codecs=codecs,
        )

    async def _write(self, jetstream: JetStream, domain: str, under: _Under, at_ns: int) -> None:
        await self._compare_sizes(under)
        details = await asyncio.to_thread(seal_text, details_text(under.details), self.plan.keys)
        server = jetstream.connection.server
        record = Checkpoint(
            number=under.number,
            previous=self._sha256,
            writer=self.writer,
            at_ns=at_ns,
            tool=__version__,
            server=str(server.get("version", "")),
            cluster=str(server.get("cluster", "")),
            domain=domain,
            recipients=self.plan.keys.recipients,
            streams=tuple(sorted(under.streams, key=lambda stream: stream.name)),
            gone=under.gone,
            missing=tuple(under.failed),
            details=details if under.details else "",
        )
        data = to_json(record, self.plan.signing)
        try:
            await create_same(self.store, index_key(under.number), data)
        except ObjectExistsError:
            raise BeatenError.at(
                self.store.url(index_key(under.number)), "another archiver was faster", "it continues from there"
            ) from None
        self._number, self._sha256 = under.number, hashlib.sha256(data).hexdigest()
        self._written_s, self.checkpoints_since_base = time.monotonic(), self.checkpoints_since_base + 1

    async def _compare_sizes(self, under: _Under) -> None:
        """What the store shows must be what was sent: the checkpoint promises it."""
        sent = [segment for stream in under.streams for segment in stream.segments]
        if not sent:
            return
        there = {stored.key: stored.size_bytes for stored in await self.store.listing(under.folder)}
        for segment in sent:
            if there.get(segment.key) != segment.size_bytes:
                what = f"holds {there.get(segment.key)} bytes where {segment.size_bytes} were written"
                raise MachineError.at(self.store.url(segment.key), what, "check who else writes to this store")

    async def close(self) -> None:
        """The consumers that were read by go."""
        for known in self._known.values():
            await known.close_tail()


def _vanished(info: StreamInfo, before: int, through: int, segments: list[ArchiveSegment]) -> int:
    """Messages that were counted, and gone before they were read; known only where the deleted ones are."""
    first, last = max(before + 1, info.first_seq), min(through, info.last_seq)
    if last < first or (info.num_deleted and info.gone is None):
        return 0
    counted = last - first + 1 - size(within(info.gone or (), first, last))
    read = sum(segment.messages for segment in segments)
    return max(0, counted - read)
