"""Over, back and over again by the commands that the published runbook prints, 65 ms between the regions, under load.

Clients write in both regions all along, more often than at the example's peak; the old primary has its write
gate. Nothing is lost, nothing is taken by both sides, and the longest time without a writer is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, field
from nats_world import free_ports
from printed_runbook import carried_out, serves, shop, write_url
from region_pair import AWAY, HOME, Pair, deployment_of, door, wait_until

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.explore.laws import Promise, lost, overlap, silence_s
from secondsite.drill.explore.writers import RegionWriter
from secondsite.nats.tasks import end_tasks
from secondsite.operate.gate import write_gate_file
from secondsite.operate.gate_config import gate_config, gate_text
from secondsite.strategies.design import Kit
from secondsite.strategies.write_gate import gate_file

pytestmark = [pytest.mark.slow, pytest.mark.drills]
__all__ = ["shop", "write_url"]
"""Fixtures."""
DELAY_MS = 32.5
SUBJECTS = ("events.>", "agentese.>", "kgent.>")
STREAMS = (("AGENTESE", "agentese.a"), ("EVENTS", "events.a"), ("kgent-events", "kgent.a"))
WRITTEN = [(stream, f"{subject}{number}") for number in range(4) for stream, subject in STREAMS]
"""Several subjects, as a stream keeps so many messages of one and no more."""
LOAD_S = 3.0
PEAK_PER_S = 478
"""The example's."""
EVERY_S = 0.012
"""Between four writes to each of the three streams: more than the peak, with what a write takes."""


class WanPair(Pair):
    """The leaf link, and whoever operates from the second region, go through the WAN. ``gate`` keeps the home shut."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, gate_file(HOME), SUBJECTS)
        self.leaf, self.operator, self.control = free_ports(3)
        self.kept: list[subprocess.Popen[bytes]] = []

    def open_wan(self) -> None:
        ways = [(AWAY, HOME, self.leaf, self.ports[HOME][2]), (AWAY, HOME, self.operator, self.ports[HOME][0])]
        link = {"delay_ms": DELAY_MS, "jitter_ms": 1.5, "rate_bytes_per_s": 0}
        config = {
            "seed": 1,
            "control": ["127.0.0.1", self.control],
            "links": [{"source": a, "target": b, **link} for a, b in ((HOME, AWAY), (AWAY, HOME))],
            "listeners": [
                {"source": a, "target": b, "at": ["127.0.0.1", at], "to": ["127.0.0.1", to]} for a, b, at, to in ways
            ],
        }
        path = self.folder / "wan.json"
        path.write_text(json.dumps(config))
        self._keep("secondsite.lab.wan_process", str(path))

    def keep_gate(self, config: str) -> None:
        path = self.folder / "gate.json"
        path.write_text(config)
        url = f"nats://127.0.0.1:{self.ports[HOME][0]}"
        self._keep(
            *("secondsite", "gate", "--nats", url, "--system", url, "--folder", str(self.folder)),
            *("--config", str(path)),
        )

    def _keep(self, *arguments: str) -> None:
        logins = {"NATS_USER": "operator", "NATS_PASSWORD": "operator"}
        system = {"NATS_SYSTEM_USER": "sys", "NATS_SYSTEM_PASSWORD": "sys"}
        with (self.folder / "kept.log").open("ab") as log:
            command = [sys.executable, "-m", *arguments]
            started = subprocess.Popen(command, env={**os.environ, **logins, **system}, stdout=log, stderr=log)
        self.kept.append(started)

    def start(self, region: str, *, is_open: bool = False) -> None:
        if region == HOME:
            write_gate_file(self.folder / gate_file(HOME), SUBJECTS, is_open=is_open)
        super().start(region)

    def end(self) -> None:
        for each in self.kept:
            each.kill()
            each.wait()
        for region in (HOME, AWAY):
            self.kill(region)

    def _config(self, region: str) -> str:
        return super()._config(region).replace("leafnodes { listen:", "leafnodes { no_advertise: true, listen:")

    def _remote(self) -> str:
        return super()._remote().replace(f":{self.ports[HOME][2]}", f":{self.leaf}")


@pytest.fixture
def own_pair(tmp_path: Path) -> Iterator[WanPair]:
    (tmp_path / "servers").mkdir()
    pair = WanPair(tmp_path / "servers")
    try:
        pair.open_wan()
        pair.start(HOME, is_open=True)
        pair.start(AWAY)
        yield pair
    finally:
        pair.end()


@define
class Clients:
    """Of both regions, in a loop of their own beside the commands."""

    pair: Pair
    promises: list[Promise] = field(factory=list)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.new_event_loop)
    _end: asyncio.Event = field(factory=asyncio.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Clients:
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._write(),))
        self._thread.start()
        wait_until(lambda: bool(self.promises), "a first acknowledgement")
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        assert self._thread
        self._thread.join(20)
        self._loop.close()

    async def _write(self) -> None:
        writers = [RegionWriter(r, self.pair.place(r), WRITTEN, self.promises, EVERY_S) for r in (HOME, AWAY)]
        tasks = [asyncio.ensure_future(writer.run()) for writer in writers]
        await self._end.wait()
        await end_tasks(*tasks)

    def written_in(self, region: str) -> None:
        """Somebody is acknowledged there, and for a while."""
        since_s = time.monotonic()
        wanted = {stream for stream, _ in STREAMS}
        wait_until(
            lambda: wanted <= self._streams(region, since_s),
            f"writes in {region}",
            30,
        )
        time.sleep(LOAD_S)

    def _streams(self, region: str, since_s: float) -> set[str]:
        return {one.stream for one in tuple(self.promises) if one.region == region and one.sent_s > since_s}


def _through_the_wan(pair: WanPair) -> None:
    """The context of the first region, as whoever operates from the second has it."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "nats" / "context" / f"{HOME}.json"
    at = f"nats://127.0.0.1:{pair.operator}"
    path.write_text(json.dumps({"url": at, "user": "operator", "password": "operator"}))


def _gate(folder: Path) -> str:
    kit = Kit.of(load_system(folder / "secondsite.yaml"), load_catalogue(folder / "catalogue"))
    config = gate_config(deployment_of(kit, "warm-standby/leafnode-mirror"), HOME)
    assert config
    return gate_text(config)


def _rate(promises: tuple[Promise, ...], region: str, until_s: float) -> float:
    """Of the last two seconds before."""
    return sum(one.region == region and until_s - 2.0 < one.acknowledged_s <= until_s for one in promises) / 2.0


async def _held(pair: Pair, region: str) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {}
    async with door(pair, region) as streams:
        for name, _ in STREAMS:
            state = await streams.stream(name)
            assert state
            messages = streams.many(name, 1, state.last_seq, bodies=False)
            held[name] = {message.headers.get("Nats-Msg-Id", "") async for message in messages}
    return held


def test_over_and_back_and_over_again_under_load(
    own_pair: WanPair,
    shop: Path,  # the fixture
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _through_the_wan(own_pair)
    own_pair.keep_gate(_gate(shop))
    silences: dict[str, float] = {}
    with Clients(own_pair) as clients:
        clients.written_in(HOME)
        for number, (direction, left, taken) in enumerate(
            (("failover", HOME, AWAY), ("failback", AWAY, HOME), ("failover", HOME, AWAY))
        ):
            began_s = time.monotonic()
            if direction == "failover":
                own_pair.kill(HOME)
            else:
                own_pair.start(HOME)
            carried_out(direction, monkeypatch, capsys)
            asyncio.run(serves(own_pair, taken))
            clients.written_in(taken)
            now = tuple(clients.promises)
            silences[f"{direction} {number}"] = silence_s(now, began_s, time.monotonic())
            assert not overlap(now, left, taken, began_s)
            if direction == "failback":
                taken_per_s = _rate(now, left, began_s)
                assert not lost(now, asyncio.run(_held(own_pair, HOME)))
    own_pair.start(HOME)
    here, there = asyncio.run(_held(own_pair, HOME)), asyncio.run(_held(own_pair, AWAY))
    assert not lost(clients.promises, {name: here[name] | there[name] for name in there})
    tail = lost(clients.promises, there)
    with capsys.disabled():
        print(f"\n{taken_per_s:.0f} writes/s were acknowledged by {AWAY} as the failback began (peak {PEAK_PER_S}/s)")
        print(f"{len(tail)} acknowledged writes are on the disk of {HOME} alone")
        print(f"longest time without a writer: {silences}; acknowledged: {len(clients.promises)}")
