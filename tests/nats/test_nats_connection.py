"""A connection that is given up half way leaves nothing open behind."""

from __future__ import annotations

import asyncio
import gc

import pytest

from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import HungUpError, connect
from secondsite.nats.options import ConnectOptions

INFO = b'INFO {"server_id":"x","max_payload":1048576}\r\n'


def test_one_that_greets_and_has_no_time_for_us_is_no_wrong_address() -> None:
    """Nobody is sent to firewalls and ports in an incident: whoever greeted is there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        while await reader.read(1024):
            pass
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(HungUpError) as error:
                async with connect(parse_addresses(f"nats://127.0.0.1:{port}"), ConnectOptions(timeout_s=0.1)):
                    pass
        (problem,) = error.value.problems
        assert problem.what == "the server sent its INFO, and then no answer in time"
        assert "overloaded" in problem.remedy

    asyncio.run(run())
    gc.collect()


def test_one_that_greets_and_hangs_up_is_asked_three_times() -> None:
    """As a server does while it reads its configuration anew, where its refusal does not get here."""
    calls: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(1)
        writer.write(INFO)
        await reader.readline()
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(HungUpError, match="the server ended the connection"):
                async with connect(parse_addresses(f"nats://127.0.0.1:{port}"), ConnectOptions(timeout_s=5)):
                    pass

    asyncio.run(run())
    gc.collect()
    assert len(calls) == 3


@pytest.mark.parametrize("greeting", [b"", INFO])
def test_cancelled_while_it_connects_it_is_closed(greeting: bytes) -> None:
    """As a watch is that ends with its run: before the server's greeting, and after it."""

    async def run() -> None:
        reached, closed = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await writer.drain()
            reached.set()
            while await reader.read(1024):
                pass
            closed.set()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask() -> None:
            async with connect(parse_addresses(f"nats://127.0.0.1:{port}"), ConnectOptions(timeout_s=30)):
                pass

        task = asyncio.ensure_future(ask())
        await asyncio.wait_for(reached.wait(), 10)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(closed.wait(), 10)
        server.close()
        await server.wait_closed()

    asyncio.run(run())
    gc.collect()
