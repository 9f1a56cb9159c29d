"""Real nats-server processes on free ports, each in its own process group, killed whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from identities import certificates
from nats_world import Server as OneServer
from nats_world import free_ports

from secondsite.lab.meta import agreed

BINARY = Path(sys.executable).parent / "nats-server"


@frozen
class Server:
    port: int
    http: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor(self) -> str:
        return f"http://127.0.0.1:{self.http}"


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not ready: {what}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own loopback
        return bool(response.status == 200)
    return False


def meta_cluster(server: Server) -> dict[str, Any] | None:
    with suppress(OSError), urllib.request.urlopen(f"{server.monitor}/jsz", timeout=1) as response:  # noqa: S310 - as above
        found: dict[str, Any] | None = json.loads(response.read()).get("meta_cluster")
        return found
    return None


def launch(folder: Path, name: str, config: str, port: int, http: int) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    text = f"server_name: {name}\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{http}\n{config}\n"
    (folder / "nats.conf").write_text(text.replace("STORE", str(folder / "store")))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [BINARY, "-c", folder / "nats.conf"], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Server(port, http, process, folder)


def kill(server: Server) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(60)


@contextmanager
def running() -> Iterator[Callable[..., list[Server]]]:
    """A starter of clusters: ``start(folder, config, count=1)`` returns when all are healthy."""
    started: list[Server] = []

    def start(folder: Path, config: str, count: int = 1, name: str = "n") -> list[Server]:
        ports = free_ports(count * 3)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports[2::3])
        servers = []
        for number in range(count):
            port, http, cluster = ports[number * 3 : number * 3 + 3]
            routing = f"cluster {{ name: eu, listen: 127.0.0.1:{cluster}, routes: [{routes}] }}" if count > 1 else ""
            label = f"{name}{number}"
            servers.append(launch(folder / label, label, f"{config}\n{routing}", port, http))
            started.append(servers[-1])
        for server in servers:
            url = f"{server.monitor}/healthz"
            wait_until(lambda url=url: answers(url), (server.folder / "log").read_text()[-2000:])  # type: ignore[misc]
        if count > 1:
            wait_until(lambda: agreed(map(meta_cluster, servers), count), "a meta leader that knows all of them")
        return servers

    try:
        yield start
    finally:
        for server in started:
            kill(server)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OneServer]:
    """One server with JetStream, alone."""
    made = OneServer(tmp_path / "server")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def start_nats() -> Iterator[Callable[..., list[Server]]]:
    with running() as start:
        yield start


@pytest.fixture(scope="module")
def start_nats_once() -> Iterator[Callable[..., list[Server]]]:
    with running() as start:
        yield start


__all__ = ["certificates"]
