"""Who carries a step out, as a plan says it: a person only where no door and no command does it."""

from __future__ import annotations

import asyncio

from attrs import evolve
from odd_world import Odd, failover_of, layout

from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.commands import Commands
from secondsite.operate.plan import Plan, make_plan, plan_json
from secondsite.publish.terminal.operation import plan_text
from secondsite.strategies.design import Kit

DECLARED = {Verb.DETECT, Verb.DECIDE}


def _planned(kit: Kit, commands: dict[str, str]) -> tuple[Plan, Procedure]:
    """The record is edited by a person in this strategy, and a door changes it in this world."""
    deployment = layout(kit)
    over = failover_of(deployment, kit)
    asked = {step.verb: step for step in over.steps}
    assert {Verb.CHANGE_TRAFFIC, Verb.PROMOTE_STORES} <= set(asked)
    steps = tuple(evolve(step, by_person=step.verb is not Verb.PROMOTE_STREAMS) for step in over.steps)
    over = evolve(over, steps=steps)
    world = Odd(deployment, set())
    world.manual_steps = Commands(commands)
    return asyncio.run(make_plan(over, deployment, world)), over


def _people(plan: Plan) -> set[Verb]:
    told = {one["id"] for one in plan_json(plan)["steps"] if one["by_person"]}
    marked = {line.split(":")[0] for line in plan_text(plan).splitlines() if line.endswith("by a person]")}
    assert told == marked
    return {step.verb for step in plan.procedure.steps if step.id in told}


def test_what_a_door_does_is_nobodys_work(kit: Kit) -> None:
    plan, _ = _planned(kit, {})
    people = _people(plan)
    assert Verb.PROMOTE_STORES in people
    assert Verb.CHANGE_TRAFFIC not in people
    assert "by hand: " in plan_text(plan)


def test_what_a_command_does_is_nobodys_work_either(kit: Kit) -> None:
    _, over = _planned(kit, {})
    plan, _ = _planned(kit, {str(step.verb): "true" for step in over.steps})
    assert _people(plan) <= DECLARED
    assert "by hand" not in plan_text(plan)
    assert "would: by its command: " in plan_text(plan)
