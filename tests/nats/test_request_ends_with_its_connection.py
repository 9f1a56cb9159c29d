"""A server that dies answers nothing: who waits for it learns that at once, not when the time is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nats_world import Server, connect, run

from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream, NoAnswerError

pytestmark = pytest.mark.slow


def test_a_request_ends_with_its_connection(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    server.start()

    async def work() -> None:
        silent = await connect(server.url, allow_reconnect=False)
        arrived = await silent.subscribe("silent.>")
        async with server.place.open() as jetstream:
            request = asyncio.create_task(JetStream(jetstream.connection, "silent").ask("INFO", timeout_s=250))
            await arrived.next_msg(timeout=30)
            server.kill()
            with pytest.raises(MachineError, match="the connection failed during") as caught:
                await asyncio.wait_for(request, 100)
            assert not isinstance(caught.value, NoAnswerError)

    try:
        run(work())
    finally:
        server.kill()
