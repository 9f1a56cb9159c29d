"""A load that speaks NATS logs in as the system's clients do: who that is comes in the environment, never in a file."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats_world import BIN, free_port, listening, wait_until

from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import NatsTarget
from secondsite.drill.load.nats_sender import NatsSender
from secondsite.drill.load.sending import Attempt, Write
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place
from secondsite.nats.streams import StreamApi

pytestmark = pytest.mark.slow
LOGIN = {"user": "app", "password": "of the clients"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    conf = tmp_path / "nats.conf"
    conf.write_text(
        f'listen: 127.0.0.1:{port}\njetstream {{ store_dir: "{tmp_path}" }}\n'
        f'authorization {{ user: app, password: "{LOGIN["password"]}" }}\n'
    )
    process = subprocess.Popen([BIN / "nats-server", "-c", conf], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: listening(port))
        yield f"nats://localhost:{port}"
    finally:
        process.kill()
        process.wait()


def test_it_logs_in_and_its_ledger_has_the_address(server: str) -> None:
    async def sent() -> Attempt:
        place = nats_place(server, ConnectOptions(user=LOGIN["user"], password=LOGIN["password"]))
        async with place.open() as opened:
            await StreamApi(opened).create({"name": "A", "subjects": ["e.>"], "num_replicas": 1})
        sender = NatsSender(NatsTarget((server,), named={"localhost": "127.0.0.1"}), 2.0, LOGIN)
        await sender.open()
        try:
            return await sender.send(Write("run.0.1", "e.1", "1", "x"), 0)
        finally:
            await sender.close()

    assert asyncio.run(sent()) == Attempt(Status.STORED, 1, "127.0.0.1")


def test_without_a_login_it_gets_nowhere(server: str) -> None:
    async def opened() -> None:
        sender = NatsSender(NatsTarget((server,)), 2.0)
        async with asyncio.timeout(2):
            await sender.open()

    with pytest.raises(TimeoutError):
        asyncio.run(opened())
