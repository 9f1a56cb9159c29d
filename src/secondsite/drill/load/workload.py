"""A client process of a drill, outside every region: ``python -m secondsite.drill.load.workload --config FILE``.

An open loop: arrivals come at their rate whether or not earlier ones were answered, as users do. Every intent is
in the ledger before its first byte leaves, every outcome as it comes; a timeout is unknown, never a failure; a
retry carries the same message id. SIGTERM ends the arrivals, lets what is in progress end, and leaves a summary. A
ledger that cannot be written ends the process at once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from secondsite.drill.ledger.ledger import Ledger, LedgerHeader
from secondsite.drill.ledger.payload import payload
from secondsite.drill.ledger.record import endpoint
from secondsite.drill.load.client_config import (
    ClientConfig,
    HttpTarget,
    NatsTarget,
    PathTarget,
    PostgresTarget,
    QdrantTarget,
    RedisTarget,
    load_config,
)
from secondsite.drill.load.private import private
from secondsite.drill.load.sending import Attempt, Sender, Write
from secondsite.drill.load.tally import Summary, Tally
from secondsite.model.errors import MachineError, SecondsiteError
from secondsite.nats.tasks import end_tasks

_LONGEST_SLEEP_S = 0.1


@define
class StopSignal:
    """Asked for once; the first reason stays. It can be asked for before there is a client."""

    event: asyncio.Event = field(factory=asyncio.Event)
    why: str = ""

    def ask(self, why: str) -> None:
        self.why = self.why or why
        self.event.set()


class LoadClient:
    """``sender`` is what tests replace."""

    def __init__(self, config: ClientConfig, ledger: Ledger, sender: Sender, stop: StopSignal) -> None:
        self._config, self._ledger, self._sender = config, ledger, sender
        self._random = random.Random(f"{config.seed}/{config.client}")
        self._stop = stop
        self._under_way: set[asyncio.Task[None]] = set()
        self._fatal: MachineError | None = None
        self.tally = Tally()

    async def run(self) -> Summary:
        """Raises MachineError when the ledger could not be written."""
        opening = asyncio.ensure_future(self._sender.open())
        await asyncio.wait(
            {opening, asyncio.ensure_future(self._stop.event.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        begin = time.monotonic()
        if opening.done():
            opening.result()
            await self._arrivals()
        seconds = time.monotonic() - begin
        unfinished = await self._drain()
        opening.cancel()
        await self._sender.close()
        if self._fatal:
            raise self._fatal
        return self.tally.summary(self._config.client, seconds, unfinished, self._stop.why)

    async def _arrivals(self) -> None:
        """Due times come from the start and the rate alone: a late one delays none after it."""
        begin, rate = time.monotonic(), self._config.rate_per_s
        while not self._stop.event.is_set():
            due_s = self.tally.arrivals / rate
            wait_s = begin + due_s - time.monotonic()
            await asyncio.sleep(min(max(wait_s, 0.0), _LONGEST_SLEEP_S))
            if wait_s > 0:
                continue
            if self._config.duration_s and due_s >= self._config.duration_s:
                self._stop.ask("duration")
            else:
                self.tally.late_s = max(self.tally.late_s, -wait_s)
                self._arrive()

    def _arrive(self) -> None:
        self.tally.arrivals += 1
        if len(self._under_way) >= self._config.max_in_flight:
            self.tally.withheld += 1
            return
        task = asyncio.ensure_future(self._write())
        self._under_way.add(task)
        self.tally.most_in_flight = max(self.tally.most_in_flight, len(self._under_way))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, MachineError):
            self._fatal = self._fatal or error
            self._stop.ask("ledger")
        elif error is not None:
            raise error

    async def _write(self) -> None:
        config = self._config
        stream, key = self._random.choice(config.written), self._random.randrange(config.keys)
        user = self._random.randrange(1 << 16)
        sequence = self._ledger.intend(stream, key, config.payload_bytes)
        message = self._message(stream, key, sequence)
        for attempt in range(config.retries + 1):
            if attempt:
                await asyncio.sleep(config.retry_pause_s * 2 ** (attempt - 1))
                if self._stop.event.is_set():
                    return
                self._ledger.retry(sequence, stream, key, config.payload_bytes, attempt)
            begin = time.monotonic()
            answer = await self._sender.send(message, user)
            self._note(sequence, stream, key, attempt, answer)
            self.tally.took(answer.status, time.monotonic() - begin, answer.why)
            if answer.status.acknowledged:
                return

    def _message(self, stream: int, key: int, sequence: int) -> Write:
        header = self._ledger.header
        text = header.message_id(sequence)
        data = payload(text, self._config.payload_bytes)
        return Write(text, header.subject(stream, key), str(key), data)

    def _note(self, sequence: int, stream: int, key: int, attempt: int, answer: Attempt) -> None:
        self._ledger.outcome(
            sequence,
            stream,
            key,
            answer.status,
            stream_sequence=answer.stream_sequence,
            attempt=attempt,
            endpoint=endpoint(answer.address),
        )

    async def _drain(self) -> int:
        """How many were still under way at the end; their fate is unknown, as their ledger says."""
        if self._under_way and not self._fatal:
            await asyncio.wait(self._under_way, timeout=self._config.drain_s)
        left = list(self._under_way)
        await end_tasks(*left)
        return len(left)


def sender_of(config: ClientConfig) -> Sender:
    if isinstance(config.target, HttpTarget):
        from secondsite.drill.load.http_sender import HttpSender

        return HttpSender(config.target, config.client * config.target.users, config.timeout_s)
    if isinstance(config.target, PathTarget):
        from secondsite.drill.load.path_sender import PathSender

        return PathSender(config.target, config.client * config.target.users, config.timeout_s, private("headers"))
    if isinstance(config.target, NatsTarget):
        return _nats_sender(config, config.target)
    return _store_sender(config.target, config.timeout_s)


def _nats_sender(config: ClientConfig, target: NatsTarget) -> Sender:
    if all(config.streams[number].objects for number in config.written):
        from secondsite.drill.load.object_sender import ObjectSender

        return ObjectSender(target, config.timeout_s)
    from secondsite.drill.load.nats_sender import NatsSender

    return NatsSender(target, config.timeout_s, private("login"))


def _store_sender(target: PostgresTarget | RedisTarget | QdrantTarget, timeout_s: float) -> Sender:
    if isinstance(target, PostgresTarget):
        from secondsite.drill.load.postgres_sender import PostgresSender

        return PostgresSender(target, timeout_s)
    if isinstance(target, RedisTarget):
        from secondsite.drill.load.redis_sender import RedisSender

        return RedisSender(target, timeout_s)
    from secondsite.drill.load.qdrant_sender import QdrantSender

    return QdrantSender(target, timeout_s)


async def run_client(config: ClientConfig) -> Summary:
    """The ledger's file says that the process is ready: from then on a SIGTERM ends it in good order."""
    stop = StopSignal()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.ask, number.name)
    sender = sender_of(config)
    with Ledger.create(config.ledger, LedgerHeader(config.run, config.client, config.streams)) as ledger:
        summary = await LoadClient(config, ledger, sender, stop).run()
    summary.save(config.summary)
    return summary


def main() -> int:
    parser = argparse.ArgumentParser(prog="secondsite.drill.load.workload")
    parser.add_argument("--config", type=Path, required=True)
    with suppress(ImportError):
        import uvloop

        uvloop.install()
    try:
        asyncio.run(run_client(load_config(parser.parse_args().config)))
    except SecondsiteError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
