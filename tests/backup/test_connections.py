"""One connection after the other: used again where nothing failed on it, by one at a time, and closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats_world import run

from secondsite.backup.persist import Connections, persistently
from secondsite.backup.progress import Silent
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.place import NatsPlace


class Place:
    """A fake of where servers are: it counts who is logged in."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.open_now = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        one = SimpleNamespace(connection=SimpleNamespace(client=SimpleNamespace(is_connected=True)))
        self.made.append(one)
        self.open_now += 1
        try:
            yield one
        finally:
            self.open_now -= 1


async def work(connections: Connections, *, fails: bool = False) -> JetStream:
    async with connections.open() as jetstream:
        await asyncio.sleep(0)
        if fails:
            raise MachineError.at("nats://here", "the connection closed", "check the network")
        return jetstream


async def each_time(place: Place, *, at_once: int = 1, fails: bool = False, lost: bool = False) -> None:
    async with Connections(cast(NatsPlace, place)) as connections:
        for _ in range(5):
            with suppress(MachineError):
                await asyncio.gather(*(work(connections, fails=fails) for _ in range(at_once)))
            for one in place.made if lost else ():
                one.connection.client.is_connected = False
        assert place.open_now <= at_once


@pytest.mark.parametrize(
    ("how", "logins"),
    [({}, 1), ({"at_once": 2}, 2), ({"fails": True}, 5), ({"lost": True}, 5)],
)
def test_one_that_is_good_is_used_again(how: dict[str, Any], logins: int) -> None:
    place = Place()
    run(each_time(place, **how))
    assert (len(place.made), place.open_now) == (logins, 0)


def test_another_try_is_made_on_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondsite.backup.persist.FIRST_WAIT_S", 0)
    place = Place()
    seen: list[Any] = []

    async def once(jetstream: JetStream, attempt: int) -> int:
        seen.append(jetstream)
        if attempt == 1:
            raise MachineError.at("nats://here", "the connection closed", "check the network")
        return attempt

    async def twice() -> int:
        async with Connections(cast(NatsPlace, place)) as connections:
            await work(connections)
            return await persistently(connections, "S", 3, Silent(), once)

    assert run(twice()) == 2
    assert seen == place.made
    assert len(seen) == 2
