"""Nobody answers a JetStream request: for an instant, as while a server reads its configuration anew, or for good."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats_world import Server, connect, run

from secondsite.model.errors import MachineError
from secondsite.nats.connection import RejectedError
from secondsite.nats.direct import direct_messages
from secondsite.nats.jetstream import JetStream
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import NoStreamListensError, PublishAnswer, StreamApi

pytestmark = pytest.mark.slow
RELOADS = 60
LATE = "$JS.late.API"


def test_what_nobody_takes_yet_is_asked_again(server: Server) -> None:

    async def work() -> object:
        other = await connect(server.url)

        async def answer(message: Msg) -> None:
            await message.respond(b'{"streams": 3}')

        async with server.place.open() as jetstream:
            asked = asyncio.ensure_future(JetStream(jetstream.connection, LATE).ask("INFO"))
            await asyncio.sleep(0.2)
            await other.subscribe(f"{LATE}.INFO", cb=answer)
            await other.flush()
            return await asked

    assert run(work()) == {"streams": 3}


def test_a_replica_that_nobody_hears_yet_is_asked_again(server: Server) -> None:

    async def work() -> list[bytes]:
        other = await connect(server.url)

        async def answer(message: Msg) -> None:
            headers = {"Nats-Sequence": "1", "Nats-Subject": "a"}
            await other.publish(message.reply, b"held", headers=headers)

        async with server.place.open() as jetstream:
            messages = direct_messages(JetStream(jetstream.connection, LATE), "S", 1, 1)
            reading = asyncio.ensure_future(_bodies(messages))
            await asyncio.sleep(0.2)
            await other.subscribe(f"{LATE}.DIRECT.GET.S", cb=answer)
            await other.flush()
            return await reading

    assert run(work()) == [b"held"]


async def _bodies(messages: AsyncIterator[StoredMessage]) -> list[bytes]:
    return [message.data async for message in messages]


def test_a_write_that_no_stream_takes_yet_is_sent_again(server: Server) -> None:
    """As to a stream that another server of the cluster has just made."""

    async def work() -> PublishAnswer:
        async with server.place.open() as jetstream, server.place.open() as other:
            writing = asyncio.ensure_future(StreamApi(jetstream).publish("late.a", b"1", {}))
            await asyncio.sleep(0.2)
            await StreamApi(other).create({"name": "LATE", "subjects": ["late.>"]})
            return await writing

    answer = run(work())
    assert (answer.stream, answer.sequence) == ("LATE", 1)


def test_a_write_that_no_stream_ever_takes_is_said(server: Server) -> None:

    async def work() -> None:
        async with server.place.open() as jetstream:
            streams = StreamApi(jetstream)
            assert await streams.probe("nobody.a") is None
            await streams.publish("nobody.a", b"1", {})

    with pytest.raises(NoStreamListensError, match=r"no stream listens on nobody\.a"):
        run(work())


def test_what_nobody_ever_takes_is_said(server: Server) -> None:

    async def work() -> None:
        async with server.place.open() as jetstream:
            await JetStream(jetstream.connection, LATE).ask("INFO")

    with pytest.raises(MachineError, match=r"no answer on \$JS\.late\.API"):
        run(work())


def test_a_server_that_is_reloaded_has_jetstream(tmp_path: Path) -> None:
    """As a write gate has it reloaded each time it opens or shuts."""
    server = Server(tmp_path / "server", settings=_settings("orders.>"))

    async def reload() -> None:
        path = server.folder / "server.conf"
        config = json.loads(path.read_text())
        for number in range(RELOADS):
            path.write_text(json.dumps(config | _settings(f"orders.{number}")))
            assert server.process
            server.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.03)

    async def work() -> int:
        asked = 0
        async with server.place.open() as jetstream:
            reloading = asyncio.ensure_future(reload())
            while not reloading.done():
                await jetstream.ask("INFO")
                asked += 1
            await reloading
        return asked

    server.start()
    try:
        assert run(work()) > RELOADS
    finally:
        server.kill()


class Forgetful:
    """Speaks enough of NATS to log in, and refuses the first logins, as a server does while it is reloaded (2.15.1)."""

    def __init__(self, refuses: int) -> None:
        self.refuses = refuses
        self.asked = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"N","version":"2.15.1","max_payload":1048576,"headers":true,"proto":1}\r\n')
        await reader.readuntil(b"PING\r\n")
        self.asked += 1
        known = self.asked > self.refuses
        writer.write(b"PONG\r\n" if known else b"-ERR 'Authorization Violation'\r\n")
        await writer.drain()
        if known:
            await reader.read()
        writer.close()

    async def log_in(self) -> None:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            async with nats_place(f"nats://{host}:{port}", ConnectOptions(user="app", password="app")).open():
                """It let us in."""
        finally:
            server.close()


@pytest.mark.parametrize("refuses", [0, 1, 2])
def test_a_login_that_is_refused_once_or_twice_is_tried_again(refuses: int) -> None:
    forgetful = Forgetful(refuses)
    run(forgetful.log_in())
    assert forgetful.asked == refuses + 1


def test_a_login_that_is_refused_three_times_is_refused() -> None:
    forgetful = Forgetful(9)
    with pytest.raises(RejectedError, match="does not know these credentials"):
        run(forgetful.log_in())
    assert forgetful.asked == 3


def _settings(allowed: str) -> dict[str, Any]:
    """One login, of an account with JetStream; another application's may publish on one subject."""
    other = {"user": "other", "password": "other", "permissions": {"publish": allowed}}
    users = [{"user": "one", "password": "one"}, other]
    return {"accounts": {"APP": {"jetstream": "enabled", "users": users}}, "no_auth_user": "one"}
