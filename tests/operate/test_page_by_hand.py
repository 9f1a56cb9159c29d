"""The published page by nobody but a person: each fenced block of the region's chapter and of the way back, typed as it
stands there, on three servers in each of two regions, while clients write; judged by the laws of a drill.

What a block leaves to a person in words (configuration and restarts of servers) is done between its lines.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest
from drilling import LEAFNODE, setup_of
from typed_commands import Typist

from secondsite.drill.explore.laws import Promise, lost, overlap, silence_s
from secondsite.drill.explore.writers import RegionWriter
from secondsite.drill.play.final_reads import all_led
from secondsite.drill.play.lab_world import LabSites, place
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.nats.tasks import end_tasks
from secondsite.operate.layout import families, probe_subject
from secondsite.operate.positions import STREAM as POSITIONS

pytestmark = [pytest.mark.slow, pytest.mark.drills]
PAGE = Path(__file__).parents[2] / "examples/kgents/docs/saas/runbook.md"
HOME, AWAY = "us-east-1", "us-west-2"
JOINED = "# nats.conf as rendered"
NEEDS_HOME = (2, 3)
"""Steps of the failover that ask the lost region: the page says what to do where it does not answer."""


def blocks(heading: str) -> dict[int, list[str]]:
    """By step, the lines of its fenced block."""
    text = PAGE.read_text("utf-8")
    chapter = re.split(r"\n##+ ", text.split(f"\n### {heading}", 1)[1].replace("\n#### ", "\n@@@@ "), maxsplit=1)[0]
    steps = re.findall(r"\n@@@@ (\d+)\..*?\n```sh\n(.*?)```", chapter, re.DOTALL)
    return {int(number): block.splitlines() for number, block in steps}


def test_the_page_has_a_block_for_each_step() -> None:
    assert sorted(blocks("Fault: region")) == list(range(1, 14))
    assert sorted(blocks("Failback to us-east-1")) == list(range(1, 17))


class Scene:
    """A lab, who types, and what clients were promised."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.promises = lab, list[Promise]()
        self.typist = Typist(folder, {r: lab.nats_urls(r, operator=True)[0] for r in (HOME, AWAY)})
        self.typist.prepare()
        self.families = families(lab.deployment)
        subjects = [(family.name, probe_subject(family.subjects[0])) for family in self.families]
        self.writers = {
            region: RegionWriter(region, _client(lab, region), subjects, self.promises, 0.05) for region in (HOME, AWAY)
        }
        self.tasks: list[asyncio.Task[None]] = []

    def write(self, region: str) -> None:
        self.tasks.append(asyncio.ensure_future(self.writers[region].run()))

    async def quiet(self) -> None:
        await end_tasks(*self.tasks)
        self.tasks.clear()

    async def written(self, region: str) -> None:
        since_s = time.monotonic()
        wanted = {family.name for family in self.families}
        while not wanted <= {one.stream for one in self.promises if one.region == region and one.sent_s > since_s}:
            assert time.monotonic() < since_s + 60, f"nobody writes in {region}"
            await asyncio.sleep(0.1)

    async def type(self, lines: list[str]) -> None:
        done = await asyncio.to_thread(self.typist.type, lines)
        assert done.returncode == 0, (lines, done.stdout[-500:], done.stderr[-1500:])

    async def held(self, region: str) -> dict[str, set[str]]:
        held: dict[str, set[str]] = {}
        async with place(self.lab, region).open() as opened:
            streams = StreamApi(opened)
            for family in self.families:
                state = await streams.stream(family.name)
                assert state
                messages = streams.many(family.name, 1, state.last_seq, bodies=False)
                held[family.name] = {message.headers.get("Nats-Msg-Id", "") async for message in messages}
        return held


def _client(lab: Lab, region: str) -> NatsPlace:
    return NatsPlace(parse_addresses(lab.nats_url(region)), ConnectOptions(timeout_s=2.0))


def test_over_and_back_by_the_blocks_of_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_there_and_back(tmp_path, capsys))


async def _there_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployment = setup_of(LEAFNODE).deployment
    async with Lab.up(deployment, LabOptions(services=False, positions_s=1.0, rtt_ms={(HOME, AWAY): 65.0})) as lab:
        scene, sites = Scene(lab, folder), LabSites(lab)
        scene.write(HOME)
        await scene.written(HOME)
        await scene.quiet()
        await _over_there(lab)
        await lab.kill_region(HOME)
        began_s = time.monotonic()
        scene.write(AWAY)
        for number, lines in blocks("Fault: region").items():
            if number not in NEEDS_HOME:
                await scene.type(lines)
        await scene.written(AWAY)
        over_s = silence_s(scene.promises, began_s, time.monotonic())
        promised = tuple(scene.promises)
        assert not lost(promised, await scene.held(AWAY))
        began_s = time.monotonic()
        scene.write(HOME)
        for number, lines in blocks("Failback to us-east-1").items():
            if number == 1:
                await sites.isolate(HOME)
                await all_led(place(lab, HOME), [family.name for family in scene.families], 30.0)
            joins = next((at for at, line in enumerate(lines) if line.startswith(JOINED)), None)
            if joins is None:
                await scene.type(lines)
                continue
            await scene.type(lines[:joins])
            await sites.join(HOME)
            await lab.answers(HOME)
            await _linked(lab)
            await scene.type(lines[joins:])
        await scene.written(HOME)
        back_s = silence_s(scene.promises, began_s, time.monotonic())
        await scene.quiet()
        assert not overlap(scene.promises, AWAY, HOME, began_s)
        assert not lost(scene.promises, await scene.held(HOME))
        async with place(lab, AWAY).open() as opened:
            states = [await StreamApi(opened).stream(family.name) for family in scene.families]
        assert all(state and state.is_mirror for state in states)
        async with place(lab, HOME).open() as opened:
            consumers = await StreamApi(opened).consumers("kgent-events")
        assert {one.name for one in consumers} == {"sse-fanout", "metering"}
    with capsys.disabled():
        print(f"\nlongest time without a writer, as fast as it is typed here: over {over_s:.1f} s, back {back_s:.1f} s")


async def _over_there(lab: Lab) -> None:
    """Until the consumers' positions are, and for a moment more: the last messages too."""
    async with place(lab, AWAY).open() as opened:
        deadline = time.monotonic() + 60
        while (state := await StreamApi(opened).stream(POSITIONS)) is None or state.messages < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    await asyncio.sleep(2.0)


async def _linked(lab: Lab) -> None:
    """Until the leaf link is there: what is created before waits for 40 s."""
    async with place(lab, HOME).open() as opened:
        deadline = time.monotonic() + 60
        while not await StreamApi(opened).reaches(AWAY):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
