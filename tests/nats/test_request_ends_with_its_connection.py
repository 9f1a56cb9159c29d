"""A server that dies answers nothing: who waits for it learns that at once, not when the time is over."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from nats_world import Server, run

from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import NoAnswerError

pytestmark = pytest.mark.slow


def test_a_request_ends_with_its_connection(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    server.start()
    assert server.process

    async def work() -> None:
        async with server.place.open() as jetstream:
            assert server.process
            os.kill(server.process.pid, signal.SIGSTOP)
            asked = asyncio.create_task(jetstream.ask("STREAM.INFO.ORDERS", timeout_s=250))
            await asyncio.sleep(0.1)
            server.kill()
            with pytest.raises(MachineError, match="the connection failed during") as told:
                await asyncio.wait_for(asked, 100)
            assert not isinstance(told.value, NoAnswerError)

    try:
        run(work())
    finally:
        server.kill()
