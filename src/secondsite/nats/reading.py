"""Reads what a stream holds between two sequences, in order, by a pull consumer of its own.

Batches are asked for ahead, so that neither the distance to the server nor the number of messages is waited for one by
one, and no more than those batches is in memory. A message that was lost in transit is missed by its number. A consumer
lives on one server: where that one leaves, or reads its configuration anew, another goes on behind the last message.
Only for streams that are kept by limits: in others a consumer is a reason to keep or to remove a message.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.bulk import give_back, take_in_bulk
from secondsite.nats.jetstream import JetStream, NoAnswerError
from secondsite.nats.stored import StoredMessage, parse_headers

READER = "secondsite-reads-"
BATCH, AHEAD = 2000, 6
SILENCE_S = 10.0
# Without a message: a leader that was killed is replaced in 4 to 9 s (measured).
GO_ON_FOR_S = 15.0
_GO_ON_AFTER_S = 0.1
_BATCH_BYTES = 2 * 1024**2
_ROOM = (AHEAD - 1) * BATCH
_NANOSECONDS = 1_000_000_000
_IDLE_S = 300
_SIZE = "Nats-Msg-Size"
_FULL, _WHOLE = "Message Size Exceeds MaxBytes", "Batch Completed"


async def pulled_messages(
    jetstream: JetStream, stream: str, first: int, last: int, *, bodies: bool = True
) -> AsyncGenerator[StoredMessage]:
    """Without ``bodies``: subjects and headers only. Raises RefusedError where the stream wants no such consumer."""
    give_up = time.monotonic() + GO_ON_FOR_S
    while first <= last:
        try:
            async with aclosing(_read(jetstream, stream, first, last, bodies=bodies)) as messages:
                async for message in messages:
                    first = message.sequence + 1
                    yield message
                    give_up = time.monotonic() + GO_ON_FOR_S
        except (ReadingCutError, NoAnswerError):
            if time.monotonic() > give_up:
                raise
        else:
            return
        await asyncio.sleep(_GO_ON_AFTER_S)


class ReadingCutError(MachineError):
    """What comes next is not known; all before it was given."""


async def _read(
    jetstream: JetStream, stream: str, first: int, last: int, *, bodies: bool
) -> AsyncGenerator[StoredMessage]:
    """By one consumer."""
    reader = _Reader(jetstream, stream)
    pending = await reader.begin(first, bodies=bodies)
    try:
        while pending:
            message, pending = await reader.next()
            if message.sequence > last:
                return
            yield message
            if message.sequence == last:
                return
    finally:
        await reader.end()


class _Reader:
    def __init__(self, jetstream: JetStream, stream: str) -> None:
        self._jetstream, self._stream = jetstream, stream
        self._name = f"{READER}{secrets.token_hex(6)}"
        self._client = jetstream.connection.client
        self._inbox = self._client.new_inbox()
        self._inbox_bytes = self._inbox.encode()
        self._bodies = True
        self._batch_bytes = _BATCH_BYTES + self._client.max_payload
        self._arrived: deque[tuple[StoredMessage, int]] = deque()
        self._news = asyncio.Event()
        self._asked = 0
        self._delivered = 0
        self._why = ""
        self._second, self._shown_second = -1, ""

    async def begin(self, first: int, *, bodies: bool) -> int:
        """How many there are from there on."""
        self._bodies = bodies
        config = {
            "name": self._name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": max(first, 1),
            "inactive_threshold": _IDLE_S * _NANOSECONDS,
            "mem_storage": True,
            "num_replicas": 1,
            "headers_only": not bodies,
        }
        request = {"stream_name": self._stream, "config": config}
        made = await self._jetstream.ask(f"CONSUMER.CREATE.{self._stream}.{self._name}", request)
        self._subscription = await self._client.subscribe(f"{self._inbox}.*")
        take_in_bulk(self._client, self._subscription, self._take)
        return int(made.get("num_pending", 0))

    async def end(self) -> None:
        give_back(self._client, self._subscription)
        with suppress(errors.Error, OSError):
            await self._subscription.unsubscribe()
        with suppress(MachineError):
            await self._jetstream.ask(f"CONSUMER.DELETE.{self._stream}.{self._name}", timeout_s=2)

    async def next(self) -> tuple[StoredMessage, int]:
        """A message, and how many come after it."""
        while not self._arrived:
            if self._why:
                raise self._cut(self._why)
            await self._ask()
            self._news.clear()
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._news.wait()
            except TimeoutError:
                raise self._cut(f"no message for {SILENCE_S:g} s") from None
        message = self._arrived.popleft()
        if self._asked + len(self._arrived) == _ROOM:
            await self._ask()
        return message

    async def _ask(self) -> None:
        """Whole batches, as soon as there is room for one."""
        while self._asked + len(self._arrived) <= _ROOM:
            request = {"batch": BATCH, "max_bytes": self._batch_bytes, "expires": 60 * _NANOSECONDS}
            subject = f"{self._jetstream.prefix}.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"
            try:
                await self._client.publish(subject, json.dumps(request).encode(), reply=f"{self._inbox}.r")
            except (errors.Error, OSError):
                raise self._cut("the connection closed") from None
            self._asked += BATCH

    def _take(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        if subject.startswith(self._inbox_bytes):
            self._status(headers)
        elif not self._why:
            self._asked -= 1
            self._store(subject, reply, headers, data)
        if not self._news.is_set():
            self._news.set()

    def _status(self, raw: bytes) -> None:
        """A batch that ended before it was full: its rest is not on its way any more."""
        status = raw.partition(b"\r\n")[0].decode().removeprefix("NATS/1.0").strip()
        rest = int(parse_headers(raw).get("Nats-Pending-Messages") or 0)
        self._asked -= rest
        if status.startswith("408") or status.endswith(_WHOLE) or (status.endswith(_FULL) and rest < BATCH):
            return
        self._why = f"the server ended it with {status}"

    def _store(self, subject: bytes, reply: bytes, raw: bytes, data: bytes) -> None:
        """Of ``$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.delivered.time.pending[.token]``."""
        tokens = reply.split(b".")
        at = 5 if len(tokens) == 9 else 7
        self._delivered += 1
        if int(tokens[at + 1]) != self._delivered:
            self._why = f"message {self._delivered} was lost in transit"
            return
        headers = parse_headers(raw) if raw else {}
        if not self._bodies:
            headers.pop(_SIZE, None)
        shown = self._shown(int(tokens[at + 2]))
        stored = StoredMessage(int(tokens[at]), subject.decode(), headers, data, shown)
        self._arrived.append((stored, int(tokens[at + 3])))

    def _shown(self, time_ns: int) -> str:
        """RFC 3339 with as many digits as are needed, as servers write it."""
        second, rest = divmod(time_ns, _NANOSECONDS)
        if second != self._second:
            self._second = second
            self._shown_second = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._shown_second}{f'.{rest:09}'.rstrip('0') if rest else ''}Z"

    def _cut(self, why: str) -> ReadingCutError:
        remedy = "check whether the stream lost its leader, then run again"
        return ReadingCutError.at(self._jetstream.shown, f"reading {self._stream} was cut: {why}", remedy)
