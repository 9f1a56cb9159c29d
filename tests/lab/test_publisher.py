"""What the API promises on real servers where its region may not write: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from region_pair import HOME, Pair

from secondsite.lab.breaker import Breaker
from secondsite.lab.fallback_queue import FallbackQueue, QueuedEvent
from secondsite.lab.publisher import Denials, Publisher, PublishOutcome
from secondsite.operate.gate import write_gate_file
from secondsite.strategies.write_gate import gate_file

pytestmark = pytest.mark.slow
TRIES = 6


@pytest.fixture
def shut(tmp_path: Path) -> Iterator[Pair]:
    """A region behind a gate that is shut for ``e.shut``."""
    pair = Pair(tmp_path, gate_file(HOME))
    write_gate_file(tmp_path / gate_file(HOME), ("e.shut",), is_open=False)
    try:
        pair.start(HOME)
        yield pair
    finally:
        pair.kill(HOME)


def _outcomes(pair: Pair, subject: str, denials: Denials | None) -> list[PublishOutcome]:
    async def run() -> list[PublishOutcome]:
        client = Client()
        on_error = denials.note if denials else _ignored
        await client.connect(pair.url(HOME), error_cb=on_error)
        try:
            streams = client.jetstream()
            await streams.add_stream(name="E", subjects=["e.shut", "e.open"])
            publisher = Publisher(client, Breaker(3, 30.0, 3), FallbackQueue(10), denials)
            return [(await publisher.publish(QueuedEvent(str(n), subject, "k", ""))).outcome for n in range(TRIES)]
        finally:
            await client.close()

    return asyncio.run(run())


async def _ignored(error: Exception) -> None:
    del error


def test_it_refuses_what_no_stream_takes(shut: Pair) -> None:
    """As after a fence, or in a region whose stream is a mirror."""
    assert _outcomes(shut, "e.elsewhere", Denials()) == [PublishOutcome.REFUSED] * TRIES
    assert _outcomes(shut, "e.elsewhere", None)[-1] is PublishOutcome.QUEUED


def test_it_refuses_behind_a_shut_gate_and_nothing_else(shut: Pair) -> None:
    assert _outcomes(shut, "e.shut", Denials()) == [PublishOutcome.REFUSED] * TRIES
    assert _outcomes(shut, "e.open", Denials()) == [PublishOutcome.STORED] * TRIES
