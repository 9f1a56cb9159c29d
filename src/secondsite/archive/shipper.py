"""One look over all streams: what is new goes to the store as segments, and then the look that names them.

The look is written last, on condition that nobody wrote one of its number: what it names is durable by then, and what a
killed or beaten archiver had written is named by nothing. So the next look begins where the last one ended, whoever
takes it.
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
from secondsite.archive.layout import index_key, pack_folder, segment_key
from secondsite.archive.looking import Seen, consumers, look, mark, overview
from secondsite.archive.plan import GONE_PER_S, ArchivePlan, BeatenError, NotStoredError, Shipped, create_same
from secondsite.archive.records import ArchiveSegment, Look, StreamLook, to_json
from secondsite.archive.sealed import codecs_for, seal, seal_text, suffix_of
from secondsite.archive.spans import Span, size, within, without
from secondsite.archive.tail import Tail, message_runs, time_of
from secondsite.model.errors import InputError, MachineError
from secondsite.nats.jetstream import JetStream
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage


@define
class _Known:
    """A stream as this archiver shipped it. What it cannot read back it tells once more: ``config`` is then empty."""

    life: str
    through: int
    end: tuple[int, int] = (0, 0)
    checked: bool = True
    last: Seen | None = None
    config: str = ""
    consumers: str = ""
    gone: tuple[Span, ...] | None = None
    gone_mark: tuple[int, int] = (0, 0)
    gone_asked_s: float = float("-inf")
    tail: Tail | None = None


@define
class _Under:
    """A look that is being taken."""

    number: int
    folder: str
    room: int
    streams: list[StreamLook] = field(factory=list)
    details: dict[str, dict[str, Any]] = field(factory=dict)
    behind: dict[str, int] = field(factory=dict)
    failed: list[str] = field(factory=list)
    gone: tuple[str, ...] = ()


@define
class Shipper:
    """Looks of one account, one after the other. ``head`` is where the archive stands; None for a new one.

    After an exception it is of no use any more: what the archive holds is read anew.
    """

    store: ObjectStorage
    plan: ArchivePlan
    head: Head | None
    writer: str = field(factory=lambda: secrets.token_hex(8))
    _known: dict[str, _Known] = field(factory=dict)
    _number: int = 0
    _sha256: str = START
    _written_s: float = float("-inf")
    looks_since_base: int = 0

    def __attrs_post_init__(self) -> None:
        if self.head:
            self._number, self._sha256 = self.head.number, self.head.sha256
            self.looks_since_base = self.head.looks_since_base
            for name, told in self.head.streams.items():
                end = self.head.ends.get(name, (0, 0))
                self._known[name] = _Known(told.life, told.through, end, checked=False)

    @property
    def number(self) -> int:
        """The newest look that this archiver knows of."""
        return self._number

    def check(self, jetstream: JetStream, domain: str) -> None:
        """Raises InputError where this is the archive of another cluster."""
        cluster = str(jetstream.connection.server.get("cluster", ""))
        if self.head and (self.head.cluster, self.head.domain) != (cluster, domain):
            of = f"cluster {self.head.cluster or '(none)'}, domain {self.head.domain or '(none)'}"
            what = f"this is the archive of {of}; connected to {cluster or '(none)'}, {domain or '(none)'}"
            raise InputError.at(self.store.shown, what, "give each cluster an archive of its own: another prefix")

    async def once(self, jetstream: JetStream, domain: str) -> Shipped:
        """One look. Raises BeatenError, or MachineError where nothing could be looked at; the next may go better."""
        at_ns = time.time_ns()
        listed, lost = await overview(jetstream, self._known)
        seen = {name: stream for name, stream in listed.items() if self.plan.wants(name)}
        missing = tuple(name for name in lost if self.plan.wants(name))
        gone = await self._gone(jetstream, seen, missing)
        number = self._number + 1
        under = _Under(number, pack_folder(number, secrets.token_hex(4)), self.plan.look_bytes)
        slots = asyncio.Semaphore(self.plan.parallel)

        async def one(stream: Seen) -> None:
            async with slots:
                await self._stream(jetstream, stream, under)

        try:
            async with asyncio.TaskGroup() as group:
                for stream in seen.values():
                    group.create_task(one(stream))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if jetstream.connection.client.is_closed:
            raise MachineError.at(jetstream.shown, "the connection closed", "look whether the server runs")
        at_ns = min((stream.at_ns for stream in seen.values() if stream.at_ns), default=at_ns)
        failed = tuple(sorted({*missing, *under.failed}))
        if under.streams or gone or time.monotonic() - self._written_s >= self.plan.heartbeat_s:
            under.gone, under.failed = gone, list(failed)
            await self._write(jetstream, domain, under, at_ns)
        else:
            number = 0
        for name in gone:
            self._known.pop(name, None)
        segments = [segment for told in under.streams for segment in told.segments]
        return Shipped(
            number=number,
            streams=len(under.streams),
            messages=sum(segment.messages for segment in segments),
            plain_bytes=sum(segment.plain_bytes for segment in segments),
            stored_bytes=sum(segment.size_bytes for segment in segments),
            behind=under.behind,
            whole=tuple(sorted(seen.keys() - set(under.behind) - set(failed))),
            missing=failed,
        )

    async def _gone(self, jetstream: JetStream, seen: dict[str, Seen], missing: tuple[str, ...]) -> tuple[str, ...]:
        """Known streams that the server says are not there: a list that lacks them is not enough."""
        absent = [name for name in self._known if name not in seen and name not in missing]
        return tuple([name for name in absent if await look(jetstream, name, details=False) is None])

    async def _stream(self, jetstream: JetStream, listed: Seen, under: _Under) -> None:
        known = self._known.get(listed.name)
        before = (known.life, known.through, known.end) if known else ("", 0, (0, 0))
        try:
            held = (
                await consumers(jetstream, listed.name) if listed.consumer_count or (known and known.consumers) else ()
            )
            if known and not self._changed(known, listed, held):
                return
            await self._news(jetstream, listed, held, under)
        except NotStoredError:
            raise
        except MachineError as error:
            await self._drop_tail(listed.name)
            if known := self._known.get(listed.name):
                _, known.through, known.end = before if before[0] == known.life else ("", 0, (0, 0))
            under.failed.append(listed.name)
            self.plan.tell(f"{listed.name}: {error}")

    def _changed(self, known: _Known, seen: Seen, held: tuple[dict[str, Any], ...]) -> bool:
        if known.last is None or mark(held) != known.consumers or seen.config_mark != known.config:
            return True
        if known.through < seen.last_seq or self._ask_gone(known, seen):
            return True
        same = ("created", "first_seq", "last_seq", "messages", "num_deleted")
        return any(getattr(known.last, field) != getattr(seen, field) for field in same)

    async def _news(self, jetstream: JetStream, listed: Seen, held: tuple[dict[str, Any], ...], under: _Under) -> None:
        known = await self._life(jetstream, listed)
        ask = self._ask_gone(known, listed)
        seen = await look(jetstream, listed.name, details=ask)
        if seen is None or seen.created != listed.created:
            return  # it went, or is another one: the next look tells
        before = known.through
        segments = [segment async for segment in self._segments(jetstream, seen, known, under)]
        whole = known.through >= seen.last_seq
        gone = within(seen.gone, 1, known.through) if seen.gone is not None else None
        if not whole:
            ahead = seen.last_seq - max(known.through, seen.first_seq - 1)
            under.behind[seen.name] = seen.bytes * ahead // max(1, seen.last_seq - seen.first_seq + 1)
        under.streams.append(
            StreamLook(
                name=seen.name,
                life=known.life,
                at_ns=seen.at_ns,
                through=known.through,
                first_seq=seen.first_seq,
                last_seq=seen.last_seq,
                messages=seen.messages,
                bytes=seen.bytes,
                vanished=_vanished(seen, before, known.through, segments),
                segments=tuple(segments),
            )
        )
        under.details[seen.name] = self._details(known, seen, held, gone)
        known.last = seen

    async def _life(self, jetstream: JetStream, seen: Seen) -> _Known:
        """The life of a stream that goes on, or a new one: made anew, or set back behind what is shipped."""
        known = self._known.get(seen.name)
        if known is None:
            known = self._known[seen.name] = _Known(f"{seen.created}#1", 0)
            return known
        created, _, number = known.life.rpartition("#")
        why = ""
        if created != seen.created:
            created, number = seen.created, "0"
        elif seen.last_seq < known.through:
            why = f"ends at {seen.last_seq}, and {known.through} was shipped: its server lost messages"
        elif not known.checked and known.end[0] >= max(1, seen.first_seq):
            found = await time_of(jetstream, seen.name, known.end[0])
            if found is not None and found != known.end[1]:
                why = f"has another message {known.end[0]} than was shipped"
        known.checked = True
        if created == seen.created and not why and number != "0":
            return known
        if why:
            self.plan.tell(f"{seen.name} {why}; what was shipped stays, and it is shipped anew")
        await self._drop_tail(seen.name)
        known = self._known[seen.name] = _Known(f"{created}#{int(number) + 1}", 0)
        return known

    def _ask_gone(self, known: _Known, seen: Seen) -> bool:
        """The more there are the more seldom, as the server lists them all."""
        if not seen.num_deleted or (known.gone is not None and known.gone_mark == _gone_mark(seen)):
            return False
        return time.monotonic() - known.gone_asked_s >= seen.num_deleted / GONE_PER_S

    def _details(
        self, known: _Known, seen: Seen, held: tuple[dict[str, Any], ...], gone: tuple[Span, ...] | None
    ) -> dict[str, Any]:
        """What changed, and what this archiver has not told yet."""
        told: dict[str, Any] = {}
        if seen.config_mark != known.config:
            told["config"], known.config = dict(seen.config), seen.config_mark
        if (found := mark(held)) != known.consumers:
            told["consumers"], known.consumers = list(held), found
        if gone is not None:
            known.gone_asked_s, known.gone_mark = time.monotonic(), _gone_mark(seen)
        elif known.gone is None and not seen.num_deleted:
            gone = ()
        if gone is not None:
            if known.gone is None:
                told["all_gone"] = gone
            else:
                told["newly_gone"] = without(gone, known.gone)
            known.gone = gone
        return told

    async def _segments(
        self, jetstream: JetStream, seen: Seen, known: _Known, under: _Under
    ) -> AsyncIterator[ArchiveSegment]:
        """Read and seal side by side, one segment ahead."""
        sealing: asyncio.Task[ArchiveSegment] | None = None
        try:
            async for run in self._runs(jetstream, seen, known):
                if sealing:
                    yield await sealing
                known.through, known.end = max(known.through, run.last_seq), (run.last_seq, run.last_ns)
                under.room -= len(run.plain)
                sealing = asyncio.create_task(self._seal(seen.name, run, under))
                if under.room <= 0:
                    break
            else:
                known.through = max(known.through, seen.last_seq)
            if sealing:
                yield await sealing
        finally:
            if sealing and not sealing.done():
                sealing.cancel()
                await asyncio.gather(sealing, return_exceptions=True)

    async def _runs(self, jetstream: JetStream, seen: Seen, known: _Known) -> AsyncIterator[EntryRun]:
        limit = self.plan.segment_bytes
        if known.through >= seen.last_seq:
            return
        first = max(known.through + 1, seen.first_seq)
        if seen.quick and (tail := await self._tail(jetstream, seen.name, known)):
            async for run in tail.runs(seen.last_seq, limit):
                yield run
            if tail.through >= seen.last_seq:
                return
            first = tail.through + 1  # a replica that lags: the leader is asked for the rest
            await self._drop_tail(seen.name)
        async for run in message_runs(jetstream, seen.name, first, seen.last_seq, limit):
            yield run

    async def _tail(self, jetstream: JetStream, name: str, known: _Known) -> Tail | None:
        """None where the stream allows no consumer now: no meta leader, or a limit of consumers."""
        if known.tail and known.tail.jetstream is jetstream:
            return known.tail
        tail = Tail(jetstream, name, known.through)
        try:
            await tail.open()
        except MachineError as error:
            self.plan.tell(f"{name}: read message by message, as it allows no consumer now ({error})")
            return None
        known.tail = tail
        return tail

    async def _drop_tail(self, name: str) -> None:
        known = self._known.get(name)
        if known and known.tail:
            await known.tail.close()
            known.tail = None

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
        record = Look(
            number=under.number,
            previous=self._sha256,
            writer=self.writer,
            at_ns=at_ns,
            tool=__version__,
            server=str(server.get("version", "")),
            cluster=str(server.get("cluster", "")),
            domain=domain,
            recipients=self.plan.keys.recipients,
            streams=tuple(sorted(under.streams, key=lambda told: told.name)),
            gone=under.gone,
            missing=tuple(under.failed),
            details=details if under.details else "",
        )
        data = to_json(record, self.plan.signing)
        try:
            await create_same(self.store, index_key(under.number), data)
        except ObjectExistsError:
            raise BeatenError.at(
                self.store.url(index_key(under.number)), "another archiver was faster", "it goes on from there"
            ) from None
        self._number, self._sha256 = under.number, hashlib.sha256(data).hexdigest()
        self._written_s, self.looks_since_base = time.monotonic(), self.looks_since_base + 1

    async def _compare_sizes(self, under: _Under) -> None:
        """What the store shows must be what was sent: the look promises it."""
        sent = [segment for told in under.streams for segment in told.segments]
        if not sent:
            return
        there = {stored.key: stored.size_bytes for stored in await self.store.listing(under.folder)}
        for segment in sent:
            if there.get(segment.key) != segment.size_bytes:
                what = f"holds {there.get(segment.key)} bytes where {segment.size_bytes} were written"
                raise MachineError.at(self.store.url(segment.key), what, "look who else writes to this store")

    async def close(self) -> None:
        """The consumers that were read by go."""
        for name in self._known:
            await self._drop_tail(name)


def _gone_mark(seen: Seen) -> tuple[int, int]:
    """Sequences never come back, so these are the same exactly when the deleted ones are."""
    return seen.num_deleted, seen.first_seq


def _vanished(seen: Seen, before: int, through: int, segments: list[ArchiveSegment]) -> int:
    """Messages that were counted, and gone before they were read; known only where the deleted ones are."""
    first, last = max(before + 1, seen.first_seq), min(through, seen.last_seq)
    if last < first or (seen.num_deleted and seen.gone is None):
        return 0
    counted = last - first + 1 - size(within(seen.gone or (), first, last))
    read = sum(segment.messages for segment in segments)
    return max(0, counted - read)
