"""The published page by nobody but a person: each fenced block of the region's chapter and of the way back, typed as it
stands there, checks too, on three servers in each of two regions, a database, a Redis with data and secrets, while
clients write; judged by the laws of a drill.

What a block leaves to a person in words (configuration, stops and starts of servers) is done between its lines.
"""

from __future__ import annotations

import asyncio
import csv
import re
import subprocess
import time
from pathlib import Path

import pytest
from attrs import evolve, frozen
from drilling import LEAFNODE
from postgres_pair import PostgresPair
from redis_lab import RedisLab
from typed_commands import Typist
from typed_stores import TypedStores, typed_stores

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.explore.laws import Promise, lost, overlap, silence_s
from secondsite.drill.explore.writers import RegionWriter
from secondsite.drill.play.final_reads import all_led
from secondsite.drill.play.keys import saved_key_ids
from secondsite.drill.play.lab_world import LabSites, place
from secondsite.lab.options import LabOptions
from secondsite.lab.postgres_files import prefix
from secondsite.lab.world import Lab
from secondsite.model.secret import Secret
from secondsite.model.strategy import Strategy
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.nats.tasks import end_tasks
from secondsite.operate.layout import families, probe_subject
from secondsite.operate.positions import STREAM as POSITIONS
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

pytestmark = [pytest.mark.slow, pytest.mark.drills]
EXAMPLE = Path(__file__).parents[2] / "examples/kgents"
PAGE = EXAMPLE / "docs/saas/runbook.md"
STOPPED, STARTED = "# stop the server in", "# start the server in"
HOME, AWAY = "us-east-1", "us-west-2"
JOINED = "# nats.conf as rendered"
LOOKS_FOR_S = 20.0
NEEDS_HOME = (2, 3)
"""Steps of the failover that ask the lost region: the page says what to do where it does not answer."""


@frozen
class Block:
    """What a step has to be typed, and what to look with that it is done."""

    lines: list[str]
    checks: list[str]


def blocks(heading: str, page: Path = PAGE) -> dict[int, Block]:
    """By step."""
    text = page.read_text("utf-8")
    chapter = re.split(r"\n##+ ", text.split(f"\n### {heading}", 1)[1].replace("\n#### ", "\n@@@@ "), maxsplit=1)[0]
    steps = {int(one.partition(".")[0]): re.findall(r"```sh\n(.*?)```", one, re.DOTALL) for one in _steps(chapter)}
    return {number: Block(*[(*typed, "")[at].splitlines() for at in (0, 1)]) for number, typed in steps.items()}


def _steps(chapter: str) -> list[str]:
    return chapter.split("\n@@@@ ")[1:]


def published(folder: Path) -> Path:
    """The runbook of the example, but for its Redis, which holds data here."""
    folder.mkdir()
    text = (EXAMPLE / "secondsite.yaml").read_text("utf-8")
    stores = text.index("\nstores:")
    redis = text[stores:].replace("loss: cache", "loss: data", 1)
    assert redis != text[stores:]
    (folder / "secondsite.yaml").write_text(text[:stores] + redis, "utf-8")
    command = ("publish", str(folder / "docs"), "--file", str(folder / "secondsite.yaml"), "--years", "2000")
    assert run([*command, "--quiet"]) == 0
    return folder / "docs/runbook.md"


def test_the_page_has_a_block_for_each_step() -> None:
    assert sorted(blocks("Fault: region")) == list(range(1, 14))
    assert sorted(blocks("Failback to us-east-1")) == list(range(1, 17))


class Scene:
    """A lab, who types, and what clients were promised."""

    def __init__(self, lab: Lab, folder: Path, stores: TypedStores) -> None:
        self.lab, self.promises, self.stores = lab, list[Promise](), stores
        self.rows, self.keys = PostgresPair(lab), RedisLab(lab)
        urls = {r: lab.nats_urls(r, operator=True)[0] for r in (HOME, AWAY)}
        self.typist = Typist(folder, urls, "qdrant", stores.logins())
        self.typist.prepare()
        stores.write_kubectl(folder / "bin" / "kubectl")
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

    async def type(self, lines: list[str], region: str = "") -> None:
        done = await self.typed(lines, region)
        assert done.returncode == 0, (lines, done.stdout[-500:], done.stderr[-1500:])

    async def typed(self, lines: list[str], region: str = "") -> subprocess.CompletedProcess[str]:
        """``region``: on whose database's machine."""
        data = {"PGDATA": str(self.rows.host(region).data)} if region else {}
        return await asyncio.to_thread(evolve(self.typist, more={**self.typist.more, **data}).type, lines)

    async def carry_out(self, block: Block) -> None:
        """Its lines, with a database stopped and started where they say so, then its checks."""
        region, lines = "", list[str]()
        for line in block.lines:
            if not line.startswith((STOPPED, STARTED)):
                lines.append(line)
                continue
            await self.type(lines, region)
            lines, region = [], HOME if HOME in line else AWAY
            name = self.rows.name(region)
            if line.startswith(STARTED):
                await self.lab.restart(name)
                continue
            stop = (*prefix(), "pg_ctl", *line.partition(": pg_ctl ")[2].split(), "-m", "fast")
            await self.type([" ".join(stop)], region)
        await self.type(lines, region)
        await self.check(block.checks)

    async def check(self, lines: list[str]) -> None:
        """As who reads the page: looks again, for a while, before saying that it does not hold."""
        deadline = time.monotonic() + LOOKS_FOR_S
        while (done := await self.typed(lines)).returncode:
            assert time.monotonic() < deadline, (lines, done.stdout[-500:], done.stderr[-1500:])
            await asyncio.sleep(1.0)

    async def write_rows(self, region: str, *ids: str) -> None:
        await self.rows.write(region, *ids)
        await self.keys.write(region, *ids)

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
    page = await asyncio.to_thread(published, folder / "shop")
    kit = Kit.of(load_system(page.parents[1] / "secondsite.yaml"), load_catalogue())
    deployment = lay_out(Strategy.parse(LEAFNODE), kit)
    options = LabOptions(services=False, databases=True, positions_s=1.0, rtt_ms={(HOME, AWAY): 65.0})
    async with Lab.up(deployment, options) as lab:
        with typed_stores(lab, folder / "stores") as stores:
            await _carried_out(Scene(lab, folder, stores), page, capsys)


async def _carried_out(scene: Scene, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab, over, back = scene.lab, blocks("Fault: region", page), blocks("Failback to us-east-1", page)
    (compared,) = [block for block in over.values() if block.lines[0].startswith("digest()")]
    (promoted,) = [block for block in over.values() if any("pg_promote" in line for line in block.lines)]
    _put_secrets(scene.stores, HOME, AWAY)
    await scene.carry_out(compared)  # as at the last drill: the digests of the region that is lost stay
    scene.write(HOME)
    await scene.written(HOME)
    await scene.quiet()
    await _replicated(scene, "a", "b")
    await _over_there(lab)
    await lab.wan.cut(HOME, AWAY)
    await scene.write_rows(HOME, "only there")
    await lab.kill_region(HOME)
    await lab.wan.heal(HOME, AWAY)
    scene.stores.lose(HOME)
    _rotate(scene.stores, AWAY)
    began_s = time.monotonic()
    scene.write(AWAY)
    for number, block in over.items():
        if number in NEEDS_HOME:
            continue
        if block is compared:
            await scene.type(block.lines)
            assert (await scene.typed(block.checks)).returncode == 1  # rotated in one region alone
            _put_secrets(scene.stores, AWAY)
        await scene.carry_out(block)
    await scene.written(AWAY)
    over_s = silence_s(scene.promises, began_s, time.monotonic())
    assert not lost(tuple(scene.promises), await scene.held(AWAY))
    await scene.write_rows(AWAY, "c")
    back_s = await _bring_back(scene, back)
    assert await scene.rows.ids(HOME) == ["a", "b", "c"]
    assert await scene.keys.ids(HOME) == {"a", "b", "c"}
    saved = _saved(scene.typist.folder / "rows")
    assert saved == {"us-east-1-postgres": ["only there"], "us-east-1-redis": ["only there"]}
    await _replicated(scene, "d")
    lab.kill(*[one.name for fleet in lab.stores.each for one in fleet.databases if one.region == HOME])
    await scene.carry_out(promoted)
    await scene.write_rows(AWAY, "e")  # nobody is fenced out of what was fenced on the way back
    assert await scene.rows.ids(AWAY) == ["a", "b", "c", "d", "e"]
    assert await scene.keys.ids(AWAY) == {"a", "b", "c", "d", "e"}
    with capsys.disabled():
        print(f"\nlongest time without a writer, as fast as it is typed here: over {over_s:.1f} s, back {back_s:.1f} s")


async def _replicated(scene: Scene, *ids: str) -> None:
    await scene.write_rows(HOME, *ids)
    await scene.rows.caught_up()
    await scene.keys.caught_up()


async def _bring_back(scene: Scene, back: dict[int, Block]) -> float:
    """The longest time without a writer."""
    lab, sites = scene.lab, LabSites(scene.lab)
    scene.stores.lose(HOME, False)
    began_s = time.monotonic()
    scene.write(HOME)
    for number, block in back.items():
        if number == 1:
            await sites.isolate(HOME)
            await all_led(place(lab, HOME), [family.name for family in scene.families], 30.0)
        joins = next((at for at, line in enumerate(block.lines) if line.startswith(JOINED)), None)
        if joins is None:
            await scene.carry_out(block)
            continue
        await scene.type(block.lines[:joins])
        await sites.join(HOME)
        await lab.answers(HOME)
        await _linked(lab)
        await scene.carry_out(evolve(block, lines=block.lines[joins:]))
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
    return back_s


def _put_secrets(stores: TypedStores, *regions: str) -> None:
    for region in regions:
        for secret in stores.lab.deployment.system.secrets:
            _put(stores, region, secret, "of today")


def _rotate(stores: TypedStores, region: str) -> None:
    _put(stores, region, stores.lab.deployment.system.secrets[-1], "of tomorrow")


def _put(stores: TypedStores, region: str, secret: Secret, value: str) -> None:
    """Beside what counts of it something that is each region's own."""
    values = {**dict.fromkeys(secret.keys or ("password",), value), **({"region": region} if secret.keys else {})}
    stores.put(region, secret.namespace, secret.object_name, values)


def _saved(folder: Path) -> dict[str, list[str]]:
    """By store of a region, the ids of the load in what was saved of it."""
    found: dict[str, list[str]] = {}
    for path in folder.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            found.setdefault(path.relative_to(folder).parts[0], []).extend(row["id"] for row in csv.DictReader(file))
    for kept in {path.parent for path in folder.rglob("keys.only-there.jsonl")}:
        found.setdefault(kept.relative_to(folder).parts[0], []).extend(sorted(saved_key_ids(kept)))
    return found


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
