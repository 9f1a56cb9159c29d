"""After an origin was restored, its copies by the commands that the runbook prints, on real servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import evolve
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, stream_named, synchronised
from typed_commands import Typist

from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster, Stream, StreamOrigin
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import ManualContext
from secondsite.operate.verbs import commands
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

COPIES = "copies-anew"


@pytest.mark.slow
def test_a_mirror_of_a_restored_origin_stands_still_until_it_is_made_anew(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("R"))
    plain, deployment = deployment, evolve(deployment, clusters=tuple(map(_with_aggregate, deployment.clusters)))
    found = procedures(deployment, evolve(kit, system=deployment.system))[Fault.BAD_WRITE]
    step = found.step(COPIES)
    assert step.after == (str(Verb.RESTORE_STREAMS),)
    typist = Typist(tmp_path, {region: pair.url(region) for region in (HOME, AWAY)})
    typist.prepare()

    async def before() -> None:
        await create(pair, plain)
        async with door(pair, AWAY) as away:
            await away.create({"name": "R_ALL", "sources": [{"name": "R"}], "num_replicas": 1})
        await fill(pair, HOME, "e.R.x", 20)
        await synchronised(pair, plain)
        assert await _settled(pair, "R_ALL", 20) == 20
        async with door(pair, HOME) as home:  # as a restore leaves it: the same name, another stream
            state = await home.stream("R")
            assert state
            await home.delete("R")
            await home.create({**state.config})
        await fill(pair, HOME, "e.R.x", 8, start=100)
        assert await _settled(pair, "R", 8) == 20, "the mirror copies nothing of it"

    async def after() -> None:
        assert await _settled(pair, "R", 8) == 8
        assert await _settled(pair, "R_ALL", 8) == 8
        await fill(pair, HOME, "e.R.x", 2, start=200)
        assert await _settled(pair, "R", 10) == 10

    asyncio.run(before())
    lines = list(commands(ManualContext(deployment, found, HOME, Fault.BAD_WRITE), step))
    typed = typist.type(lines)
    assert typed.returncode == 0, (typed.stderr, lines)
    asyncio.run(after())
    assert list((tmp_path / "replaced").rglob("*")), "what is no mirror was saved before it was deleted"


def _with_aggregate(cluster: NatsCluster) -> NatsCluster:
    """In the standby's region a stream that sources the mirror there."""
    if cluster.region != AWAY:
        return cluster
    sources = (StreamOrigin("R", region=AWAY),)
    return evolve(cluster, streams=(*cluster.streams, Stream("R_ALL", sources=sources)))


async def _settled(pair: Pair, name: str, wanted: int) -> int:
    """How many messages the standby's stream has, after some time to get as many as are wanted."""
    count = -1
    for _ in range(60):
        async with door(pair, AWAY) as away:
            state = await away.stream(name)
            count = state.messages if state else -1
        if count == wanted:
            break
        await asyncio.sleep(0.05)
    return count


@pytest.mark.parametrize("strategy", [one for one in STRATEGIES if one.link], ids=str)
@pytest.mark.parametrize("fault", [Fault.DELETION, Fault.BAD_WRITE])
def test_each_procedure_for_destroyed_data_makes_the_copies_anew(kit: Kit, strategy: Strategy, fault: Fault) -> None:
    deployment = lay_out(strategy, kit)
    steps = procedures(deployment, kit)[fault].steps
    copied = any(s.mirror or s.sources for c in deployment.clusters for s in c.streams)
    restores = any(step.verb is Verb.RESTORE_STREAMS and not step.blocked for step in steps)
    assert any(step.id == COPIES for step in steps) is (copied and restores)
