"""Whoever listens without TLS where TLS was asked for hears no login, whichever verb connects."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from identities import Certificates, certificates
from nats_world import Server, connect, fill

from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.cli.__main__ import run
from secondsite.model.errors import EXIT_ENVIRONMENT
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow

__all__ = ["certificates"]
INFO = {"server_id": "X", "version": "2.15.1", "max_payload": 1048576, "auth_required": True, "headers": True}
SRC = Path(__file__).parents[2] / "src" / "secondsite"
SYSTEM = """\
schema: secondsite/system/1
name: shop
region: {provider: aws, name: us-east-1}
second: {provider: aws, name: us-west-2}
third: {provider: aws, name: us-east-2}
services: [{name: nats, role: nats, kind: StatefulSet, image: "nats:2.15.1", replicas: 1}]
nats: [{name: nats, service: nats, version: "2.15.1", servers: 1, streams: [{name: E, subjects: [e.>]}]}]
"""
GATE = {
    "schema": "secondsite/gate/1",
    "region": "us-east-1",
    "streams": [{"name": "E", "subjects": ["e.>"], "copies": [["$JS.us-west-2.API", "E"]]}],
    "subjects": ["e.>"],
    "lease": None,
}
AGENT = {"schema": "secondsite/agent/1", "region": "us-east-1", "streams": [], "replicas": 1, "cluster": ""}


class PlainListener:
    """Says what a server says, offers no TLS, and notes what it hears."""

    def __init__(self) -> None:
        self.heard, self.greeted = bytearray(), 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(peer,), daemon=True).start()

    def _hear(self, peer: socket.socket) -> None:
        with peer:
            peer.settimeout(5)
            try:
                self.greeted += 1
                peer.sendall(f"INFO {json.dumps(INFO)}\r\n".encode())
                while part := peer.recv(4096):
                    self.heard += part
            except OSError:
                return

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def listener(tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlainListener]:
    monkeypatch.setenv("SAVED", str(saved))
    monkeypatch.chdir(tmp_path)
    for name, value in (("NATS_USER", "app"), ("NATS_PASSWORD", "rosebud")):
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.replace("NATS_", "NATS_SYSTEM_"), value)
    (tmp_path / "secondsite.yaml").write_text(SYSTEM)
    (tmp_path / "gate.json").write_text(json.dumps(GATE))
    (tmp_path / "agent.json").write_text(json.dumps(AGENT))
    made = PlainListener()
    yield made
    made.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup, so that a restore has something to connect for."""
    folder = tmp_path_factory.mktemp("saved")
    server = Server(folder / "server", "one", {})
    server.start()

    async def save() -> None:
        client = await connect(server.url)
        await fill(client, "S", 1)
        await client.close()
        store = ObjectStorage(parse_store(f"file://{folder / 'store'}"), make=True)
        await run_backup(server.place, store, BackupPlan(), Silent())

    try:
        asyncio.run(save())
    finally:
        server.kill()
    return folder / "store"


WHERE = ["--nats", "us-east-1=URL", "--nats", "us-west-2=URL", "--strategy", "warm-standby/leafnode-mirror"]
VERBS = {
    "backup": ["backup", "--nats", "URL", "--to", "file://FOLDER"],
    "restore": ["restore", "--nats", "URL", "--from", "file://FOLDER"],
    "archive": ["archive", "--nats", "URL", "--to", "file://FOLDER", "--once"],
    "init": ["init", "--nats", "URL", "--file", "new.yaml", "--yes"],
    "failover plan": ["failover", "plan", *WHERE],
    "failback plan": ["failback", "plan", *WHERE],
}
DAEMONS = {
    "gate": ["gate", "--nats", "URL", "--system", "URL", "--folder", ".", "--config", "gate.json"],
    "agent": ["agent", "--nats", "URL", "--config", "agent.json", "--every-s", "0.1"],
}


def command(words: list[str], scheme: str, listener: PlainListener, more: list[str]) -> list[str]:
    told = {"URL": f"{scheme}://127.0.0.1:{listener.port}", "FOLDER": os.environ["SAVED"]}
    filled = [word.replace("URL", told["URL"]).replace("FOLDER", told["FOLDER"]) for word in words]
    return [*filled, *more]


@pytest.mark.parametrize("verb", VERBS)
def test_a_tls_url_sends_a_plain_listener_nothing(
    listener: PlainListener, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(command(VERBS[verb], "tls", listener, []))
    said = capsys.readouterr()
    assert "offers no TLS, and nothing was sent to it" in " ".join((said.out + said.err).split())
    assert code == (1 if "plan" in verb else EXIT_ENVIRONMENT)
    assert listener.greeted
    assert bytes(listener.heard) == b""


@pytest.mark.parametrize("verb", ["backup", "restore", "archive", "init"])
def test_an_authority_is_enough_to_ask_for_it(
    listener: PlainListener, verb: str, certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(VERBS[verb], "nats", listener, ["--tlsca", str(certificates.ca)])) == EXIT_ENVIRONMENT
    assert "offers no TLS" in capsys.readouterr().err
    assert bytes(listener.heard) == b""


@pytest.mark.parametrize("verb", DAEMONS)
def test_what_runs_for_ever_tells_nothing_either(listener: PlainListener, verb: str) -> None:
    started = [sys.executable, "-m", "secondsite", *command(DAEMONS[verb], "tls", listener, [])]
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            assert "offers no TLS" in process.stderr.readline()
        finally:
            process.kill()
    assert bytes(listener.heard) == b""


def test_there_is_one_way_to_a_server() -> None:
    """Outside of the lab and of what loads it, which are on loopback: nobody connects but by `nats/connection.py`."""
    own = ("lab", "drill/load")
    connects = re.compile(r"[cC]lient\.connect\(|from nats import connect|\bnats\.connect\(")
    calling = {
        path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py") if connects.search(path.read_text("utf-8"))
    }
    assert {path for path in calling if not path.startswith(own)} == {"nats/connection.py"}
