"""A mirror inside the primary's own region (EVENTS_RO of EVENTS): over and back, it goes on following its origin."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import evolve
from fake_world import FakeWorld
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import Consumer, Stream, StreamOrigin
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.nats.streams import StreamApi
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import families
from secondsite.operate.plan import make_plan
from secondsite.operate.world import World
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit

READ_ONLY = "R_RO"
STREAMS = (stream_named("R"), Stream(READ_ONLY, mirror=StreamOrigin("R")))
MIRRORED = ["warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror-witness", "pilot-light/leafnode-mirror"]


def _with_mirror(kit: Kit, *consumers: Consumer) -> Kit:
    cluster = kit.system.nats[0]
    events = next(stream for stream in cluster.streams if stream.name == "EVENTS")
    read_only = evolve(events, name="EVENTS_RO", subjects=(), consumers=consumers, mirror=StreamOrigin("EVENTS"))
    own = evolve(cluster, streams=(*cluster.streams, read_only))
    return evolve(kit, system=evolve(kit.system, nats=(own, *kit.system.nats[1:])))


async def _moved(kit: Kit, deployment: Deployment, world: World, path: Path, *, over: bool) -> OperationOutcome:
    procedure = failover(deployment, kit, Fault.REGION) if over else failback(deployment, kit)
    allowed = frozenset({"unfenced"})
    approved = (await make_plan(procedure, deployment, world, allowed=allowed)).hash
    with Journal(path, world.clock) as journal:
        options = Options(approved=approved, allowed=allowed)
        return await execute(procedure, deployment, world, journal, options=options)


@pytest.mark.parametrize("strategy", MIRRORED)
def test_it_stops_no_failover(kit: Kit, tmp_path: Path, strategy: str) -> None:
    own = _with_mirror(kit)
    deployment = lay_out(Strategy.parse(strategy), own)
    ready = evolve(own, system=deployment.system)
    assert "EVENTS_RO" not in {family.name for family in families(deployment)}
    world = FakeWorld(deployment, {HOME})
    for number, over in enumerate((True, False, True)):
        outcome = asyncio.run(_moved(ready, deployment, world, tmp_path / str(number), over=over))
        assert outcome.finished, [str(problem) for problem in outcome.problems]
        world.dead.clear()


def test_a_plan_says_whose_readers_stand_elsewhere_in_the_other_region(kit: Kit) -> None:
    """Each region has a mirror of its own, and what reads it has a position there alone."""
    own = _with_mirror(kit, Consumer("reports"), Consumer("tail", durable=False))
    deployment = lay_out(Strategy.parse(MIRRORED[0]), own)
    over = failover(deployment, evolve(own, system=deployment.system), Fault.REGION)
    plan = asyncio.run(make_plan(over, deployment, FakeWorld(deployment, {HOME})))
    now = next(one.now for one in plan.steps if one.step.verb is Verb.RESTORE_CONSUMERS)
    what = "reads a mirror inside its region: its position is not copied, and in us-west-2 it has its own"
    assert [line for line in now if "EVENTS_RO" in line] == [f"EVENTS_RO/reports {what}"]


@pytest.mark.slow
def test_over_and_back_it_follows_in_both_regions(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """Five writes never crossed, and the mirror beside them has them: it is made anew with its origin."""
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", *STREAMS)
    ready = evolve(kit, system=deployment.system)
    world = make_world(pair, tmp_path, "e.R.path")
    asyncio.run(create(pair, deployment))
    asyncio.run(fill(pair, HOME, "e.R.x", 20))
    asyncio.run(_follow(pair, HOME, AWAY))
    pair.kill(AWAY)
    asyncio.run(fill(pair, HOME, "e.R.x", 5, start=50))
    asyncio.run(_follow(pair, HOME))
    pair.kill(HOME)
    pair.start(AWAY)
    outcome = asyncio.run(_moved(ready, deployment, world, tmp_path / "over", over=True))
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    asyncio.run(fill(pair, AWAY, "e.R.x", 5, start=100))
    asyncio.run(_follow(pair, AWAY))
    pair.start(HOME)
    outcome = asyncio.run(_moved(ready, deployment, world, tmp_path / "back", over=False))
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    asyncio.run(fill(pair, HOME, "e.R.x", 5, start=200))
    asyncio.run(_follow(pair, HOME))


async def _follow(pair: Pair, *regions: str) -> None:
    """Each copy holds each message of its region's stream once."""
    for region in regions:
        async with door(pair, region) as streams:
            for _ in range(600):
                origin, copy = await _ids(streams, "R"), await _ids(streams, READ_ONLY)
                if origin == copy:
                    break
                await asyncio.sleep(0.1)
            assert origin == copy, region


async def _ids(streams: StreamApi, name: str) -> list[str]:
    state = await streams.stream(name)
    assert state, name
    return [m.headers["Nats-Msg-Id"] async for m in streams.messages(name, 1, state.last_seq)]
