"""The executor's commands that the published runbook prints, typed as they stand there, on two real servers."""

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

pytestmark = pytest.mark.slow
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


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path / "servers")
    found.folder.mkdir()
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


def _printed() -> list[str]:
    """Of the chapter on a lost region."""
    text = (EXAMPLE / "docs/saas/runbook.md").read_text("utf-8")
    block = next(
        one for one in re.findall(r"```(?:\w*)\n(.*?)```", text, re.DOTALL) if "secondsite failover plan" in one
    )
    return [line for line in block.splitlines() if line.startswith("secondsite ")]


def _type(line: str, *more: str) -> int:
    words = shlex.split(os.path.expandvars(line), comments=True)
    return run([*words[1:], *more])


def test_a_lost_region_by_the_printed_commands(
    own_pair: Pair,
    write_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Planned, run, gone on with after what is done by hand, done; and then there is nothing to resume or abort."""
    shop = tmp_path / "shop"
    shop.mkdir()
    text = (EXAMPLE / "secondsite.yaml").read_text("utf-8")
    (shop / "secondsite.yaml").write_text(re.sub(r"\n  ttl: \S+", "\n  ttl: 1s", text))
    if (EXAMPLE / "catalogue").is_dir():
        shutil.copytree(EXAMPLE / "catalogue", shop / "catalogue")
    catalogue = load_catalogue(shop / "catalogue")
    kit = Kit.of(load_system(shop / "secondsite.yaml"), catalogue)
    asyncio.run(create(own_pair, deployment_of(kit, "warm-standby/leafnode-mirror")))
    own_pair.kill(HOME)
    monkeypatch.chdir(shop)
    ports = {f"NATS_{number}": own_pair.ports[region][0] for number, region in enumerate((HOME, AWAY), 1)}
    variables = {name: f"nats://127.0.0.1:{port}" for name, port in ports.items()}
    logins = {"NATS_USER": "app", "NATS_PASSWORD": "app"}
    for name, value in {**variables, **logins, "WRITE_URL": write_url, "WHO": "ann", "WHY": "no answer"}.items():
        monkeypatch.setenv(name, value)
    plan, begin, status, abort = _printed()

    assert _type(plan) == 0, capsys.readouterr()
    found = re.search(r"plan ([0-9a-f]{16});", capsys.readouterr().out)
    assert found
    monkeypatch.setenv("HASH", found[1])
    code = _type(begin)
    for _ in range(RESUMES):
        if code != 3:
            break
        capsys.readouterr()
        assert _type(status, "--json") == 0
        steps = json.loads(capsys.readouterr().out)["steps"]
        done = [
            word for name, step in steps.items() if step and step["state"] == "waiting" for word in ("--done", name)
        ]
        code = _type(begin.replace(" run ", " resume "), *done)
    assert code == 0, capsys.readouterr()
    capsys.readouterr()
    assert _type(status) == 0
    assert re.search(r"operation failover-[0-9a-f]{8}, begun \S+ \S+ UTC by ann on ", capsys.readouterr().out)
    asyncio.run(_serves(own_pair))
    assert _type(abort) in (1, 2)


async def _serves(pair: Pair) -> None:
    async with door(pair, AWAY) as away:
        for name in (await away.jetstream.ask("STREAM.NAMES"))["streams"]:
            look = await away.stream(name)
            assert look
            assert not look.is_mirror, name
