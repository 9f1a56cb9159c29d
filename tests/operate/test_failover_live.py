"""The leaf-node mirror's own procedures, on two real servers: failover, salvage, failback."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from attrs import evolve, frozen
from region_pair import (
    AWAY,
    HOME,
    Pair,
    SameSecrets,
    create,
    deployment_of,
    door,
    fill,
    make_world,
    stream_named,
    synchronised,
)

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.operate.action import Context
from secondsite.operate.actions.fence import fence_returned, takes_writes
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal, StepState
from secondsite.operate.layout import DIVERGED, families
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan, plan_json
from secondsite.operate.positions import replicate_positions
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
LEAF = "warm-standby/leafnode-mirror"


def _show(outcome: OperationOutcome) -> str:
    return "\n".join(str(problem) for problem in outcome.problems)


@frozen
class Case:
    """One deployment with the stream A, and the runs of its procedures."""

    pair: Pair
    deployment: Deployment
    kit: Kit
    world: LiveWorld
    folder: Path

    async def over(self, journal_name: str = "over.jsonl") -> OperationOutcome:
        procedure = failover(self.deployment, self.kit, Fault.REGION)
        with Journal(self.folder / journal_name, self.world.clock) as journal:
            options = Options(allowed=frozenset({"unfenced"}))
            return await execute(procedure, self.deployment, self.world, journal, options=options)

    async def back(self, *, approve: bool) -> OperationOutcome:
        procedure = failback(self.deployment, self.kit)
        plan = await make_plan(procedure, self.deployment, self.world)
        with Journal(self.folder / "back.jsonl", self.world.clock) as journal:
            planned = str(journal.entries[0].data["hash"]) if journal.entries else plan.hash
            options = Options(approved=planned if approve else "")
            return await execute(procedure, self.deployment, self.world, journal, options=options)

    async def prepare(self) -> None:
        """Twenty messages on both sides, ten of them processed."""
        await create(self.pair, self.deployment)
        await fill(self.pair, HOME, "e.A.x", 20)
        await synchronised(self.pair, self.deployment)
        async with door(self.pair, HOME) as home:
            subscription = await home.jetstream.connection.client.jetstream().pull_subscribe("", "worker", "A")
            for message in await subscription.fetch(10, timeout=30):
                await message.ack_sync()
        assert await replicate_positions(self.world, families(self.deployment), HOME, AWAY) == 1

    def lose_home(self) -> None:
        """With five messages that were acknowledged and never crossed."""
        self.pair.kill(AWAY)
        asyncio.run(fill(self.pair, HOME, "e.A.x", 5, start=20))
        self.pair.kill(HOME)
        self.pair.start(AWAY)


async def _check_promoted(pair: Pair) -> None:
    async with door(pair, AWAY) as away:
        look, worker = await away.stream("A"), await away.consumer("A", "worker")
    assert look
    assert worker
    assert (look.subjects, look.is_mirror, look.metadata[DIVERGED]) == (("e.A.>",), False, "20")
    assert worker.floor == 10
    assert worker.pending == 11  # ten that were not processed, and the path's own write


async def _check_home_again(pair: Pair) -> None:
    async with door(pair, HOME) as home, door(pair, AWAY) as away:
        look, other = await home.stream("A"), await away.stream("A")
        worker = await home.consumer("A", "worker")
        assert look
        assert other
        messages = [m async for m in home.messages("A", 1, look.last_seq)]
    assert look.subjects == ("e.A.>",)
    assert other.is_mirror
    ids = {m.headers["Nats-Msg-Id"] for m in messages}
    assert {f"e.A.x-{n}" for n in range(25)} <= ids
    assert len(ids) == len(messages) == look.messages
    assert worker
    assert worker.floor == 10


def test_region_lost_and_back(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """Twenty messages, ten processed; five more never crossed; all of them are there in the end."""
    deployment = deployment_of(kit, LEAF, stream_named("A"))
    world = make_world(pair, tmp_path, "e.A.path")
    case = Case(pair, deployment, evolve(kit, system=deployment.system), world, tmp_path)
    asyncio.run(case.prepare())
    case.lose_home()
    outcome = asyncio.run(case.over())
    assert outcome.finished, _show(outcome)
    assert outcome.steps["fence"].facts["state"] == "unfenced"
    asyncio.run(_check_promoted(pair))

    pair.start(HOME)
    outcome = asyncio.run(case.back(approve=False))
    assert outcome.steps["resynchronise"].state is StepState.WAITING
    assert "--approve" in _show(outcome)
    assert "promote-streams" not in outcome.steps
    outcome = asyncio.run(case.back(approve=True))
    assert outcome.finished, _show(outcome)
    salvaged = outcome.steps["salvage"].facts["streams"]["A"]
    assert (salvaged["diverged"], salvaged["found"], salvaged["republished"]) == (20, 5, 5)
    asyncio.run(_check_home_again(pair))
    _lost_once_more(case)


def _lost_once_more(case: Case) -> None:
    """The roles are as before the first loss, so the same procedure serves the second."""
    pair, name = case.pair, "e.A.x"
    held = asyncio.run(_mirrored_again(pair))
    asyncio.run(fill(pair, HOME, name, 7, start=100))
    asyncio.run(synchronised(pair, case.deployment))
    pair.kill(HOME)
    try:
        outcome = asyncio.run(case.over("again.jsonl"))
        assert outcome.finished, _show(outcome)
        asyncio.run(_check_promoted_again(pair, held + 7))
    finally:
        pair.start(HOME)


async def _mirrored_again(pair: Pair) -> int:
    """Where both sides end."""
    async with door(pair, HOME) as home, door(pair, AWAY) as away:
        look, copy = await home.stream("A"), await away.stream("A")
    assert look
    assert copy
    assert copy.is_mirror
    assert copy.last_seq == look.last_seq
    return look.last_seq


async def _check_promoted_again(pair: Pair, last: int) -> None:
    async with door(pair, AWAY) as away:
        look, worker = await away.stream("A"), await away.consumer("A", "worker")
        assert look
        assert worker
        assert (look.subjects, look.is_mirror, look.metadata[DIVERGED]) == (("e.A.>",), False, str(last))
        assert worker.floor == 10
        found = {m.headers["Nats-Msg-Id"] async for m in away.messages("A", 1, look.last_seq)}
    assert {f"e.A.x-{n}" for n in (*range(25), *range(100, 107))} <= found


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

    async def run() -> OperationOutcome:
        with Journal(tmp_path / "run.jsonl", world.clock) as journal:
            return await execute(procedure, deployment, world, journal, options=Options(approved="0" * 16))

    with pytest.raises(InputError, match="differs from what was approved"):
        asyncio.run(run())


def test_a_primary_that_comes_back_is_fenced(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """Unfenced while it was dead; the failover is done, it returns and takes writes, until somebody fences it."""
    deployment = deployment_of(kit, LEAF, stream_named("Z"))
    world = make_world(pair, tmp_path, "e.Z.path")
    case = Case(pair, deployment, evolve(kit, system=deployment.system), world, tmp_path)
    asyncio.run(create(pair, deployment))
    pair.kill(HOME)
    assert asyncio.run(case.over()).finished
    pair.start(HOME)
    family = families(deployment)[0]
    procedure = failover(deployment, case.kit, Fault.REGION)
    context = Context(deployment, procedure, world, {}, lambda _kind, _facts: None)

    async def writable() -> bool:
        async with door(pair, HOME) as home:
            return await takes_writes(home, family, family.origin)

    assert asyncio.run(writable())
    assert asyncio.run(fence_returned(context, HOME))
    assert not asyncio.run(writable())


def test_stale_secrets_stop_the_traffic(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    deployment = deployment_of(kit, LEAF, stream_named("S"))
    stale = SameSecrets({"api-secrets": b"of last year"})
    world = make_world(pair, tmp_path, "e.S.path", secrets=stale)
    asyncio.run(create(pair, deployment))
    procedure = failover(deployment, evolve(kit, system=deployment.system), Fault.GRAY)
    plan = asyncio.run(make_plan(procedure, deployment, world))
    assert [problem.what for problem in plan.refusals] == ["the standby's api-secrets differs from the primary's"]
    assert "of last year" not in str(plan_json(plan))


def test_a_frozen_region_is_unfenced_and_left(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """It takes connections and answers nothing, until it wakes: then it takes writes, and is fenced."""
    deployment = deployment_of(kit, LEAF, stream_named("F"))
    world = make_world(pair, tmp_path, "e.F.path", reach_s=0.5)
    case = Case(pair, deployment, evolve(kit, system=deployment.system), world, tmp_path)
    asyncio.run(create(pair, deployment))
    pair.signal(HOME, signal.SIGSTOP)
    try:
        outcome = asyncio.run(case.over())
    finally:
        pair.signal(HOME, signal.SIGCONT)
    assert outcome.finished, _show(outcome)
    assert outcome.steps["fence"].facts["state"] == "unfenced"
    procedure = failover(deployment, case.kit, Fault.REGION)
    assert asyncio.run(fence_returned(Context(deployment, procedure, world, {}, lambda _kind, _facts: None), HOME))
