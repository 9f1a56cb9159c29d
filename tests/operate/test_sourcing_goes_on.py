"""Streams that source others take nothing twice as they are promoted: there, back and by hand, on real servers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from attrs import evolve, frozen
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named, synchronised
from typed_commands import Typist

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import Stream, StreamOrigin
from secondsite.operate.action import ManualContext
from secondsite.operate.executor import Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import PROMOTING
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import commands
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
LEAF = "warm-standby/leafnode-mirror"


@frozen
class Aggregated:
    """Two streams, one that sources the first, and one that sources both and takes writes of its own."""

    pair: Pair
    kit: Kit
    folder: Path
    first: str

    @property
    def second(self) -> str:
        return f"{self.first}2"

    @property
    def plain(self) -> str:
        return f"{self.first}_ALL"

    @property
    def mixed(self) -> str:
        return f"{self.first}_MIXED"

    @property
    def deployment(self) -> Deployment:
        both = (StreamOrigin(self.first), StreamOrigin(self.second))
        return deployment_of(
            self.kit,
            LEAF,
            Stream(self.mixed, subjects=(f"e.{self.mixed}.>",), sources=both),
            Stream(self.plain, sources=both[:1]),
            stream_named(self.first),
            stream_named(self.second),
        )

    async def prepare(self) -> None:
        await create(self.pair, self.deployment)
        await fill(self.pair, HOME, f"e.{self.first}.x", 10)
        await fill(self.pair, HOME, f"e.{self.second}.x", 3)
        await self.hold(HOME, {self.mixed: 13, self.plain: 10})
        await fill(self.pair, HOME, f"e.{self.mixed}.x", 2)
        await synchronised(self.pair, self.deployment)

    async def hold(self, region: str, wanted: Mapping[str, int]) -> None:
        """So many messages and, for a moment, no more; each of them once."""
        for name, count in wanted.items():
            for _ in range(100):
                if len(await self.ids(region, name)) >= count:
                    break
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        for name, count in wanted.items():
            ids = await self.ids(region, name)
            assert [one for one, times in Counter(ids).items() if times > 1] == [], (region, name)
            assert len(ids) == count, (region, name, ids)

    async def ids(self, region: str, name: str) -> list[str]:
        async with door(self.pair, region) as there:
            state = await there.stream(name)
            assert state
            return [m.headers["Nats-Msg-Id"] async for m in there.messages(name, 1, state.last_seq)]

    async def move(self, *, over: bool) -> None:
        deployment = self.deployment
        ready = evolve(self.kit, system=deployment.system)
        procedure = failover(deployment, ready, Fault.REGION) if over else failback(deployment, ready)
        world = make_world(self.pair, self.folder, f"e.{self.first}.path")
        allowed = frozenset({"unfenced"})
        approved = (await make_plan(procedure, deployment, world, allowed=allowed)).hash
        with Journal(self.folder / str(over), world.clock) as journal:
            options = Options(approved=approved, allowed=allowed)
            outcome = await execute(procedure, deployment, world, journal, options=options)
        assert outcome.finished, [str(problem) for problem in outcome.problems]

    async def ahead(self) -> None:
        """The first one's mirror stands still at 10 while three more are written: what copies its aggregate goes on."""
        async with door(self.pair, AWAY) as away:
            state = await away.stream(self.first)
            assert state
            config = {key: value for key, value in state.config.items() if key not in ("mirror", "mirror_direct")}
            await away.update({**config, "subjects": [f"{PROMOTING}.{AWAY}.{self.first}"]})
        await fill(self.pair, HOME, f"e.{self.first}.x", 3, start=20)
        await self.hold(AWAY, {self.plain: 13})


@pytest.fixture
def make_case(pair: Pair, kit: Kit, tmp_path: Path) -> Iterator[Callable[[str], Aggregated]]:
    """Home is there again in the end."""
    yield lambda first: Aggregated(pair, kit, tmp_path, first)
    if HOME not in pair.processes:
        pair.start(HOME)


MakeCase = Callable[[str], Aggregated]


def test_over_and_back_nothing_is_sourced_twice(make_case: MakeCase) -> None:
    """Those of the other side are other streams for the server, which would begin at their first message."""
    case = make_case("S")
    asyncio.run(case.prepare())
    case.pair.kill(HOME)
    asyncio.run(case.move(over=True))
    asyncio.run(fill(case.pair, AWAY, "e.S.x", 4, start=50))
    asyncio.run(case.hold(AWAY, {case.mixed: 20, case.plain: 15}))  # with the path's own write
    case.pair.start(HOME)
    asyncio.run(case.move(over=False))
    asyncio.run(fill(case.pair, HOME, "e.S.x", 2, start=80))
    asyncio.run(case.hold(HOME, {case.mixed: 23, case.plain: 18}))


def test_what_a_source_of_the_copy_never_got_is_not_waited_for(make_case: MakeCase) -> None:
    """The aggregate's copy is ahead of its source's: what the new writers get takes those numbers, and is sourced."""
    case = make_case("V")
    asyncio.run(case.prepare())
    asyncio.run(case.ahead())
    case.pair.kill(HOME)
    asyncio.run(case.move(over=True))
    asyncio.run(fill(case.pair, AWAY, "e.V.x", 4, start=50))
    asyncio.run(case.hold(AWAY, {case.plain: 18}))


def test_by_hand_nothing_is_sourced_twice(make_case: MakeCase, tmp_path: Path) -> None:
    case = make_case("W")
    typist = Typist(tmp_path, {region: case.pair.url(region) for region in (HOME, AWAY)})
    typist.prepare()
    asyncio.run(case.prepare())
    case.pair.kill(HOME)
    deployment = case.deployment
    over = failover(deployment, evolve(case.kit, system=deployment.system), Fault.REGION)
    context = ManualContext(deployment, over, AWAY, Fault.REGION)
    typed = typist.type(commands(context, over.step("promote-streams")))
    assert typed.returncode == 0, typed.stderr
    asyncio.run(fill(case.pair, AWAY, "e.W.x", 4, start=50))
    asyncio.run(case.hold(AWAY, {case.mixed: 19, case.plain: 14}))
