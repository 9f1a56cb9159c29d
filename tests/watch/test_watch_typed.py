"""The commands of docs/watch.md, typed as they stand there, on two real servers of which one is lost.

Only ports are others, and rounds and window shorter; ID and HASH are what `status` shows.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats_world import free_ports
from printed_runbook import shop, write_url
from region_pair import AWAY, HOME, Pair

pytestmark = [pytest.mark.slow, pytest.mark.drills]
__all__ = ["shop", "write_url"]
"""Fixtures."""
PAGE = (Path(__file__).parents[2] / "docs" / "watch.md").read_text("utf-8")
SECONDSITE = f"{sys.executable} -m secondsite"


def printed(begins: str) -> str:
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith("    ") and "…  " not in line]
    (line,) = [line for line in lines if line.startswith(begins)]
    return line


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[Pair]:
    (tmp_path / "servers").mkdir()
    pair = Pair(tmp_path / "servers", denied=("events.>", "agentese.>", "kgent.>"))
    try:
        pair.start(HOME)
        pair.start(AWAY)
        yield pair
    finally:
        for region in (HOME, AWAY):
            pair.kill(region)


class Shell:
    """What is typed, and what goes on running until the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []
        names = (8091, 8092, 8093, 8088)
        self.ports = dict(zip(map(str, names), map(str, free_ports(4)), strict=True))

    def spelt(self, line: str) -> str:
        for name, port in self.ports.items():
            line = line.replace(name, port)
        return re.sub(r"\bsecondsite (?=watch)", f"{SECONDSITE} ", line)

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-c", self.spelt(line)]
        return subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)

    def typed(self, line: str) -> str:
        done = self.run(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def started(self, line: str, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            words = shlex.split(self.spelt(line))
            self.running.append(
                subprocess.Popen(words, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
            )

    def end(self) -> None:
        for each in self.running:
            os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@pytest.fixture
def shell(shop: Path) -> Iterator[Shell]:
    one = Shell(shop)
    try:
        yield one
    finally:
        one.end()


def block(pair: Pair, shell: Shell) -> str:
    """The printed one, and where the servers are."""
    (written,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    places = "".join(
        f"    - {{region: {region}, nats: {{url: 'nats://127.0.0.1:{pair.ports[region][0]}',"
        f" user: app, password: env:NATS_PASSWORD}}}}\n"
        for region in (HOME, AWAY)
    )
    return f"\n{shell.spelt(written).replace('window: 30s', 'window: 1s')}  places:\n{places}"


def test_the_page_is_typed(own_pair: Pair, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_USER", "app")
    monkeypatch.setenv("NATS_PASSWORD", "app")
    monkeypatch.setenv("DR_WEBHOOK", "http://127.0.0.1:1/")
    monkeypatch.setenv("SECONDSITE_WATCH_PAGE_TOKEN", "the page's")
    token = printed("export SECONDSITE_WATCH_TOKEN").partition("=")[2]
    monkeypatch.setenv("SECONDSITE_WATCH_TOKEN", shell.typed(f"echo {token}").strip())
    file = shell.folder / "secondsite.yaml"
    file.write_text(file.read_text("utf-8") + block(own_pair, shell), "utf-8")
    shell.typed(printed("ssh-keygen"))
    shell.typed(printed("cat kim.pub"))
    for name, port in (("east", "8091"), ("west", "8092"), ("office", "8093")):
        for begins in ("secondsite watch describe --name office >", "secondsite watch observe --config office.json"):
            line = printed(begins).replace("office", name).replace("8093", port)
            if "describe" in line:
                shell.typed(line.replace("describe", "describe --every-s 1"))
            else:
                shell.started(line, name)
    shell.started(f"{printed('secondsite watch --name west')} --every-s 1 --ready-s 5", "watch")
    status = printed("secondsite watch status")
    sees(shell, status, r"us-east-1, serves: nothing")
    time.sleep(5)
    maintain = printed("SECONDSITE_WATCH_PAGE_TOKEN=").partition(" ")[2]
    assert "noted" in shell.typed(maintain)
    own_pair.kill(HOME)
    asks = sees(shell, status, r"ASKS (\w+): .*maintenance")
    plan = re.search(r"--plan (\w{16})", asks)
    ask = re.search(r"ASKS (\w+)", asks)
    assert plan
    assert ask
    approve = printed("secondsite watch approve").replace("ID", ask[1]).replace("HASH", plan[1])
    guards = set(re.findall(r"GUARD ([\w-]+):", asks))
    assert "it begins" in shell.typed(approve + "".join(f" --allow {guard}" for guard in sorted(guards)))
    sees(shell, status, r"last operation: \S+, under way")


def sees(shell: Shell, status: str, pattern: str) -> str:
    deadline = time.monotonic() + 60
    while True:
        done = shell.run(status)
        if re.search(pattern, done.stdout):
            return done.stdout
        logs = "".join(path.read_text() for path in sorted(shell.folder.glob("*.log")))
        assert time.monotonic() < deadline, f"{pattern}\n{done.stdout}{done.stderr}\n{logs}"
        time.sleep(0.3)
