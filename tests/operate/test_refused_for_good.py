"""What is not so is not said, and what is refused for good is no wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeRegion, FakeWorld, refused
from odd_world import AWAY, HOME, Odd, context_of, failover_of, family_of, layout, step_of, told_by

from secondsite.drill.faults.region_loss import promotion_done
from secondsite.model.errors import MachineError
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind
from secondsite.model.procedure import Verb
from secondsite.nats.streams import PublishAnswer
from secondsite.operate.action import FinalError
from secondsite.operate.actions.fence import Fence, takes_writes
from secondsite.operate.actions.promote import Promote
from secondsite.operate.actions.resynchronise import Resynchronise
from secondsite.operate.executor import OperationOutcome
from secondsite.operate.journal import StepRecord, StepState
from secondsite.strategies.compose import failback
from secondsite.strategies.design import Kit


@pytest.mark.parametrize(("domain", "takes"), [(HOME, True), ("", True), (AWAY, False)])
def test_a_copy_of_another_domain_that_answers_is_not_this_one(kit: Kit, domain: str, takes: bool) -> None:
    """Both regions have a stream of that name, and a link that denies nothing carries the probe."""
    deployment = layout(kit)
    world = Odd(deployment, set())

    async def answered(_region: FakeRegion, _call: Any, _subject: str) -> PublishAnswer:
        return PublishAnswer("EVENTS", domain, 0, code=10071)

    world.ways = {"probe": answered}
    family = family_of(world, failover_of(deployment, kit))

    async def asked() -> bool:
        async with world.streams(HOME) as door:
            return await takes_writes(door, family, family.origin)

    assert asyncio.run(asked()) is takes


def test_a_deletion_that_is_refused_for_good_ends_the_step_at_once(kit: Kit) -> None:
    """A stream that denies it; what is refused for the moment is asked again."""
    deployment = layout(kit)
    ready = evolve(kit, system=deployment.system)
    world, over = Odd(deployment, set()), failover_of(deployment, kit)
    asyncio.run(Promote().run(context_of(world, over), step_of(over, Verb.PROMOTE_STREAMS)))
    tried: list[int] = []

    async def denied(_region: FakeRegion, _call: Any, _name: str) -> None:
        tried.append(1)
        raise refused(10008 if len(tried) == 1 else 10110)

    world.ways = {"delete": denied}
    procedure = failback(deployment, ready)
    context = context_of(world, procedure, allowed=frozenset({"not-salvaged"}))
    with pytest.raises(FinalError) as error:
        asyncio.run(Resynchronise().run(context, step_of(procedure, Verb.RESYNCHRONISE)))
    assert told_by(error)[0].startswith(f"{HOME} does not delete ")
    assert len(tried) == 2


def test_a_controller_that_owns_what_a_failback_fences_is_named(kit: Kit) -> None:
    nack = Reconciler(ReconcilerKind.NACK, "events", AWAY, "nats", ("EVENTS",))
    ready = evolve(kit, system=evolve(kit.system, operate=Operate(reconcilers=(nack,))))
    deployment = layout(ready)
    procedure = failback(deployment, evolve(ready, system=deployment.system))
    step = step_of(procedure, Verb.PROMOTE_STREAMS)
    look = Promote().look(context_of(FakeWorld(deployment, set()), procedure), step)
    guards = [guard for guard in asyncio.run(look).guards if guard.id == "reconciled"]
    assert [guard.what for guard in guards] == [
        f"nack nats/events in {AWAY} would revert the subjects of {AWAY}'s streams"
    ]


@pytest.mark.parametrize(("state", "done"), [(StepState.DONE, True), (StepState.FAILED, False), (None, False)])
def test_only_a_promotion_that_was_not_done_was_refused(state: StepState | None, done: bool) -> None:
    """A failover that fails at its record has promoted its streams."""
    steps = {} if state is None else {"promote-streams": StepRecord(state, 1, 0.0, 1.0, {})}
    failed = StepRecord(StepState.FAILED, 1, 0.0, 1.0, {}, "the record was not changed")
    assert promotion_done(OperationOutcome("hash", {**steps, "change-traffic": failed}, ())) is done
    assert not promotion_done(None)


def test_a_failback_does_not_leave_home_unfenced(kit: Kit) -> None:
    """It is silent for a moment, as one that is just started: what it holds is to be salvaged, so it has to answer."""
    deployment = layout(kit)
    procedure = failback(deployment, evolve(kit, system=deployment.system))
    context = context_of(FakeWorld(deployment, {HOME}), procedure, allowed=frozenset({"unfenced"}))
    with pytest.raises(MachineError) as error:
        asyncio.run(Fence().run(context, procedure.steps[0]))
    assert told_by(error)[0].startswith(f"{HOME} does not answer")
