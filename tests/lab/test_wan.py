"""The links between regions, with plain sockets on both ends: what passes, when, and how much."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from secondsite.lab.supervisor import Spec, Supervisor, port_open, python
from secondsite.lab.wan import Wan
from secondsite.model.endpoint import Endpoint

pytestmark = pytest.mark.slow

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def link(tmp_path: Path, **settings: float) -> AsyncIterator[tuple[Wan, Callable[[], Awaitable[Streams]]]]:
    """East dials west, which echoes. Yields the WAN and a way to connect."""
    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    near, control = free_port(), Endpoint("127.0.0.1", free_port())
    settings = {"delay_ms": 0.0, "jitter_ms": 0.0, "rate_bytes_per_s": 0.0} | settings
    config = {
        "seed": 1,
        "control": [control.host, control.port],
        "links": [{"source": a, "target": b, **settings} for a, b in (("east", "west"), ("west", "east"))],
        "listeners": [
            {"source": "east", "target": "west", "at": ["127.0.0.1", near], "to": list(far.sockets[0].getsockname())}
        ],
    }
    (tmp_path / "wan.json").write_text(json.dumps(config))
    supervisor = Supervisor(tmp_path / "logs")
    command = tuple(python("secondsite.lab.wan_process", str(tmp_path / "wan.json")))
    try:
        await supervisor.start(Spec("wan", command, ready=lambda: port_open(control.host, control.port)))
        yield Wan(control), lambda: asyncio.open_connection("127.0.0.1", near)
    finally:
        supervisor.close()
        far.close()
        await far.wait_closed()
        await asyncio.sleep(0.05)  # the far ends notice


async def said_back(streams: Streams, text: bytes, within_s: float = 20.0) -> float:
    """How long until the far side said the same, in seconds."""
    begin = time.monotonic()
    streams[1].write(text)
    async with asyncio.timeout(within_s):
        assert await streams[0].readexactly(len(text)) == text
    return time.monotonic() - begin


async def nothing_back(streams: Streams, text: bytes) -> None:
    with pytest.raises(TimeoutError):
        await said_back(streams, text, within_s=0.3)


def test_delay_each_way(tmp_path: Path) -> None:
    async def run() -> None:
        async with link(tmp_path, delay_ms=40.0) as (wan, connect):
            streams = await connect()
            await said_back(streams, b"warm")
            slow = [await said_back(streams, b"hello") for _ in range(3)]
            await wan.set("east", "west", delay_ms=10.0)
            quick = [await said_back(streams, b"hello") for _ in range(3)]
            assert min(slow) >= 0.080
            assert 0.020 <= min(quick) < min(slow)
            await closed(streams[1])

    asyncio.run(run())


def test_rate_and_what_is_counted(tmp_path: Path) -> None:
    async def run() -> None:
        async with link(tmp_path, rate_bytes_per_s=1_000_000.0) as (wan, connect):
            streams = await connect()
            took_s = await said_back(streams, b"x" * 500_000, within_s=20.0)
            assert took_s >= 0.5, "half a second each way, overlapping"
            carried = {(each.source, each.target): each.bytes for each in await wan.carried()}
            assert carried == {("east", "west"): 500_000, ("west", "east"): 500_000}
            assert await wan.bytes_between("west", "east") == 1_000_000
            await closed(streams[1])

    asyncio.run(run())


def test_a_cut_holds_what_is_sent_and_loses_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with link(tmp_path) as (wan, connect):
            streams = await connect()
            await said_back(streams, b"warm")
            await wan.cut("east", "west")
            await nothing_back(streams, b"held")
            dialled = await connect()
            await nothing_back(dialled, b"new")
            await wan.heal("east", "west")
            assert await asyncio.wait_for(streams[0].readexactly(4), 2) == b"held"
            assert await asyncio.wait_for(dialled[0].readexactly(3), 2) == b"new"
            for each in (streams, dialled):
                await closed(each[1])

    asyncio.run(run())


def test_a_cut_of_one_way(tmp_path: Path) -> None:
    async def run() -> None:
        async with link(tmp_path) as (wan, connect):
            streams = await connect()
            await said_back(streams, b"warm")
            await wan.cut("west", "east", one_way=True)
            await nothing_back(streams, b"there")
            carried = {(each.source, each.target): each.bytes for each in await wan.carried()}
            assert carried["east", "west"] == 9, "the way there is open"
            assert carried["west", "east"] == 9, "what the far side answered waits in the link"
            await wan.heal("east", "west")
            assert await asyncio.wait_for(streams[0].readexactly(5), 2) == b"there"
            await closed(streams[1])

    asyncio.run(run())


def test_reset_refuse_and_loss_end_connections(tmp_path: Path) -> None:
    async def run() -> None:
        async with link(tmp_path, delay_ms=200.0) as (wan, connect):
            streams = await connect()
            await said_back(streams, b"warm")
            streams[1].write(b"under way")
            await asyncio.sleep(0.05)
            await wan.lose("west")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await streams[0].readexactly(1)
            await wan.cut("east", "west", refuse=True)
            refused = await connect()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await refused[0].readexactly(1)
            await wan.heal("east", "west")
            again = await connect()
            await said_back(again, b"hello")
            for each in (streams, refused, again):
                await closed(each[1])

    asyncio.run(run())


def test_same_seed_same_jitter() -> None:
    from secondsite.lab.wan_process import WanDirection

    async def draw(seed: int) -> list[float]:
        direction = WanDirection("east", "west", seed)
        direction.apply({"delay_ms": 40, "jitter_ms": 4})
        return [direction.due(100.0, 10) for _ in range(50)]

    drawn = asyncio.run(draw(7))
    assert drawn == asyncio.run(draw(7))
    assert drawn != asyncio.run(draw(8))
    assert all(100.040 <= each <= 100.044 for each in drawn)
