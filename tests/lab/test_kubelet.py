"""Dead containers start again and are ready when their probes say so; what is beyond its memory is ended."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from secondsite.lab.back_off import BackOff
from secondsite.lab.http_get import http_get
from secondsite.lab.kubelet import Happened, Kubelet, Pod
from secondsite.lab.service_process import ServiceProxy
from secondsite.lab.supervisor import Spec, Supervisor, port_open
from secondsite.model.endpoint import Endpoint
from secondsite.model.service import Probe, Probes
from secondsite.model.units import Seconds

SERVER = """
import http.server, sys
from pathlib import Path

held = []

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/grow":
            held.append(b"x" * (64 << 20))
        bad = self.path == "/well" and Path(sys.argv[2]).exists()
        self.send_response(503 if bad else 200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


def test_the_back_off_doubles_is_bounded_and_is_forgiven() -> None:
    back_off = BackOff()
    assert [back_off.wait_s(1.0) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert [back_off.wait_s(600.0), back_off.wait_s(1.0)] == [0, 10]


def test_a_service_gives_new_connections_to_ready_pods_in_turn() -> None:
    service = ServiceProxy({"pods": {"a": ["127.0.0.1", 1], "b": ["127.0.0.1", 2]}})
    assert [service.chosen() for _ in range(3)] == [("127.0.0.1", 1), ("127.0.0.1", 2), ("127.0.0.1", 1)]
    assert service.obey({"pod": "a", "ready": False}) == {"ready": ["b"]}
    assert {service.chosen() for _ in range(3)} == {("127.0.0.1", 2)}
    service.obey({"pod": "b", "ready": False})
    assert service.chosen() is None


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _probe(threshold: int = 3) -> Probe:
    return Probe("http", "/well", period_s=Seconds(0.1), timeout_s=Seconds(1), failure_threshold=threshold)


@asynccontextmanager
async def _kept(
    folder: Path, probes: Probes, limit: int | None = None
) -> AsyncIterator[tuple[Kubelet, Pod, Supervisor]]:
    """A pod under a kubelet; ``told`` in its folder says what its Service heard."""
    program, port = folder / "server.py", _port()
    program.write_text(SERVER)
    supervisor = Supervisor(folder / "logs")
    spec = Spec(
        "pod",
        (sys.executable, str(program), str(port), str(folder / "bad")),
        ready=lambda: port_open("127.0.0.1", port),
    )

    async def report(name: str, ready: bool) -> None:
        with (folder / "told").open("a") as told:
            told.write(f"{name} {ready}\n")

    pod = Pod(spec, probes, Endpoint("127.0.0.1", port), limit, report)
    try:
        await supervisor.start(spec)
        kubelet = Kubelet(supervisor, [pod])
        try:
            yield kubelet, pod, supervisor
        finally:
            await kubelet.end()
    finally:
        supervisor.close()


async def _happens(kubelet: Kubelet, *what: Happened, within_s: float = 60.0) -> None:
    """So many things, in this order and no others."""
    end = time.monotonic() + within_s
    while [event.what for event in kubelet.events] != list(what):
        assert time.monotonic() < end, kubelet.events
        kubelet.check()
        await asyncio.sleep(0.05)


@pytest.mark.slow
def test_a_dead_pod_leaves_its_service_and_is_back_when_it_is_ready(tmp_path: Path) -> None:
    async def work() -> None:
        async with _kept(tmp_path, Probes(startup=_probe(100), readiness=_probe(1000))) as (kubelet, pod, supervisor):
            supervisor.send(pod.name, signal.SIGKILL)
            await _happens(kubelet, Happened.DIED, Happened.STARTED, Happened.READY)
            assert (tmp_path / "told").read_text().split() == ["pod", "False", "pod", "True"]

    asyncio.run(work())


@pytest.mark.slow
def test_a_pod_that_fails_its_readiness_is_left_alone_and_one_that_fails_its_liveness_is_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with _kept(tmp_path, Probes(readiness=_probe())) as (kubelet, _, _):
            (tmp_path / "bad").touch()
            await _happens(kubelet, Happened.UNREADY)
            (tmp_path / "bad").unlink()
            await _happens(kubelet, Happened.UNREADY, Happened.READY)
        async with _kept(tmp_path, Probes(liveness=_probe())) as (kubelet, _, _):
            (tmp_path / "bad").touch()
            await _happens(kubelet, Happened.LIVENESS, Happened.DIED, Happened.STARTED, Happened.READY)

    asyncio.run(work())


@pytest.mark.slow
def test_memory_beyond_the_limit_ends_a_pod(tmp_path: Path) -> None:
    async def work() -> None:
        async with _kept(tmp_path, Probes(), limit=100 << 20) as (kubelet, pod, _):
            for _ in range(2):
                await http_get(pod.at, "/grow", 10.0)
            await _happens(kubelet, Happened.OUT_OF_MEMORY, Happened.DIED, Happened.STARTED, Happened.READY)

    asyncio.run(work())
