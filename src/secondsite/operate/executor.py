"""Carries a Procedure out, step after step as its graph allows, so that it may be interrupted at any instant.

Each step's intent is on disk before it begins and its outcome after it ended; a step without an outcome is begun
again, and every executor is made to be. A step that fails or waits for a person holds up what comes after it and
nothing else. While a region is unfenced, it is tried again and again to fence it.

What an approval was given for is looked at again: before a step that cannot be undone, that nobody else changed the
streams; before a region's writers are stopped, that this very stop was approved.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError, Problem, SecondsiteError
from secondsite.model.place import Place
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.nats.tasks import end_tasks
from secondsite.operate.action import Action, Context, Facts, FinalError, WaitingError
from secondsite.operate.actions.fence import fence_returned
from secondsite.operate.approval import approvals, approve, check_bound, check_same, declared, is_approved, lifted
from secondsite.operate.epoch import (
    Epoch,
    ServiceStop,
    changed_since,
    epoch_of,
    measured,
    read_epoch,
    read_sides,
    single_writer,
    stop_of,
    verb_of,
)
from secondsite.operate.journal import (
    FENCED_ON_RETURN,
    SERVES_AGAIN,
    UNDONE,
    UNFENCED,
    EntryKind,
    Journal,
    JournalEntry,
    StepRecord,
    StepState,
    records,
)
from secondsite.operate.layout import Reach
from secondsite.operate.plan import check_plan, digest, make_plan, needs_approval, plan_json
from secondsite.operate.undo import done_anew, may_undo, stopped_at, undo_fence
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import World

FENCE_AGAIN_S = 0.5
PROMOTION_TRIES = 5


@frozen
class StepProgress:
    """One line of progress. ``seconds`` is how long the step took, None where it begins."""

    step: Step
    state: str
    seconds: float | None = None
    why: str = ""


Progress = Callable[[StepProgress], None]


async def _alone(_entries: Sequence[JournalEntry]) -> None:
    """Nobody else to agree with."""


@frozen
class Options:
    """``approved`` is the hash of the plan that may do what cannot be undone. ``patience`` stretches the limits, which
    count from the last time that a step got any further. ``decided``: the trigger approves whatever the plan is now.

    ``hold`` is awaited with the journal before each step, and raises where another controller acts.
    """

    approved: str = ""
    allowed: frozenset[str] = frozenset()
    patience: float = 1.0
    executors: Mapping[Verb, Action] = EXECUTORS
    hold: Callable[[Sequence[JournalEntry]], Awaitable[None]] = _alone
    decided: bool = False


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
        """Whether something went wrong, rather than waits for a person."""
        return any(record.state is StepState.FAILED for record in self.steps.values())


async def execute(
    procedure: Procedure,
    deployment: Deployment,
    world: World,
    journal: Journal,
    *,
    options: Options = Options(),
    progress: Progress = lambda _progress: None,
) -> OperationOutcome:
    """Begin, or go on with what the journal holds. Raises InputError where a guard or the approval forbids it."""
    if journal.entries:
        check_same(procedure, journal)
        check_bound(world, journal, options.approved)
        if options.approved:
            approve(journal, options.approved)
    else:
        plan = await make_plan(procedure, deployment, world, allowed=options.allowed)
        check_plan(plan, options.approved)
        approved = plan.hash if options.decided else options.approved
        journal.append(EntryKind.PLAN, "", {**plan_json(plan), **declared(world), "approved": approved})
    return await _Run(procedure, deployment, world, journal, options, progress).finish()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _of_ours(error: Exception) -> Problem:
    """An error that nobody foresaw, with where it came from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error} (in {Path(frame.filename).name}, line {frame.lineno})"
    return Problem(
        Place(""),
        what,
        "this is a bug in secondsite: please report it; completed steps are kept, and `resume` continues",
    )


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
        self._deployment, self._allowed = deployment, lifted(world, journal, options.allowed)

    def _context(self, step: Step, progressed: Callable[[], None] = lambda: None) -> Context:
        def note(kind: str, facts: Facts) -> None:
            self._note(step, kind, facts)

        async def stopping(region: str) -> None:
            await self._stopping(step, region)

        noted = [
            entry.data for entry in self._journal.entries if entry.step == step.id and entry.kind is EntryKind.NOTE
        ]
        given = (self._deployment, self._procedure, self._world, self._facts, note, self._allowed, stopping)
        return Context(*given, noted, progressed)

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
        await self._options.hold(self._journal.entries)
        await self._take_back()
        return self._outcome(await self._without_writer())

    async def _take_back(self) -> None:
        """The fence of an operation that cannot go on: written down first, so that a resume fences again."""
        known = records(self._journal.entries)
        context = self._context(self._procedure.steps[0])
        stuck = stopped_at(context, known)
        if not stuck or not await may_undo(context, known):
            return
        for step in done_anew(context):
            self._journal.append(EntryKind.NOTE, step.id, {UNDONE: f"it was undone, as {stuck} failed"})
            del self._facts[step.id]
        opened = await undo_fence(context)
        self._journal.append(EntryKind.NOTE, "", {"opened": list(opened)})
        await self._options.hold(self._journal.entries)

    async def _without_writer(self) -> tuple[str, ...]:
        """Streams that nobody takes writes of, where this operation stopped somebody and did not get to its end."""
        known = records(self._journal.entries)
        stopped = any(
            step.verb in (Verb.FENCE, Verb.PROMOTE_STREAMS) and step.id in known for step in self._procedure.steps
        )
        if not stopped or all(step.id in self._facts for step in self._procedure.steps):
            return ()
        context = self._context(self._procedure.steps[0])
        now = await read_epoch(context)
        mirrored = [one.name for one in single_writer(context) if one.reach is Reach.MIRRORED]
        return () if now.silent else tuple(name for name in mirrored if name not in now.serving)

    def _ready(self, begun: set[str]) -> list[Step]:
        steps = self._procedure.steps
        known = {step.id for step in steps}
        return [s for s in steps if s.id not in begun and all(a in self._facts for a in s.after if a in known)]

    async def _step(self, step: Step) -> None:
        """Ends with an outcome on disk, unless this process does not live to see it."""
        began = self._world.clock.monotonic()
        self._journal.append(EntryKind.INTENT, step.id, {"verb": str(step.verb), "title": step.title})
        self._progress(StepProgress(step, "begins"))
        limit_s = step.limit_s * self._options.patience
        try:
            await self._check(step)
            async with asyncio.timeout(limit_s) as limit:
                facts = await self._carried_out(step, lambda: limit.reschedule(_now() + limit_s))
        except WaitingError as error:
            self._ended(step, StepState.WAITING, began, {}, error.problems[0])
        except SecondsiteError as error:
            self._ended(step, StepState.FAILED, began, {}, error.problems[0])
        except TimeoutError:
            last = self._retried.get(step.id)
            what = f"no progress within its time limit of {limit_s:g} s"
            what += f"; last: {last}" if last else ""
            problem = Problem(Place(""), what, f"make sure that: {step.check}; then resume")
            self._ended(step, StepState.FAILED, began, {}, problem)
        except Exception as error:
            self._ended(step, StepState.FAILED, began, {}, _of_ours(error))
        else:
            self._facts[step.id] = facts
            self._ended(step, StepState.DONE, began, facts, None)

    async def _carried_out(self, step: Step, progressed: Callable[[], None]) -> Facts:
        """While streams are promoted nobody takes their writes: what fails for now is tried again."""
        tries = PROMOTION_TRIES if step.verb is Verb.PROMOTE_STREAMS else 1
        for left in reversed(range(tries)):
            try:
                return await self._options.executors[step.verb].run(self._context(step, progressed), step)
            except FinalError:
                raise
            except MachineError as error:
                if not left:
                    raise
                self._note(step, "retried", {"why": error.problems[0].what})
                await self._world.clock.sleep(FENCE_AGAIN_S)
        raise AssertionError(step.id)

    async def _check(self, step: Step) -> None:
        await self._options.hold(self._journal.entries)
        if step.blocked:
            raise MachineError.at("", step.blocked, "choose another strategy, or fix what blocks this one")
        if not needs_approval(step):
            return
        if not is_approved(self._journal.entries):
            planned = self._journal.entries[0].data["hash"]
            what = f"this step cannot be undone and is not approved: {step.title}"
            raise WaitingError.at("", what, f"review the plan, then resume with --approve {planned}")
        await self._look_again(step)

    async def _look_again(self, step: Step) -> None:
        """Nobody else changed the streams that an irreversible step is about to act on."""
        begun = (self._journal.entries[0].data.get("operation") or {}).get("epoch")
        if begun is None:
            return
        context = self._context(step)
        changed = changed_since(context, Epoch.of(begun), await read_epoch(context))
        if changed:
            verb = verb_of(self._procedure)
            remedy = f"somebody else acted: stop this operation (secondsite {verb} abort), then plan again"
            raise MachineError.at("", f"nothing was changed, as {changed}", remedy)

    async def _stopping(self, step: Step, region: str) -> None:
        """Raises WaitingError where this stop is not what was approved."""
        await self._options.hold(self._journal.entries)
        context = self._context(step)
        sides = await read_sides(context)
        stop = stop_of(epoch_of(context, sides), region)
        if stop is None:
            return
        plan, given = self._journal.entries[0].data, approvals(self._journal.entries)
        planned = stop.key in (plan.get("stops") or ())
        token = str(plan["hash"]) if planned else digest([plan["hash"], step.id, stop.key])
        if token in given:
            await self._can_follow(step, stop)
            return
        measured_sides = await measured(context, stop, sides)
        if not planned:
            self._journal.append(EntryKind.NOTE, step.id, {"asks": token})
        raise WaitingError.at(
            "", f"{measured_sides}, and this is not approved", f"if that is intended, resume with --approve {token}"
        )

    async def _can_follow(self, step: Step, stop: ServiceStop) -> None:
        """Nobody is left without a writer: what takes over can be carried out, as it is seen right before the stop."""
        for one in self._procedure.steps:
            if one.verb is not Verb.PROMOTE_STREAMS or one.id in self._facts:
                continue
            waits = [other for other in self._procedure.leading_to(one.id) if other.id not in self._facts]
            if any(needs_approval(other) for other in waits) and not is_approved(self._journal.entries):
                what = f"{stop.region} is not stopped until the following steps are approved"
                raise WaitingError.at("", what, f"resume with --approve {self._journal.entries[0].data['hash']}")
            if any(other.verb is Verb.RESTORE_QUORUM for other in waits):
                return  # whether it can be promoted shows once there is a quorum again
            prospect = await self._options.executors[one.verb].look(self._context(step), one)
            for guard in prospect.guards:
                if guard.absolute or guard.id not in self._allowed:
                    what = f"{stop.region} is not stopped, as {one.id} could not run after it: {guard.what}"
                    raise MachineError.at("", what, guard.remedy)

    def _ended(self, step: Step, state: StepState, began: float, facts: Facts, problem: Problem | None) -> None:
        seconds = self._world.clock.monotonic() - began
        data: dict[str, Any] = {"state": str(state), "facts": facts, "seconds": seconds}
        if problem:
            place = f"{problem.place}: " if str(problem.place) else ""
            data |= {"why": f"{place}{problem.what}", "remedy": problem.remedy}
        self._journal.append(EntryKind.OUTCOME, step.id, data)
        self._progress(StepProgress(step, str(state), seconds, str(data.get("why", ""))))

    def _note(self, step: Step, kind: str, facts: Facts) -> None:
        """What is tried again says why once, not every time."""
        why = str(facts.get("why", ""))
        if kind == "retried":
            if self._retried.get(step.id) == why:
                return
            self._retried[step.id] = why
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
            if facts.get("state") != UNFENCED:
                continue
            state = await self._fenced(step, str(facts["region"]))
            if state:
                self._facts[step.id] = {**facts, "state": state, "returned": True}
                kind = SERVES_AGAIN if state == SERVES_AGAIN else FENCED_ON_RETURN
                self._journal.append(EntryKind.NOTE, step.id, {kind: facts["region"]})

    async def _fenced(self, step: Step, region: str) -> str:
        try:
            return await fence_returned(self._context(step), region)
        except MachineError as error:
            self._note(step, "retried", {"why": error.problems[0].what})
            return ""

    def _outcome(self, without_writer: tuple[str, ...]) -> OperationOutcome:
        known = records(self._journal.entries)
        problems = [
            Problem(Place(f"{self._procedure.name}: {step.id}"), known[step.id].why, known[step.id].remedy)
            for step in self._procedure.steps
            if step.id in known and known[step.id].state is not StepState.DONE
        ]
        if without_writer:
            what = f"NO REGION ACCEPTS WRITES of {', '.join(without_writer)} now"
            problems.insert(
                0, Problem(Place(self._procedure.name), what, "fix what is listed below and resume, or abort")
            )
        return OperationOutcome(str(self._journal.entries[0].data["hash"]), known, tuple(problems))
