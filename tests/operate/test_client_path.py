"""The clients' own path, as the system file says it is: what is sent, which answers count, and what a refusal is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeWorld

from secondsite.discover.system_file.reading import read_system
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.operate import PathHeader, WritePath
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.nats.streams import StreamState
from secondsite.operate.actions.traffic import gone_as_it_should
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.http_path import HttpPath, client_path
from secondsite.operate.journal import Journal, StepState
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

FILE = """\
schema: secondsite/system/1
name: shop
region: {provider: aws, name: us-east-1, zones: 3}
operate:
  path:
    url: http://shop.example.com/orders
    method: PUT
    headers:
      - {name: Authorization, value: env:SHOP_TOKEN}
      - {name: X-Tenant, value: probe}
    body: '{"order": "$ID"}'
    acknowledged: [201]
"""


class Api(HTTPServer):
    """Answers ``status`` and ``body`` to everything, and remembers what came."""

    status, body = 200, b"{}"
    seen: list[tuple[str, dict[str, str], bytes]]


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, dict(self.headers), content))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_PUT = _answer  # noqa: N815 # names that the server looks up

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api(("127.0.0.1", 0), _Handler)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _url(api: Api) -> str:
    return f"http://127.0.0.1:{api.server_port}/orders"


def test_as_the_system_file_says(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "Bearer abc")
    operate = read_system(FILE, "secondsite.yaml").operate
    assert operate
    assert operate.path
    path = client_path(evolve(operate.path, url=_url(api)))
    assert "abc" not in repr(path)
    api.status = 201
    written = asyncio.run(path.write())
    method, headers, content = api.seen[0]
    assert (written.status, method) == (200, "PUT")
    assert (headers["Authorization"], headers["X-Tenant"]) == ("Bearer abc", "probe")
    assert json.loads(content) == {"order": written.message_id}
    api.status = 200
    assert asyncio.run(path.write()).status != 200, "only what the file says counts"


def test_a_secret_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="Authorization is written out; name where it is: env:NAME"):
        read_system(FILE.replace("env:SHOP_TOKEN", "abc"), "secondsite.yaml")
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    with pytest.raises(InputError, match="env:SHOP_TOKEN is not set"):
        client_path(WritePath("http://x", headers=(PathHeader("Authorization", "env:SHOP_TOKEN"),)))


@pytest.mark.parametrize(
    ("body", "sequence"),
    [(b'{"sequence": 7}', 7), (b'{"seq": 3}', 3), (b'{"sequence": "evt-17"}', 0), (b"[1]", 0), (b"\xff", 0)],
)
def test_an_answer_is_believed_only_as_a_number(api: Api, body: bytes, sequence: int) -> None:
    api.body = body
    written = asyncio.run(HttpPath(_url(api)).write())
    assert (written.status, written.sequence) == (200, sequence)


def _verified(api: Api, kit: Kit, folder: Path, patience: float) -> OperationOutcome:
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    procedure = failover(deployment, evolve(kit, system=deployment.system), Fault.REGION)
    world = FakeWorld(deployment, {"us-east-1"})
    world.path = HttpPath(_url(api))

    async def run() -> OperationOutcome:
        with Journal(folder / "journal", world) as journal:
            options = Options(allowed=frozenset({"unfenced"}), patience=patience)
            return await execute(procedure, deployment, world, journal, options=options)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "the clients' path refuses this request: 401 Unauthorized"),
        (503, "last: the clients' path answered: 503 Service Unavailable"),
        (202, "last: the clients' path answered: 202 queued, not stored"),
    ],
)
def test_why_no_write_was_acknowledged_is_said(api: Api, kit: Kit, tmp_path: Path, status: int, told: str) -> None:
    api.status = status
    record = _verified(api, kit, tmp_path, 4.0 if status == 401 else 0.1).steps[str(Verb.VERIFY_PATH)]
    assert record.state is StepState.FAILED
    assert told in record.why


@pytest.mark.parametrize(
    ("config", "last", "there"),
    [
        ({"retention": "workqueue"}, 7, True),
        ({"retention": "interest"}, 9, True),
        ({"retention": "limits", "max_msgs_per_subject": 1}, 8, True),
        ({"retention": "limits", "max_msgs_per_subject": -1}, 9, False),
        ({"retention": "workqueue"}, 6, False),
        ({"retention": "workqueue", "mirror": {"name": "JOBS"}}, 9, False),
    ],
)
def test_a_write_that_a_worker_took_at_once_was_there(config: dict[str, Any], last: int, there: bool) -> None:
    state = StreamState("JOBS", config, messages=0, first_seq=last + 1, last_seq=last, last_at="", leader="a")
    assert gone_as_it_should(state, 7) is there
