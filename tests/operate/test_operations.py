"""An operation has an identity: what was approved for one incident, or for one state, does nothing in another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from fake_world import FakeWorld

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Writers
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.abort import Aborted, abort
from secondsite.operate.action import FinalError, Guard, Prospect
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import (
    EntryKind,
    Journal,
    OperationEnd,
    StepState,
    archive,
    end_of,
    read_journal,
    records,
    unfenced,
)
from secondsite.operate.plan import Plan, make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.writer_lease import WriterRecord
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.rights import WRITERS_STREAM

HOME, AWAY = "us-east-1", "us-west-2"
LOST = frozenset({"unfenced"})
NOT_UNDONE = {
    *(Verb.CREATE_CLUSTER, Verb.START_SERVICES, Verb.SCALE_SERVICES, Verb.RESTORE_STORES, Verb.PROMOTE_STORES),
    *(Verb.RESTORE_STREAMS, Verb.SALVAGE, Verb.RESYNCHRONISE, Verb.FOLLOW_STORES, Verb.CHANGE_TRAFFIC),
}
"""What whoever gives up finds done."""


@frozen
class Operators:
    """Anybody with a terminal: each ``who`` has a journal of its own, on a machine of its own."""

    deployment: Deployment
    kit: Kit
    world: FakeWorld
    folder: Path

    def procedure(self, fault: Fault | None) -> Procedure:
        if fault is None:
            return failback(self.deployment, self.kit)
        return failover(self.deployment, self.kit, fault)

    def plan(self, fault: Fault | None) -> Plan:
        return asyncio.run(make_plan(self.procedure(fault), self.deployment, self.world, allowed=LOST))

    def path(self, who: str, fault: Fault | None) -> Path:
        return self.folder / who / ("failback" if fault is None else "failover")

    def go(
        self, who: str, fault: Fault | None, approve: str = "", world: Any = None, **options: Any
    ) -> OperationOutcome:
        async def run() -> OperationOutcome:
            with Journal(self.path(who, fault), self.world) as journal:
                if journal.entries and end_of(journal.entries) is not OperationEnd.OPEN and world is None:
                    archive(journal)
            with Journal(self.path(who, fault), self.world) as journal:
                chosen = Options(approved=approve, allowed=LOST, **options)
                return await execute(
                    self.procedure(fault), self.deployment, world or self.world, journal, options=chosen
                )

        return asyncio.run(run())

    def give_up(self, who: str, fault: Fault | None) -> Aborted:
        async def run() -> Aborted:
            with Journal(self.path(who, fault), self.world) as journal:
                return await abort(self.procedure(fault), self.deployment, self.world, journal)

        return asyncio.run(run())

    def writers(self) -> set[str]:
        return {
            region
            for region, held in self.world.regions.items()
            for stream in held.values()
            if not stream.config.get("mirror") and "events.>" in (stream.config.get("subjects") or ())
        }


@pytest.fixture
def operators(kit: Kit, tmp_path: Path) -> Operators:
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    ready = evolve(kit, system=deployment.system)
    return Operators(deployment, ready, FakeWorld(deployment, set()), tmp_path)


def test_a_second_incident_is_another_operation(operators: Operators) -> None:
    """With a hash of its own, so that what was approved for the first approves nothing now; and it is carried out."""
    operators.world.dead.add(HOME)
    first = operators.plan(Fault.REGION)
    assert operators.go("ann", Fault.REGION, first.hash).finished
    operators.world.dead.clear()
    back = operators.plan(None)
    assert operators.go("ann", None, back.hash).finished
    assert operators.writers() == {HOME}

    operators.world.dead.add(HOME)
    second = operators.plan(Fault.REGION)
    assert second.operation != first.operation
    assert second.hash != first.hash
    with pytest.raises(InputError, match="differs from what was approved"):
        operators.go("ann", Fault.REGION, first.hash)
    outcome = operators.go("ann", Fault.REGION, second.hash)
    assert outcome.finished
    assert not operators.world.regions[AWAY]["EVENTS"].config.get("mirror")
    archived = list((operators.folder / "ann" / "operations").iterdir())
    assert [path.name.startswith(first.operation) for path in archived] == [True]


def test_the_same_state_is_the_same_operation_for_everybody(operators: Operators) -> None:
    assert operators.plan(Fault.GRAY).operation == operators.plan(Fault.GRAY).operation
    assert operators.plan(Fault.GRAY).hash == operators.plan(Fault.GRAY).hash


def test_resuming_what_is_done_leaves_a_home_that_serves_again(operators: Operators) -> None:
    """It was unfenced when it was lost; since then it was failed back to, and nobody else takes writes."""
    operators.world.dead.add(HOME)
    assert operators.go("ann", Fault.REGION).finished
    operators.world.dead.clear()
    assert operators.go("bob", None, operators.plan(None).hash).finished
    assert operators.writers() == {HOME}
    outcome = operators.go("ann", Fault.REGION, world=operators.world)
    assert operators.writers() == {HOME}
    assert unfenced(outcome.steps) == ()


def test_two_operators_and_one_failback(operators: Operators) -> None:
    """One stops at the approval, the other finishes; what the first approves then must not delete what serves."""
    operators.world.dead.add(HOME)
    assert operators.go("ann", Fault.REGION).finished
    operators.world.dead.clear()
    stopped = operators.go("ann", None)
    assert stopped.steps["resynchronise"].state is StepState.WAITING
    assert operators.go("bob", None, operators.plan(None).hash).finished
    kept = [message.sequence for message in operators.world.regions[HOME]["EVENTS"].messages]
    resumed = operators.go("ann", None, stopped.plan_hash)
    assert resumed.steps["resynchronise"].state is StepState.FAILED
    assert "us-east-1 serves" in resumed.steps["resynchronise"].why
    assert operators.writers() == {HOME}
    assert [message.sequence for message in operators.world.regions[HOME]["EVENTS"].messages] == kept


def test_a_region_that_serves_is_not_stopped_unasked(operators: Operators) -> None:
    plan = operators.plan(Fault.REGION)
    assert plan.stops == (f"stop {HOME}",)
    outcome = operators.go("ann", Fault.REGION)
    assert outcome.steps["fence"].state is StepState.WAITING
    assert f"{HOME} takes" in outcome.steps["fence"].why
    assert f"--approve {plan.hash}" in outcome.steps["fence"].remedy
    assert operators.writers() == {HOME}
    assert operators.go("ann", Fault.REGION, plan.hash).finished
    assert operators.writers() == {AWAY}


def test_one_that_came_back_since_it_was_planned_is_not_what_was_approved(operators: Operators) -> None:
    """Marked unfenced was approved; stopping it was not, and is approved by itself."""
    operators.world.dead.add(HOME)
    plan = operators.plan(Fault.REGION)
    first = operators.procedure(Fault.REGION).steps[0]
    revived = {**EXECUTORS, first.verb: _Revives(operators.world, first.verb)}
    outcome = operators.go("ann", Fault.REGION, plan.hash, executors=revived)
    assert outcome.steps["fence"].state is StepState.WAITING
    token = outcome.steps["fence"].remedy.split()[-1]
    assert token != plan.hash
    assert operators.writers() == {HOME}
    assert operators.go("ann", Fault.REGION, token).finished
    assert operators.writers() == {AWAY}


class _Revives:
    """The lost region answers again once the run has begun."""

    def __init__(self, world: FakeWorld, verb: Verb) -> None:
        self._world, self._real = world, EXECUTORS[verb]

    async def run(self, context: Any, step: Step) -> Any:
        self._world.dead.clear()
        return await self._real.run(context, step)

    async def look(self, context: Any, step: Step) -> Any:
        return await self._real.look(context, step)


def test_a_failback_to_where_clients_write_is_refused(operators: Operators) -> None:
    assert "us-east-1 serves already" in str(operators.plan(None).refusals)


@pytest.mark.parametrize("fault", [Fault.GRAY, None], ids=["failover", "failback"])
def test_given_up_anywhere_before_the_promotion_somebody_writes(operators: Operators, fault: Fault | None) -> None:
    """At each step that fails; who served before serves again, and what stays done is named."""
    before = {HOME}
    if fault is None:
        operators.world.dead.add(HOME)
        assert operators.go("ann", Fault.REGION).finished
        operators.world.dead.clear()
        before = {AWAY}
    steps = operators.procedure(fault).steps
    promotion = next(step for step in steps if step.verb is Verb.PROMOTE_STREAMS)
    for number, step in enumerate(operators.procedure(fault).leading_to(promotion.id)):
        who = f"operator{number}"
        outcome = operators.go(who, fault, operators.plan(fault).hash, executors=_failing_at(step))
        assert not outcome.finished
        assert outcome.steps[step.id].state is StepState.FAILED
        found = operators.give_up(who, fault)
        assert operators.writers() == before, step.id
        assert found.without_writer == ()
        assert set(found.serving) == {"EVENTS", "kgent-events"}
        assert {each for regions in found.serving.values() for each in regions} == before
        done = [each for each in steps if each.id in outcome.steps and outcome.steps[each.id].state is StepState.DONE]
        assert [line for line in found.left if "stays done" in line] == [
            f"{each.id} stays done: {each.title}" for each in done if each.verb in NOT_UNDONE
        ]
        assert found.plain()["left"] == list(found.left)
        operators.world.check_somebody_writes()
        assert end_of(read_journal(operators.path(who, fault))) is OperationEnd.ABORTED


class _Fails:
    """Does its work and then says that it failed; of a promotion only the first half, as nothing is open then."""

    def __init__(self, step: Step) -> None:
        self._step, self._real = step, EXECUTORS[step.verb]

    async def look(self, context: Any, step: Step) -> Any:
        return await self._real.look(context, step)

    async def run(self, context: Any, step: Step) -> Any:
        if step.id != self._step.id:
            return await self._real.run(context, step)
        if step.verb is Verb.PROMOTE_STREAMS:
            for region in {held.region for family in context.families for held in family.others(step.region)}:
                await context.stopping(region)
                fence = evolve(step, verb=Verb.FENCE, region=region, after=("it",))
                await EXECUTORS[Verb.FENCE].run(context, fence)
        elif step.verb is not Verb.RESYNCHRONISE:
            await self._real.run(context, step)
        raise RuntimeError("the disk burns")


def _failing_at(step: Step) -> Any:
    return {**EXECUTORS, step.verb: _Fails(step)}


def test_nobody_is_stopped_before_what_follows_can_follow(operators: Operators) -> None:
    """The promotion is looked at right before the fence goes on: what was true of the plan may not be now."""
    plan = operators.plan(Fault.GRAY)
    promote = {**EXECUTORS, Verb.PROMOTE_STREAMS: _Cannot()}
    outcome = operators.go("ann", Fault.GRAY, plan.hash, executors=promote)
    assert outcome.steps["fence"].state is StepState.FAILED
    assert (
        "us-east-1 is not stopped, as promote-streams could not run after it: its disk is full"
        in outcome.steps["fence"].why
    )
    assert operators.writers() == {HOME}
    assert operators.go("ann", Fault.GRAY).finished


class _Cannot:
    async def look(self, context: Any, step: Step) -> Prospect:
        del context, step
        return Prospect(guards=(Guard("full", "its disk is full", "free space"),))

    async def run(self, context: Any, step: Step) -> Any:
        raise AssertionError(step.id)


def test_a_promotion_that_fails_for_now_is_tried_again(operators: Operators) -> None:
    """The old writers are stopped then: no region accepts writes until it is through."""
    promote = _Hiccup(2)
    outcome = operators.go(
        "ann", Fault.GRAY, operators.plan(Fault.GRAY).hash, executors={**EXECUTORS, Verb.PROMOTE_STREAMS: promote}
    )
    assert outcome.finished
    assert promote.left == 0
    assert operators.writers() == {AWAY}


class _Hiccup(_Cannot):
    """The server ends the connection, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def look(self, context: Any, step: Step) -> Any:
        return await EXECUTORS[step.verb].look(context, step)

    async def run(self, context: Any, step: Step) -> Any:
        if self.left:
            self.left -= 1
            raise MachineError.at("us-west-2", "the server ended the connection", "check its log")
        return await EXECUTORS[step.verb].run(context, step)


def _failing_once(step: Step) -> dict[Verb, Any]:
    return {**EXECUTORS, step.verb: _CannotHere(step.id)}


class _CannotHere(_Cannot):
    """Only that step, of those with its verb."""

    def __init__(self, step: str) -> None:
        self.step = step

    async def look(self, context: Any, step: Step) -> Any:
        return await EXECUTORS[step.verb].look(context, step)

    async def run(self, context: Any, step: Step) -> Any:
        if step.id == self.step:
            raise FinalError.at("", "this one fails", "mend it")
        return await EXECUTORS[step.verb].run(context, step)


@pytest.mark.parametrize("strategy", ["warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror"])
@pytest.mark.parametrize("writers", list(Writers))
def test_whichever_step_fails_before_the_first_promotion_somebody_writes(
    kit: Kit, tmp_path: Path, strategy: str, writers: Writers
) -> None:
    """And resumed it goes on to its end; given up instead, home writes as before."""
    system = evolve(kit.system, operate=Operate(writers=writers))
    deployment = lay_out(Strategy.parse(strategy), evolve(kit, system=system))
    ready = evolve(kit, system=deployment.system)
    procedure = failover(deployment, ready, Fault.GRAY)
    promotion = next(step for step in procedure.steps if step.verb is Verb.PROMOTE_STREAMS)
    leading = procedure.leading_to(promotion.id)
    for number, step in enumerate(leading):
        operators = Operators(deployment, ready, FakeWorld(deployment, set()), tmp_path / f"{number}")
        approved = operators.plan(Fault.GRAY).hash
        outcome = operators.go("ann", Fault.GRAY, approved, executors=_failing_once(step))
        assert outcome.failed, step.id
        taken = step.verb is Verb.PROMOTE_STREAMS or _took_subjects(leading[:number])
        if not taken or strategy.endswith("leafnode-mirror"):
            assert operators.writers() == {HOME}, step.id
            assert _granted(operators.world), step.id
        outcome = operators.go("ann", Fault.GRAY, approved)
        assert outcome.finished, (step.id, outcome.problems)
        assert operators.writers() == {AWAY}


def _took_subjects(before: tuple[Step, ...]) -> bool:
    return any(step.verb is Verb.DELETE_ORIGIN for step in before)


def _granted(world: FakeWorld) -> bool:
    """Whether home may hold a lease; so it is where there is none."""
    held = world.regions[AWAY].get(WRITERS_STREAM)
    return held is None or not held.messages or WriterRecord.of(held.messages[-1].data).granted


def test_a_failed_step_with_the_standby_gone_gives_home_back(operators: Operators) -> None:
    """The standby dies between the fence and the promotion."""
    record = next(s for s in operators.procedure(Fault.GRAY).steps if s.verb is Verb.RECORD_STATE)
    world = operators.world

    class Dying(_CannotHere):
        async def run(self, context: Any, step: Step) -> Any:
            world.dead.add(AWAY)
            return await super().run(context, step)

    operators.go(
        "ann", Fault.GRAY, operators.plan(Fault.GRAY).hash, executors={**EXECUTORS, record.verb: Dying(record.id)}
    )
    assert operators.writers() == {HOME}


def test_that_nobody_takes_writes_is_said_first(operators: Operators) -> None:
    """Home cannot be given its subjects back, as it died after it was fenced; and is told once it is there again."""
    promotion = next(s for s in operators.procedure(Fault.GRAY).steps if s.verb is Verb.PROMOTE_STREAMS)
    world = operators.world

    class Refusing(_CannotHere):
        async def run(self, context: Any, step: Step) -> Any:
            world.refusing_updates.add(HOME)
            return await super().run(context, step)

    outcome = operators.go(
        "ann",
        Fault.GRAY,
        operators.plan(Fault.GRAY).hash,
        executors={**EXECUTORS, promotion.verb: Refusing(promotion.id)},
    )
    assert outcome.problems[0].what.startswith("NO REGION ACCEPTS WRITES of EVENTS")
    assert "abort" in outcome.problems[0].remedy


def test_given_up_after_the_promotion_is_refused(operators: Operators) -> None:
    assert operators.go("ann", Fault.GRAY, operators.plan(Fault.GRAY).hash).finished
    with pytest.raises(InputError, match="us-west-2 takes writes of"):
        operators.give_up("ann", Fault.GRAY)
    assert operators.writers() == {AWAY}


def test_what_nobody_foresaw_is_a_failed_step(operators: Operators) -> None:
    """With its cause, in the journal; resumed, it goes on."""
    operators.world.dead.add(HOME)
    step = next(step for step in operators.procedure(Fault.REGION).steps if step.verb is Verb.RECORD_STATE)
    outcome = operators.go("ann", Fault.REGION, executors=_failing_at(step))
    record = outcome.steps[step.id]
    assert record.state is StepState.FAILED
    assert record.why.startswith("RuntimeError: the disk burns (in test_operations.py, line ")
    assert operators.go("ann", Fault.REGION).finished


def test_other_commands_than_approved_are_refused(operators: Operators) -> None:
    """Or approved by themselves; the journal keeps what ran."""
    operators.world.dead.add(HOME)
    plain = operators.plan(Fault.REGION)
    operators.world.bound = {"commands": {"announce": "./tell.sh"}}
    plan = operators.plan(Fault.REGION)
    assert plan.hash != plain.hash
    step = next(step for step in operators.procedure(Fault.REGION).steps if step.verb is Verb.RECORD_STATE)
    assert not operators.go("ann", Fault.REGION, plan.hash, executors=_failing_at(step)).finished
    operators.world.bound = {"commands": {"announce": "./other.sh"}}
    with pytest.raises(InputError, match="commands changed") as told:
        operators.go("ann", Fault.REGION)
    token = str(told.value).split()[-1]
    assert operators.go("ann", Fault.REGION, token).finished
    entries = read_journal(operators.path("ann", Fault.REGION))
    assert any(entry.data.get("bound") == operators.world.bound for entry in entries if entry.kind is EntryKind.NOTE)
    assert records(entries)["fence"].state is StepState.DONE


def test_what_is_lifted_later_is_kept_with_who(operators: Operators) -> None:
    operators.world.dead.add(HOME)
    step = next(step for step in operators.procedure(Fault.REGION).steps if step.verb is Verb.RECORD_STATE)
    assert not operators.go("ann", Fault.REGION, executors=_failing_at(step)).finished

    async def resume(allowed: frozenset[str]) -> None:
        with Journal(operators.path("ann", Fault.REGION), operators.world) as journal:
            options = Options(allowed=allowed)
            procedure = operators.procedure(Fault.REGION)
            await execute(procedure, operators.deployment, operators.world, journal, options=options)

    asyncio.run(resume(frozenset({"stale-secret"})))
    asyncio.run(resume(frozenset({"stale-secret"})))
    entries = read_journal(operators.path("ann", Fault.REGION))
    noted = [entry.data for entry in entries if entry.kind is EntryKind.NOTE and "allowed" in entry.data]
    assert noted == [{"allowed": ["stale-secret"], "who": "tester"}]
