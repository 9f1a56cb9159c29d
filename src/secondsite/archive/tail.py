"""Reads what is new of a stream, byte for byte as it is stored, without leaving a trace in it.

Streams with limits are read by a consumer that acknowledges nothing, is kept in memory by one server, and goes by
itself; it is asked for so many bytes at a time, so neither side holds more. A work queue allows no such consumer, and
on an interest stream it would hold messages back: these are read message by message, which needs no meta leader either.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator

from attrs import define, field
from nats.aio.subscription import Subscription

from nats import errors
from secondsite.archive.entries import EntryRun, delivery, nanoseconds
from secondsite.backup.archive import entry
from secondsite.model.errors import MachineError
from secondsite.model.jetstream_config import ARCHIVERS
from secondsite.nats.jetstream import JetStream, Json, RefusedError
from secondsite.nats.streams import NO_MESSAGE

BATCH = 50_000
BATCH_BYTES = 8 * 1024**2
LASTS_S = 50.0
SILENCE_S = 5.0
_NO_RESPONDERS = "503"
_HEARD_WITHIN_S, _AGAIN_AFTER_S = 1.0, 0.02
WINDOW = 64
_EMPTY_BATCHES = 3
_TAKEN = (10013, 10148)
"""A consumer of that name, and of that name with another configuration, exists already."""


class TailCutError(MachineError):
    """Reading broke off; what came before counts, and the rest may come when it is tried again."""


@define
class Tail:
    """One stream from a sequence on. ``through``: what is there up to it was handed on."""

    jetstream: JetStream
    stream: str
    through: int
    consumer: str = ""
    _expected: int = 0
    _subscription: Subscription | None = None
    _run: EntryRun = field(factory=EntryRun)
    _full: deque[EntryRun] = field(factory=deque)
    _limit: int = 2**63
    _came: asyncio.Event = field(factory=asyncio.Event)
    _ended: bool = False
    _broken: str = ""
    _pending: int = -1
    _inbox: str = ""
    _asked: int = 0
    _in_batch: int = 0
    _asked_s: float = 0.0

    @property
    def stale(self) -> bool:
        """Whether its consumer may have gone by itself since it was last asked."""
        return time.monotonic() - self._asked_s > LASTS_S / 2

    async def runs(self, upto: int, limit_bytes: int) -> AsyncIterator[EntryRun]:
        """What is there up to ``upto``, and a little more, in runs of about ``limit_bytes``. Raises TailCutError.

        It ends early where the consumer has no more and the stream's leader has: then it is at a replica that lags.
        """
        self._limit, empty = limit_bytes, 0
        while True:
            while self._full:
                yield self._full.popleft()
            if self.through >= upto:
                break
            await self._batch()
            if self._broken:
                raise _cut(self.jetstream, self.stream, self._broken)
            if self._pending == 0 and not self._in_batch:
                following = await _message(self.jetstream, self.stream, _after(self.through))
                if following and int(following["seq"]) <= upto:
                    break
                self.through = max(self.through, upto)
            elif not self._in_batch and (empty := empty + 1) > _EMPTY_BATCHES:
                raise _cut(self.jetstream, self.stream, "it should have more, but nothing arrives")
        if self._run.messages:
            run, self._run = self._run, EntryRun()
            yield run

    async def open(self) -> None:
        """Raises MachineError where no consumer can be made."""
        config = {
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.through + 1,
            "inactive_threshold": int(LASTS_S * 1e9),
            "mem_storage": True,
            "num_replicas": 1,
        }
        name = await self._create(config)
        client = self.jetstream.connection.client
        self._inbox = client.new_inbox()
        self._subscription = await client.subscribe(f"{self._inbox}.*")
        client.taps[self._subscription._id] = self._take
        self.consumer, self._expected, self._asked_s = name, 1, time.monotonic()

    async def _create(self, config: Json) -> str:
        """Under the first name that nobody reads by now."""
        spare = ""
        for name in random.sample(ARCHIVERS, len(ARCHIVERS)):
            asked = {"stream_name": self.stream, "config": {**config, "name": name}, "action": "create"}
            try:
                made = await self.jetstream.ask(f"CONSUMER.CREATE.{self.stream}.{name}", asked)
            except RefusedError as refused:
                if refused.code not in _TAKEN:
                    raise
                taken = refused
                continue
            if not _read_before(made):
                return name
            spare = name
        if not spare:
            raise taken
        return spare

    def _take(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        """Called for every message, so it does little."""
        if not reply.startswith(b"$JS.ACK."):
            if subject.endswith(b".%d" % self._asked):
                self._ended = True
                status = headers[9:12]
                if status not in (b"404", b"408") and b"Batch Completed" not in headers and b"MaxBytes" not in headers:
                    self._broken = headers[9:80].decode(errors="replace").split("\r")[0] or "an empty answer"
                if status == b"404":
                    self._pending = 0
            self._came.set()
            return
        try:
            number, sequence, time_ns, pending = delivery(reply)
        except ValueError:
            self._broken = "a message without its position"
            self._came.set()
            return
        if number != self._expected:
            self._broken = f"message {self._expected} of the delivery was lost"
            self._came.set()
            return
        self._expected += 1
        self.through, self._pending = sequence, pending
        run = self._run
        run.add(entry(subject, time_ns, sequence, headers, payload), sequence, time_ns)
        self._in_batch += 1
        if len(run.plain) >= self._limit:
            self._full.append(run)
            self._run = EntryRun()
        if not pending or self._in_batch >= BATCH:
            self._came.set()

    async def _batch(self) -> None:
        """Ask for some, and wait until they came; again where a server has not heard of the consumer yet."""
        end = time.monotonic() + _HEARD_WITHIN_S
        while True:
            await self._asked_for()
            if not self._broken.startswith(_NO_RESPONDERS) or time.monotonic() > end:
                return
            await asyncio.sleep(_AGAIN_AFTER_S)
            self._broken = ""

    async def _asked_for(self) -> None:
        client = self.jetstream.connection.client
        self._asked, self._asked_s = self._asked + 1, time.monotonic()
        self._ended, self._in_batch = False, 0
        bound = max(BATCH_BYTES, client.max_payload + 64 * 1024)
        request = {"batch": BATCH, "max_bytes": bound, "no_wait": True}
        try:
            await client.publish(
                f"{self.jetstream.prefix}.CONSUMER.MSG.NEXT.{self.stream}.{self.consumer}",
                json.dumps(request).encode(),
                reply=f"{self._inbox}.{self._asked}",
            )
            while not self._whole():
                self._came.clear()
                before = self._expected
                try:
                    async with asyncio.timeout(SILENCE_S):
                        await self._came.wait()
                except TimeoutError:
                    if before == self._expected:
                        self._broken = f"nothing came for {SILENCE_S:g} s"
                if client.is_closed:
                    self._broken = "the connection closed"
        except (errors.Error, OSError) as error:
            self._broken = f"the connection failed ({type(error).__name__})"

    def _whole(self) -> bool:
        return (
            bool(self._broken) or self._ended or self._in_batch >= BATCH or (self._in_batch > 0 and not self._pending)
        )

    async def close(self) -> None:
        """Best effort: it goes by itself."""
        if self._subscription is None:
            return
        client = self.jetstream.connection.client
        client.taps.pop(self._subscription._id, None)
        try:
            if not client.is_closed:
                await self._subscription.unsubscribe()
                await self.jetstream.ask(f"CONSUMER.DELETE.{self.stream}.{self.consumer}", timeout_s=2)
        except (MachineError, errors.Error, OSError):
            pass
        self._subscription, self.consumer = None, ""


async def message_runs(
    jetstream: JetStream, stream: str, first: int, upto: int, limit_bytes: int
) -> AsyncIterator[EntryRun]:
    """The same, one message at a time from the stream's leader."""
    run, at = EntryRun(), first
    while at <= upto:
        end = min(at + WINDOW, upto + 1)
        answers = await asyncio.gather(*(_message(jetstream, stream, {"seq": number}) for number in range(at, end)))
        messages = [message for message in answers if message]
        for message in messages:
            run.add(*_entry(message))
        at = end
        if not messages and at <= upto:
            following = await _message(jetstream, stream, _after(at - 1))
            at = min(int(following["seq"]), upto + 1) if following else upto + 1
        if len(run.plain) >= limit_bytes:
            full, run = run, EntryRun()
            yield full
    if run.messages:
        yield run


def _read_before(info: Json) -> bool:
    """A server takes one like it for the same: of an archiver that was killed, which had read from here too."""
    return bool((info.get("delivered") or {}).get("consumer_seq"))


def _after(sequence: int) -> Json:
    """Asks for the first message behind a sequence."""
    return {"seq": sequence + 1, "next_by_subj": ">"}


async def _message(jetstream: JetStream, stream: str, request: Json) -> Json | None:
    try:
        message: Json = (await jetstream.ask(f"STREAM.MSG.GET.{stream}", request))["message"]
    except RefusedError as refused:
        if refused.code == NO_MESSAGE:
            return None
        raise
    return message


def _entry(message: Json) -> tuple[bytes, int, int]:
    sequence, time_ns = int(message["seq"]), nanoseconds(str(message["time"]))
    headers, payload = base64.b64decode(message.get("hdrs") or ""), base64.b64decode(message.get("data") or "")
    return entry(str(message["subject"]).encode(), time_ns, sequence, headers, payload), sequence, time_ns


async def time_of(jetstream: JetStream, stream: str, sequence: int) -> int | None:
    """When a message was stored; None where it is gone."""
    message = await _message(jetstream, stream, {"seq": sequence})
    return nanoseconds(str(message["time"])) if message else None


def _cut(jetstream: JetStream, stream: str, why: str) -> Exception:
    remedy = "check whether the stream lost its leader; it will be retried"
    return TailCutError.at(jetstream.shown, f"reading {stream} was cut: {why}", remedy)
