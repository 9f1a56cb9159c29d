"""What a run would do, shown before anything is done, and bound by a hash to what somebody approved.

The hash covers the procedure and the changes, not what was merely seen and moves on (sequences, lags): the plan that
was shown is the plan that runs, or the run is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from attrs import asdict, evolve, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step
from secondsite.operate.action import Context, Guard, Prospect
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import World


@frozen
class PlannedStep:
    """``irreversible``: it runs only after this plan's hash was approved."""

    step: Step
    changes: tuple[str, ...]
    now: tuple[str, ...]
    guards: tuple[Guard, ...]

    @property
    def irreversible(self) -> bool:
        return needs_approval(self.step)


@frozen
class Plan:
    """``allowed`` are the guards that somebody lifted, by id."""

    procedure: Procedure
    strategy: str
    system: str
    steps: tuple[PlannedStep, ...]
    allowed: frozenset[str] = frozenset()

    @property
    def hash(self) -> str:
        """Sixteen digits are enough to tell two plans apart and to type."""
        body = json.dumps([procedure_hash(self.procedure), self.strategy, self.system, self._bound()], sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:16]

    def _bound(self) -> list[Any]:
        steps = [[one.step.id, list(one.changes), sorted(guard.id for guard in one.guards)] for one in self.steps]
        return [steps, sorted(self.allowed)]

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """Why this must not run; empty where it may."""
        return tuple(
            Problem(Place(f"{self.procedure.name}: {one.step.id}"), guard.what, guard.remedy)
            for one in self.steps
            for guard in one.guards
            if guard.absolute or guard.id not in self.allowed
        )


def needs_approval(step: Step) -> bool:
    return step.approval or not step.reversible


def procedure_hash(procedure: Procedure) -> str:
    """Over all that an executor acts by; how long a step was estimated to take is not part of it."""
    steps = [
        [
            *(step.id, str(step.verb), step.title, step.check, step.limit_s, list(step.after), list(step.targets)),
            *(step.region, step.reversible, step.approval, step.by_person, step.blocked, str(step.method or "")),
            list(step.subjects),
        ]
        for step in procedure.steps
    ]
    body = json.dumps([procedure.name, str(procedure.fault), steps])
    return hashlib.sha256(body.encode()).hexdigest()[:16]


async def make_plan(
    procedure: Procedure, deployment: Deployment, world: World, *, allowed: frozenset[str] = frozenset()
) -> Plan:
    """Reads only. What cannot be looked at is a guard of its own."""
    context = Context(deployment, procedure, world, {}, lambda _step, _facts: None, allowed)
    prospects = await asyncio.gather(*(_look(context, step) for step in procedure.steps))
    steps = tuple(
        PlannedStep(step, found.changes, found.now, found.guards)
        for step, found in zip(procedure.steps, prospects, strict=True)
    )
    return Plan(procedure, deployment.strategy.id, deployment.system.name, steps, allowed)


async def _look(context: Context, step: Step) -> Prospect:
    if step.blocked:
        return Prospect(guards=(Guard("blocked", step.blocked, "choose another strategy or mend this", absolute=True),))
    try:
        found = await EXECUTORS[step.verb].look(context, step)
    except MachineError as error:
        problem = error.problems[0]
        what = f"{problem.place}: {problem.what}" if str(problem.place) else problem.what
        found = Prospect(guards=(Guard("cannot-look", what, problem.remedy),))
    return evolve(found, guards=tuple(dict.fromkeys(found.guards)))


def check_plan(plan: Plan, approved: str) -> None:
    """Raises InputError for a plan that must not run, or that is not the one that was approved."""
    if plan.refusals:
        raise InputError(plan.refusals)
    if approved and approved != plan.hash:
        what = f"what would be done now ({plan.hash}) is not what was approved ({approved})"
        raise InputError.at("--approve", what, "look at the plan again: secondsite failover plan")


def plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "schema": "secondsite/plan/1",
        "procedure": plan.procedure.name,
        "strategy": plan.strategy,
        "system": plan.system,
        "hash": plan.hash,
        "procedure_hash": procedure_hash(plan.procedure),
        "allowed": sorted(plan.allowed),
        "refusals": [{"place": str(p.place), "what": p.what, "remedy": p.remedy} for p in plan.refusals],
        "steps": [
            {
                "id": one.step.id,
                "verb": str(one.step.verb),
                "title": one.step.title,
                "check": one.step.check,
                "region": one.step.region,
                "after": list(one.step.after),
                "limit_s": one.step.limit_s,
                "irreversible": one.irreversible,
                "by_person": one.step.by_person,
                "changes": list(one.changes),
                "now": list(one.now),
                "guards": [asdict(guard) for guard in one.guards],
            }
            for one in plan.steps
        ],
    }
