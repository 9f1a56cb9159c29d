"""Where a consumer stands, as each line of servers tells it: 2.10 and 2.12 say floor 0 of one that was just made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import field, frozen

from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import Connection
from secondsite.nats.jetstream import JetStream, Json
from secondsite.nats.options import ConnectOptions
from secondsite.nats.streams import StreamApi


@frozen
class Answering(JetStream):
    """Says one thing."""

    answer: Json = field(factory=dict)

    async def ask(
        self, subject: str, request: Json | None = None, timeout_s: float = 10.0, *, insist: bool = True
    ) -> Json:
        del subject, request, timeout_s, insist
        return self.answer


def info(delivered: tuple[int, int], floor: tuple[int, int]) -> dict[str, Any]:
    pairs = {"delivered": delivered, "ack_floor": floor}
    told = {key: dict(zip(("consumer_seq", "stream_seq"), pair, strict=True)) for key, pair in pairs.items()}
    return {"name": "w", "config": {"durable_name": "w"}, "num_pending": 10, "num_ack_pending": 4, **told}


@pytest.mark.parametrize(
    ("told", "floor"),
    [
        (info((0, 10), (0, 0)), 10),  # 2.10.26, 2.12.8: made with opt_start_seq 11
        (info((0, 10), (0, 10)), 10),  # 2.15.1
        (info((5, 15), (0, 0)), 0),  # delivered, and nothing acknowledged
        (info((5, 15), (3, 13)), 13),
    ],
)
def test_a_consumer_that_delivered_nothing_stands_where_it_begins(told: Json, floor: int) -> None:
    api = StreamApi(Answering(Connection(parse_addresses("nats://nowhere:4222"), ConnectOptions()), answer=told))
    state = asyncio.run(api.consumer("S", "w"))
    assert state
    assert (state.floor, state.pending, state.unacknowledged) == (floor, 10, 4)
