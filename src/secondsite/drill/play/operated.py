"""A scene in which a procedure is carried out by the executor, as in earnest: planned, approved, step by step."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, evolve, field

from secondsite.drill.evidence.events import EventName, Milestone
from secondsite.drill.play.watched import WatchedScene
from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.action import Action
from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
from secondsite.operate.journal import Journal, StepState
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import Decision

PATIENCE = 1.0
"""A drill is carried out within the limits that hold where the procedure is deployed."""
LOST = "unfenced"
"""What a drill lifts: its silent region was killed or frozen by itself, and what it does when it returns is drilled."""


@define(kw_only=True)
class OperatedScene(WatchedScene):
    """``failure``: why the procedure did not get to its end. ``on_step`` is told of each step as it goes.

    ``carried`` is the procedure that is carried out just now, the scene's own before.
    """

    carried: Procedure | None = None
    failure: str = ""
    took_s: dict[str, float] = field(factory=dict)
    on_step: Callable[[StepProgress], None] | None = None

    def world(self, decision: Decision | None = None) -> LiveWorld:
        """In which the procedure is carried out."""
        raise NotImplementedError

    async def fail_over(
        self,
        why: str = "health checks and a second signal agree",
        *,
        allowed: frozenset[str] = frozenset(),
        patience: float = PATIENCE,
        executors: Mapping[Verb, Action] = EXECUTORS,
    ) -> OperationOutcome | None:
        """The strategy's own procedure: planned, approved and executed, or gone on with where it stopped.

        None where its plan forbids it.
        """
        return await self.carry_out(
            self.procedure, self.writer.journal, why, Options(allowed=allowed, patience=patience, executors=executors)
        )

    async def carry_out(
        self, procedure: Procedure, journal: Path, why: str, options: Options
    ) -> OperationOutcome | None:
        options = evolve(options, allowed=options.allowed | {LOST})
        begun = os.path.exists(journal)  # noqa: ASYNC240, PTH110 - one look at a local file
        fault_at = time.time() - self.since_fault(time.monotonic_ns())
        self.carried = procedure
        world = self.world(Decision("the drill's trigger", time.time(), why, fault_at))
        deployment = self.setup.deployment
        if not begun:
            plan = await make_plan(procedure, deployment, world, allowed=options.allowed)
            if plan.refusals:
                self._stopped("; ".join(problem.what for problem in plan.refusals))
                return None
            options = evolve(options, approved=plan.hash)
        with Journal(journal, world.clock) as opened:
            async with self.acting(world, opened, options) as alone:
                outcome = await execute(procedure, deployment, world, opened, options=alone, progress=self._progress)
        self.failure = "; ".join(f"{problem.place}: {problem.what}" for problem in outcome.problems)
        return outcome

    @asynccontextmanager
    async def acting(self, _world: LiveWorld, _journal: Journal, options: Options) -> AsyncIterator[Options]:
        """Around the execution: nobody else is there in a lab."""
        yield options

    def _stopped(self, why: str) -> None:
        self.failure = why
        self.note(EventName.STOPPED, why=why)
        self.report(f"the procedure cannot run: {why}")

    def _progress(self, progress: StepProgress) -> None:
        if self.on_step:
            self.on_step(progress)
        if progress.seconds is None:
            return
        self.took_s[progress.step.id] = progress.seconds
        if progress.state == StepState.DONE and progress.step.verb is Verb.CHANGE_TRAFFIC:
            self.reach(Milestone.EXECUTED)
        if progress.state == StepState.DONE and progress.step.verb is Verb.CONVERGE:
            self.reach(Milestone.CONVERGED)
        tail = f": {progress.why}" if progress.why else ""
        self.report(f"{progress.step.id} {progress.state} in {progress.seconds:.2f} s{tail}")
