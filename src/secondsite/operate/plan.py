"""What a run would do, shown before anything is done, and bound by a hash to what somebody approved.

The hash covers the procedure, the changes, what is stopped by them, the operation (who serves, where each stream
parted) and what carries them out (servers, commands). It does not cover what was merely seen and moves on (sequences,
lags), nor which guards were lifted: that is said by name, by whoever runs it, and kept in the journal.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from secondsite.kube.cluster import ClusterRefusedError
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError, Problem
from secondsite.model.field_support import clusters_not_taking
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.nats.connection import RejectedError
from secondsite.operate.action import Context, Guard, Prospect
from secondsite.operate.epoch import (
    Epoch,
    ServiceStop,
    Side,
    epoch_of,
    measured,
    operation_id,
    read_sides,
    stop_of,
    stopped_by,
    verb_of,
)
from secondsite.operate.verbs import EXECUTORS, waits_for_person
from secondsite.operate.world import World


@frozen
class PlannedStep:
    """``irreversible``, and what stops somebody: it runs only after this plan's hash was approved.

    ``by_person``: the run waits for somebody there; with a door or a command for it, it does not.
    """

    step: Step
    changes: tuple[str, ...]
    now: tuple[str, ...]
    guards: tuple[Guard, ...]
    stops: tuple[ServiceStop, ...] = ()
    by_person: bool = False

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
    epoch: Epoch = Epoch()
    operation: str = ""
    bound: Mapping[str, Any] = {}

    @property
    def hash(self) -> str:
        return digest([procedure_hash(self.procedure), self.strategy, self.system, self._bound()])

    def _bound(self) -> list[Any]:
        steps = [[one.step.id, list(one.changes), [stop.key for stop in one.stops]] for one in self.steps]
        return [steps, self.operation, self.epoch.plain(), self.bound]

    @property
    def stops(self) -> tuple[str, ...]:
        """What nobody does without an approval, by key."""
        return tuple(dict.fromkeys(stop.key for one in self.steps for stop in one.stops))

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """Why this must not run; empty where it may."""
        return tuple(
            Problem(Place(f"{self.procedure.name}: {one.step.id}"), guard.what, guard.remedy)
            for one in self.steps
            for guard in one.guards
            if guard.absolute or guard.id not in self.allowed
        )


def digest(plain: object) -> str:
    """Sixteen digits are enough to tell two plans apart and to type."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


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
    return digest([procedure.name, str(procedure.fault), steps])


async def make_plan(
    procedure: Procedure, deployment: Deployment, world: World, *, allowed: frozenset[str] = frozenset()
) -> Plan:
    """Reads only. What cannot be looked at is a guard of its own."""
    context = Context(deployment, procedure, world, {}, lambda _step, _facts: None, allowed)
    looking = asyncio.gather(*(_look(context, step) for step in procedure.steps))
    sides, prospects = await asyncio.gather(read_sides(context), looking)
    epoch = epoch_of(context, sides)
    stops = await _stops(context, epoch, sides)
    people = waits_for_person(world, procedure, context.away)
    steps = tuple(
        PlannedStep(
            *(step, prospect.changes, prospect.now, prospect.guards, stops.get(step.id, ())),
            by_person=step.id in people,
        )
        for step, prospect in zip(procedure.steps, prospects, strict=True)
    )
    first = (*_at_home_already(context, epoch), *_not_taken(deployment))
    steps = (evolve(steps[0], guards=(*steps[0].guards, *first)), *steps[1:])
    operation = operation_id(procedure, epoch, context.away)
    strategy, system = deployment.strategy.id, deployment.system.name
    return Plan(procedure, strategy, system, steps, allowed, epoch, operation, world.bound)


async def _stops(context: Context, epoch: Epoch, sides: Mapping[str, Side]) -> dict[str, tuple[ServiceStop, ...]]:
    """By step, in their order, the regions whose only writers it stops."""
    by_slug: dict[str, tuple[ServiceStop, ...]] = {}
    for step in context.procedure.steps:
        stops = []
        for region in stopped_by(context, step):
            stop, epoch = stop_of(epoch, region), epoch.without(region)
            if stop is not None:
                stops.append(await measured(context, stop, sides))
        by_slug[step.id] = tuple(stops)
    return by_slug


def _not_taken(deployment: Deployment) -> Iterator[Guard]:
    """A stream that would come out another one is not moved."""
    for cluster, stream, fields in clusters_not_taking(deployment.clusters):
        what = f"nats-server {cluster.version} in {cluster.region} does not take {', '.join(fields)} of {stream.name}"
        yield Guard("field-not-taken", what, "run a release that takes it in both regions", absolute=True)


def _at_home_already(context: Context, epoch: Epoch) -> tuple[Guard, ...]:
    """A failback to where clients are written for already would stop them for nothing."""
    if not any(step.verb is Verb.SALVAGE for step in context.procedure.steps):
        return ()
    if not epoch.serving or any(regions != (context.home,) for regions in epoch.serving.values()):
        return ()
    what = f"{context.home} serves already: there is nothing to fail back"
    return (Guard("serves-already", what, "fail over first, or check the regions", absolute=True),)


async def _look(context: Context, step: Step) -> Prospect:
    if step.blocked:
        return Prospect(guards=(Guard("blocked", step.blocked, "choose another strategy, or fix this", absolute=True),))
    try:
        prospect = await EXECUTORS[step.verb].look(context, step)
    except MachineError as error:
        problem = error.problems[0]
        what = f"{problem.place}: {problem.what}" if str(problem.place) else problem.what
        if isinstance(error, (RejectedError, ClusterRefusedError)):
            what = f"{what}, so the region is not lost"
            return Prospect(guards=(Guard("refused-us", what, problem.remedy, absolute=True),))
        prospect = Prospect(guards=(Guard("cannot-look", what, problem.remedy),))
    return evolve(prospect, guards=tuple(dict.fromkeys(prospect.guards)))


def check_plan(plan: Plan, approved: str) -> None:
    """Raises InputError for a plan that must not run, or that is not the one that was approved."""
    if plan.refusals:
        raise InputError(plan.refusals)
    if approved and approved != plan.hash:
        verb = verb_of(plan.procedure)
        what = f"what would be done now ({plan.hash}) differs from what was approved ({approved})"
        raise InputError.at("--approve", what, f"review the plan again: secondsite {verb} plan, with the same options")


def plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "schema": "secondsite/plan/1",
        "procedure": plan.procedure.name,
        "fault": str(plan.procedure.fault),
        "strategy": plan.strategy,
        "system": plan.system,
        "hash": plan.hash,
        "procedure_hash": procedure_hash(plan.procedure),
        "operation": {"id": plan.operation, "epoch": plan.epoch.plain()},
        "stops": list(plan.stops),
        "bound": dict(plan.bound),
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
                "stops": [str(stop) for stop in one.stops],
                "by_person": one.by_person,
                "changes": list(one.changes),
                "now": list(one.now),
                "guards": [asdict(guard) for guard in one.guards],
            }
            for one in plan.steps
        ],
    }
