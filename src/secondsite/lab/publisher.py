"""Events into JetStream, behind the circuit breaker and its queue; what a client may be told of each.

``stored`` is the only outcome that is a write; ``queued`` is a promise; ``unknown`` may be either.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from enum import StrEnum

from attrs import frozen
from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError

from nats import errors
from secondsite.lab.breaker import Breaker, State
from secondsite.lab.fallback_queue import Event, FallbackQueue

PUBLISH_TIMEOUT_S = 2.0
_DRAIN_PAUSE_S = 0.2


class Outcome(StrEnum):
    STORED = "stored"
    QUEUED = "queued"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@frozen
class Published:
    outcome: Outcome
    stream: str = ""
    sequence: int = 0
    duplicate: bool = False
    why: str = ""


class Publisher:
    def __init__(self, client: Client, breaker: Breaker, queue: FallbackQueue) -> None:
        self.client, self.breaker, self.queue = client, breaker, queue
        self.counted: Counter[Outcome] = Counter()
        self._jetstream = client.jetstream(timeout=PUBLISH_TIMEOUT_S)

    @property
    def state(self) -> State:
        return self.breaker.state(time.monotonic())

    async def publish(self, event: Event) -> Published:
        """Through to NATS while the breaker lets it, into the queue while it does not."""
        if self.breaker.lets_through(time.monotonic()):
            result = await self._send(event)
        elif self.queue.put(event):
            result = Published(Outcome.QUEUED)
        else:
            result = Published(Outcome.REFUSED, why="the fallback queue is full")
        self.counted[result.outcome] += 1
        return result

    async def _send(self, event: Event) -> Published:
        headers = {"Nats-Msg-Id": event.id, "Lab-Key": event.key}
        if not self.client.is_connected:
            return self._failed(Outcome.REFUSED, ConnectionError("not connected to NATS"))
        try:
            ack = await self._jetstream.publish(event.subject, event.data.encode(), headers=headers)
        except (NoStreamResponseError, APIError) as error:
            return self._failed(Outcome.REFUSED, error)
        except (errors.Error, TimeoutError, OSError) as error:
            return self._failed(Outcome.UNKNOWN, error)
        self.breaker.succeeded(time.monotonic())
        return Published(Outcome.STORED, ack.stream, ack.seq, bool(ack.duplicate))

    def _failed(self, outcome: Outcome, error: Exception) -> Published:
        self.breaker.failed(time.monotonic())
        return Published(outcome, why=str(error) or type(error).__name__)

    async def drain(self) -> None:
        """For ever: publish what waits, in order, whenever the breaker lets it."""
        while True:
            event = self.queue.head
            if event is None or not self.breaker.lets_through(time.monotonic()):
                await asyncio.sleep(_DRAIN_PAUSE_S)
            elif (await self._send(event)).outcome is Outcome.STORED:
                self.queue.published(event)
            else:
                await asyncio.sleep(_DRAIN_PAUSE_S)
