"""Nobody answers a JetStream request: for an instant, as while a server reads its configuration anew, or for good."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats_world import Server, connect, run

from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream

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


def _settings(allowed: str) -> dict[str, Any]:
    """One login, of an account with JetStream; another application's may publish on one subject."""
    other = {"user": "other", "password": "other", "permissions": {"publish": allowed}}
    users = [{"user": "one", "password": "one"}, other]
    return {"accounts": {"APP": {"jetstream": "enabled", "users": users}}, "no_auth_user": "one"}
