"""The executor's commands that the published runbook prints, and a shop in which they are typed as they stand there."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from region_pair import AWAY, HOME, Pair, create, deployment_of, door

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.strategies.design import Kit

EXAMPLE = Path(__file__).parents[2] / "examples/kgents"
RESUMES = 20


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:  # a name that the server looks up
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def write_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/events"
    server.shutdown()
    thread.join()
    server.server_close()


def printed(direction: str) -> list[str]:
    """Plan, run, status and abort, of the chapter on a lost region or on the way back."""
    text = (EXAMPLE / "docs/saas/runbook.md").read_text("utf-8")
    block = next(
        one for one in re.findall(r"```(?:\w*)\n(.*?)```", text, re.DOTALL) if f"secondsite {direction} plan" in one
    )
    return [line for line in block.splitlines() if line.startswith("secondsite ")]


def carried_out(direction: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Planned, run, and gone on with after what is done by hand, until it is done."""
    plan, begin, status, _ = printed(direction)
    assert type_line(plan) == 0, capsys.readouterr()
    found = re.search(r"plan ([0-9a-f]{16});", capsys.readouterr().out)
    assert found
    monkeypatch.setenv("HASH", found[1])
    code = type_line(begin)
    for _ in range(RESUMES):
        if code != 3:
            break
        capsys.readouterr()
        assert type_line(status, "--json") == 0
        steps = json.loads(capsys.readouterr().out)["steps"]
        done = [
            word for name, step in steps.items() if step and step["state"] == "waiting" for word in ("--done", name)
        ]
        code = type_line(begin.replace(" run ", " resume "), *done)
    assert code == 0, capsys.readouterr()
    capsys.readouterr()


def type_line(line: str, *more: str) -> int:
    words = shlex.split(os.path.expandvars(line), comments=True)
    return run([*words[1:], *more])


@pytest.fixture
def shop(own_pair: Pair, write_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with its streams on the servers, contexts of `nats` called like the regions, and what is told."""
    shop = tmp_path / "shop"
    shop.mkdir()
    text = (EXAMPLE / "secondsite.yaml").read_text("utf-8")
    text = re.sub(r"replicas: 3( +# read manifests/nats/streams)", r"replicas: 1\1", text)  # one server in each region
    (shop / "secondsite.yaml").write_text(re.sub(r"\n  ttl: \S+", "\n  ttl: 1s", text))
    if (EXAMPLE / "catalogue").is_dir():
        shutil.copytree(EXAMPLE / "catalogue", shop / "catalogue")
    catalogue = load_catalogue(shop / "catalogue")
    kit = Kit.of(load_system(shop / "secondsite.yaml"), catalogue)
    asyncio.run(create(own_pair, deployment_of(kit, "warm-standby/leafnode-mirror")))
    contexts = tmp_path / "nats" / "context"
    contexts.mkdir(parents=True)
    for region in (HOME, AWAY):
        url = f"nats://127.0.0.1:{own_pair.ports[region][0]}"
        (contexts / f"{region}.json").write_text(json.dumps({"url": url, "user": "app", "password": "app"}))
    monkeypatch.chdir(shop)
    told = {"WRITE_URL": write_url, "WHO": "ann", "WHY": "no answer", "XDG_CONFIG_HOME": str(tmp_path)}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return shop


async def serves(pair: Pair, region: str) -> None:
    async with door(pair, region) as streams:
        for name in (await streams.jetstream.ask("STREAM.NAMES"))["streams"]:
            look = await streams.stream(name)
            assert look
            assert not look.is_mirror, name
