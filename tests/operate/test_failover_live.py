"""The leaf-node mirror's own procedures, on two real servers: failover, salvage, failback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import evolve
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named, synchronised

from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.operate.executor import Options, Outcome, execute
from secondsite.operate.journal import Journal, State
from secondsite.operate.layout import DIVERGED, families
from secondsite.operate.plan import make_plan
from secondsite.operate.positions import replicate_positions
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
LEAF = "warm-standby/leafnode-mirror"


def _show(outcome: Outcome) -> str:
    return "\n".join(str(problem) for problem in outcome.problems)


def test_region_lost_and_back(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """Twenty messages, ten processed; five more never crossed; all of them are there in the end."""
    deployment = deployment_of(kit, LEAF, stream_named("A"))
    world = make_world(pair, tmp_path, "e.A.path")

    async def before() -> None:
        await create(pair, deployment)
        await fill(pair, HOME, "e.A.x", 20)
        await synchronised(pair, deployment)
        async with door(pair, HOME) as home:
            subscription = await home.jetstream.connection.client.jetstream().pull_subscribe("", "worker", "A")
            for message in await subscription.fetch(10, timeout=5):
                await message.ack_sync()
        assert await replicate_positions(world, families(deployment), HOME, AWAY) == 1

    asyncio.run(before())
    pair.kill(AWAY)
    asyncio.run(fill(pair, HOME, "e.A.x", 5, start=20))
    pair.kill(HOME)
    pair.start(AWAY)

    async def over() -> Outcome:
        with Journal(tmp_path / "over.jsonl", world.clock) as journal:
            return await execute(
                failover(deployment, evolve(kit, system=deployment.system), Fault.REGION), deployment, world, journal
            )

    outcome = asyncio.run(over())
    assert outcome.finished, _show(outcome)
    assert outcome.steps["fence"].facts["state"] == "unfenced"

    async def promoted() -> None:
        async with door(pair, AWAY) as away:
            look = await away.stream("A")
            assert look
            assert look.subjects == ("e.A.>",)
            assert not look.is_mirror
            assert look.metadata[DIVERGED] == "20"
            worker = await away.consumer("A", "worker")
            assert worker
            assert worker.config["opt_start_seq"] == 11
            assert worker.pending == 11  # ten that were not processed, and the path's own write

    asyncio.run(promoted())

    pair.start(HOME)
    back = failback(deployment, evolve(kit, system=deployment.system))

    async def return_home(approve: bool) -> Outcome:
        plan = await make_plan(back, deployment, world)
        with Journal(tmp_path / "back.jsonl", world.clock) as journal:
            approved = str(journal.entries[0].data["hash"]) if journal.entries else plan.hash
            return await execute(
                back, deployment, world, journal, options=Options(approved=approved if approve else "")
            )

    outcome = asyncio.run(return_home(False))
    assert outcome.steps["resynchronise"].state is State.WAITING
    assert "--approve" in _show(outcome)
    assert "promote-streams" not in outcome.steps
    outcome = asyncio.run(return_home(True))
    assert outcome.finished, _show(outcome)
    salvaged = outcome.steps["salvage"].facts["streams"]["A"]
    assert (salvaged["diverged"], salvaged["found"], salvaged["republished"]) == (20, 5, 5)

    async def home_again() -> None:
        async with door(pair, HOME) as home, door(pair, AWAY) as away:
            look, other = await home.stream("A"), await away.stream("A")
            assert look
            assert other
            assert look.subjects == ("e.A.>",)
            assert other.subjects != look.subjects
            messages = [m async for m in home.messages("A", 1, look.last_seq)]
            ids = {m.headers["Nats-Msg-Id"] for m in messages}
            assert {f"e.A.x-{n}" for n in range(25)} <= ids
            assert len(ids) == len(messages) == look.messages
            assert (await home.consumers("A"))[0].name == "worker"

    asyncio.run(home_again())


def test_plan_is_refused_when_it_changed(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    deployment = deployment_of(kit, LEAF, stream_named("P"))
    asyncio.run(create(pair, deployment))
    world = make_world(pair, tmp_path, "e.P.path")
    procedure = failover(deployment, evolve(kit, system=deployment.system), Fault.GRAY)
    plan = asyncio.run(make_plan(procedure, deployment, world))
    assert not plan.refusals
    assert plan.hash == asyncio.run(make_plan(procedure, deployment, world)).hash
    told = [change for step in plan.steps for change in step.changes]
    assert "P in us-east-1: subjects e.P.> -> secondsite.fenced.us-east-1.P" in told
    assert "P in us-west-2: mirror removed, subjects e.P.>" in told

    async def run() -> Outcome:
        with Journal(tmp_path / "run.jsonl", world.clock) as journal:
            return await execute(procedure, deployment, world, journal, options=Options(approved="0" * 16))

    with pytest.raises(InputError, match="is not what was approved"):
        asyncio.run(run())
