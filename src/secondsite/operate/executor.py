"""Carries a Procedure out, step after step as its graph allows, so that it may be interrupted at any instant.

Each step's intent is on disk before it begins and its outcome after it ended; a step without an outcome is begun
again, and every executor is made to be. A step that fails or waits for somebody holds up what comes after it and
nothing else. While a region is unfenced, it is tried again and again to fence it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError, Problem, SecondsiteError
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.nats.tasks import end_tasks
from secondsite.operate.action import Action, Context, Facts, WaitingError
from secondsite.operate.actions.fence import fence_returned
from secondsite.operate.journal import (
    FENCED_ON_RETURN,
    UNFENCED,
    EntryKind,
    Journal,
    JournalEntry,
    StepRecord,
    StepState,
    records,
)
from secondsite.operate.plan import check_plan, make_plan, needs_approval, plan_json, procedure_hash
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import World

FENCE_AGAIN_S = 0.5


@frozen
class Told:
    """One line of progress. ``seconds`` is how long the step took, None where it begins."""

    step: Step
    state: str
    seconds: float | None = None
    why: str = ""


Progress = Callable[[Told], None]


@frozen
class Options:
    """``approved`` is the hash of the plan that may do what cannot be undone. ``patience`` stretches the limits."""

    approved: str = ""
    allowed: frozenset[str] = frozenset()
    patience: float = 1.0
    executors: Mapping[Verb, Action] = EXECUTORS


@frozen
class OperationOutcome:
    """By step, what is known. ``problems`` say what is to be done about the steps that failed or wait."""

    plan_hash: str
    steps: Mapping[str, StepRecord]
    problems: tuple[Problem, ...]

    @property
    def finished(self) -> bool:
        return not self.problems and all(record.state is StepState.DONE for record in self.steps.values())

    @property
    def failed(self) -> bool:
        """Whether something went wrong, rather than waits for somebody."""
        return any(record.state is StepState.FAILED for record in self.steps.values())


async def execute(
    procedure: Procedure,
    deployment: Deployment,
    world: World,
    journal: Journal,
    *,
    options: Options = Options(),
    progress: Progress = lambda _told: None,
) -> OperationOutcome:
    """Begin, or go on with what the journal holds. Raises InputError where a guard or the approval forbids it."""
    if journal.entries:
        _check_same(procedure, journal)
        if options.approved:
            _approve(journal, options.approved)
    else:
        plan = await make_plan(procedure, deployment, world, allowed=options.allowed)
        check_plan(plan, options.approved)
        journal.append(EntryKind.PLAN, "", {**plan_json(plan), "approved": options.approved})
    return await _Run(procedure, deployment, world, journal, options, progress).finish()


def _check_same(procedure: Procedure, journal: Journal) -> None:
    begun = journal.entries[0].data.get("procedure_hash")
    if begun != procedure_hash(procedure):
        what = f"this journal is of another procedure ({journal.entries[0].data.get('procedure')})"
        remedy = "resume with the same system file and strategy, or name a new journal"
        raise InputError.at(str(journal.path), what, remedy)


def _approve(journal: Journal, approved: str) -> None:
    planned = str(journal.entries[0].data["hash"])
    if approved != planned:
        what = f"the plan that runs is {planned}, not {approved}"
        raise InputError.at("--approve", what, "see `status`, and approve that one")
    journal.append(EntryKind.NOTE, "", {"approved": approved})


def is_approved(entries: list[JournalEntry]) -> bool:
    """Whether somebody approved the plan that this journal began with."""
    planned = entries[0].data["hash"]
    return any(entry.data.get("approved") == planned for entry in entries if not entry.step)


class _Run:
    def __init__(
        self,
        procedure: Procedure,
        deployment: Deployment,
        world: World,
        journal: Journal,
        options: Options,
        progress: Progress,
    ) -> None:
        self._journal, self._options, self._progress = journal, options, progress
        self._procedure, self._world = procedure, world
        known = records(journal.entries)
        self._facts: dict[str, Facts] = {s: r.facts for s, r in known.items() if r.state is StepState.DONE}
        self._retried: dict[str, str] = {}
        allowed = frozenset(journal.entries[0].data.get("allowed") or ()) | options.allowed
        self._deployment, self._allowed = deployment, allowed

    def _context(self, step: Step) -> Context:
        def note(kind: str, facts: Facts) -> None:
            self._note(step, kind, facts)

        return Context(self._deployment, self._procedure, self._world, self._facts, note, self._allowed)

    async def finish(self) -> OperationOutcome:
        watch = asyncio.ensure_future(self._fence_returned())
        running: dict[asyncio.Task[None], str] = {}
        begun = set(self._facts)
        try:
            if not self._ready(begun):
                await self._fence_now()
            while True:
                for step in self._ready(begun):
                    begun.add(step.id)
                    running[asyncio.ensure_future(self._step(step))] = step.id
                if not running:
                    break
                ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    del running[task]
                    task.result()
                if watch.done():
                    watch.result()
        finally:
            await end_tasks(watch, *running)
        return self._outcome()

    def _ready(self, begun: set[str]) -> list[Step]:
        steps = self._procedure.steps
        known = {step.id for step in steps}
        return [s for s in steps if s.id not in begun and all(a in self._facts for a in s.after if a in known)]

    async def _step(self, step: Step) -> None:
        """Ends with an outcome on disk, unless this process does not live to see it."""
        began = self._world.clock.monotonic()
        self._journal.append(EntryKind.INTENT, step.id, {"verb": str(step.verb), "title": step.title})
        self._progress(Told(step, "begins"))
        limit_s = step.limit_s * self._options.patience
        try:
            self._check(step)
            async with asyncio.timeout(limit_s):
                facts = await self._options.executors[step.verb].run(self._context(step), step)
        except WaitingError as error:
            self._ended(step, StepState.WAITING, began, {}, error.problems[0])
        except SecondsiteError as error:
            self._ended(step, StepState.FAILED, began, {}, error.problems[0])
        except TimeoutError:
            last = self._retried.get(step.id)
            what = f"it did not end within its limit of {limit_s:g} s" + (f"; last: {last}" if last else "")
            problem = Problem(Place(""), what, f"see to it that: {step.check}; then resume")
            self._ended(step, StepState.FAILED, began, {}, problem)
        else:
            self._facts[step.id] = facts
            self._ended(step, StepState.DONE, began, facts, None)

    def _check(self, step: Step) -> None:
        if step.blocked:
            raise MachineError.at("", step.blocked, "choose another strategy, or mend what blocks it")
        if needs_approval(step) and not is_approved(self._journal.entries):
            planned = self._journal.entries[0].data["hash"]
            what = f"this cannot be undone and nobody approved it: {step.title}"
            raise WaitingError.at("", what, f"look at the plan, then resume with --approve {planned}")

    def _ended(self, step: Step, state: StepState, began: float, facts: Facts, problem: Problem | None) -> None:
        seconds = self._world.clock.monotonic() - began
        data: dict[str, Any] = {"state": str(state), "facts": facts, "seconds": seconds}
        if problem:
            place = f"{problem.place}: " if str(problem.place) else ""
            data |= {"why": f"{place}{problem.what}", "remedy": problem.remedy}
        self._journal.append(EntryKind.OUTCOME, step.id, data)
        self._progress(Told(step, str(state), seconds, str(data.get("why", ""))))

    def _note(self, step: Step, kind: str, facts: Facts) -> None:
        """What is tried again says why once, not every time."""
        told = str(facts.get("why", ""))
        if kind == "retried" and self._retried.get(step.id) == told:
            return
        self._retried[step.id] = told
        self._journal.append(EntryKind.NOTE, step.id, {kind: dict(facts)})

    async def _fence_returned(self) -> None:
        """The old primary may come back at any moment, and takes writes until it is fenced."""
        while True:
            await asyncio.sleep(FENCE_AGAIN_S)
            await self._fence_now()

    async def _fence_now(self) -> None:
        """A procedure that is done and is resumed has only this to do."""
        for step in self._procedure.steps:
            facts = self._facts.get(step.id) or {}
            if facts.get("state") == UNFENCED and await self._fenced(step, str(facts["region"])):
                self._facts[step.id] = {**facts, "state": "fenced", "returned": True}
                self._journal.append(EntryKind.NOTE, step.id, {FENCED_ON_RETURN: facts["region"]})

    async def _fenced(self, step: Step, region: str) -> bool:
        try:
            return await fence_returned(self._context(step), region)
        except MachineError as error:
            self._note(step, "retried", {"why": error.problems[0].what})
            return False

    def _outcome(self) -> OperationOutcome:
        known = records(self._journal.entries)
        problems = [
            Problem(Place(f"{self._procedure.name}: {step.id}"), known[step.id].why, known[step.id].remedy)
            for step in self._procedure.steps
            if step.id in known and known[step.id].state is not StepState.DONE
        ]
        return OperationOutcome(str(self._journal.entries[0].data["hash"]), known, tuple(problems))
