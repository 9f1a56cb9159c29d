"""Events into JetStream, behind the circuit breaker and its queue; what a client may be told of each.

``stored`` is the only outcome that is a write; ``queued`` is a promise; ``unknown`` may be either.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from attrs import define, frozen
from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError

from nats import errors
from secondsite.lab.breaker import Breaker, BreakerState
from secondsite.lab.fallback_queue import FallbackQueue, QueuedEvent
from secondsite.nats.streams import WRONG_LAST_SEQUENCE

PUBLISH_TIMEOUT_S = 2.0
_DRAIN_PAUSE_S = 0.2
_ASK_AGAIN_S = 1.0
_PROBE_S = 0.8
_NAMES = "$JS.API.STREAM.NAMES"
_ELSEWHERE = "no stream here accepts it: another region serves"


class PublishOutcome(StrEnum):
    STORED = "stored"
    QUEUED = "queued"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@frozen
class Published:
    outcome: PublishOutcome
    stream: str = ""
    sequence: int = 0
    duplicate: bool = False
    why: str = ""


@define
class Denials:
    """When the server said last that this login may not publish, as behind a shut write gate."""

    last_s: float = float("-inf")

    async def note(self, error: Exception) -> None:
        """What the client reports beside its calls; lost connections are counted by the breaker."""
        print(type(error).__name__, error, flush=True)
        if "permissions violation for publish" in str(error).lower():
            self.last_s = time.monotonic()


class Publisher:
    """With ``denials`` it promises nothing that its region may not write: a stream that is fenced, a mirror, a shut
    gate are no outage that passes, and what waits for their end would wait for ever. Without, it queues those too.
    """

    def __init__(
        self,
        client: Client,
        breaker: Breaker,
        queue: FallbackQueue,
        denials: Denials | None = None,
        probes: Sequence[str] = (),
    ) -> None:
        """``probes``: subjects by which to see whether their streams take writes."""
        self.client, self.breaker, self.queue, self.denials = client, breaker, queue, denials
        self._probes = tuple(probes)
        self.counted: Counter[PublishOutcome] = Counter()
        self._jetstream = client.jetstream(timeout=PUBLISH_TIMEOUT_S)

    @property
    def state(self) -> BreakerState:
        return self.breaker.state(time.monotonic())

    async def publish(self, event: QueuedEvent) -> Published:
        """Through to NATS while the breaker lets it, into the queue while it does not."""
        if self._denied_since(time.monotonic() - _ASK_AGAIN_S):
            result = Published(PublishOutcome.REFUSED, why=_ELSEWHERE)
        elif self.breaker.lets_through(time.monotonic()):
            result = await self._send(event)
        elif self.queue.put(event):
            result = Published(PublishOutcome.QUEUED)
        else:
            result = Published(PublishOutcome.REFUSED, why="the fallback queue is full")
        self.counted[result.outcome] += 1
        return result

    async def _send(self, event: QueuedEvent) -> Published:
        begun, headers = time.monotonic(), {"Nats-Msg-Id": event.id, "Lab-Key": event.key}
        if not self.client.is_connected:
            return self._failed(PublishOutcome.REFUSED, ConnectionError("not connected to NATS"))
        try:
            ack = await self._jetstream.publish(event.subject, event.data.encode(), headers=headers)
        except (NoStreamResponseError, APIError, errors.Error, TimeoutError, OSError) as error:
            return await self._not_stored(event, error, begun)
        self.breaker.succeeded(time.monotonic())
        return Published(PublishOutcome.STORED, ack.stream, ack.seq, bool(ack.duplicate))

    async def takes_writes(self) -> bool:
        """Asked by writes that no stream stores, as none has the sequence they expect; silence and a denial are no."""
        headers = {"Nats-Expected-Last-Sequence": str((1 << 63) - 1)}
        try:
            for subject in self._probes:
                answer = await self.client.request(subject, b"", timeout=_PROBE_S, headers=headers)
                if json.loads(answer.data).get("error", {}).get("err_code") not in WRONG_LAST_SEQUENCE:
                    return False
        except (errors.Error, TimeoutError, OSError, ValueError):
            return False
        return self.client.is_connected

    def _denied_since(self, begun_s: float) -> bool:
        return self.denials is not None and self.denials.last_s >= begun_s

    async def _nobodys(self, subject: str) -> bool:
        """Whether no stream has the subject; one that only has no leader still does."""
        request = json.dumps({"subject": subject}).encode()
        try:
            answer = json.loads((await self.client.request(_NAMES, request, timeout=PUBLISH_TIMEOUT_S)).data)
        except (errors.Error, TimeoutError, OSError, ValueError):
            return False
        return "error" not in answer and not answer.get("streams")

    async def _not_stored(self, event: QueuedEvent, error: Exception, begun_s: float) -> Published:
        missing = isinstance(error, NoStreamResponseError) and self.denials and await self._nobodys(event.subject)
        if self.denials and (missing or self._denied_since(begun_s)):
            self.denials.last_s = time.monotonic()
            return Published(PublishOutcome.REFUSED, why=_ELSEWHERE)
        known = isinstance(error, NoStreamResponseError | APIError)
        return self._failed(PublishOutcome.REFUSED if known else PublishOutcome.UNKNOWN, error)

    def _failed(self, outcome: PublishOutcome, error: Exception) -> Published:
        self.breaker.failed(time.monotonic())
        return Published(outcome, why=str(error) or type(error).__name__)

    async def drain(self) -> None:
        """For ever: publish what waits, in order, whenever the breaker lets it."""
        while True:
            event = self.queue.head
            if event is None or not self.breaker.lets_through(time.monotonic()):
                await asyncio.sleep(_DRAIN_PAUSE_S)
            elif (await self._send(event)).outcome is PublishOutcome.STORED:
                self.queue.published(event)
            else:
                await asyncio.sleep(_DRAIN_PAUSE_S)
