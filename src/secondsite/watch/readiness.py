"""Whether a failover could run now, asked before anything is lost: the plan of each fault, made again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.operate.world import Decision
from secondsite.watch.operations import OperationDoor, PlanRefusal, machine_error, refusals_of

EVERY_S = 300.0
_LONGEST_S = 60.0
_MOVED = "serves-already"


@frozen
class ReadyStep:
    """``changes``: what it would do. ``now``: what was read for it, such as how far copies are behind."""

    id: str
    title: str
    changes: tuple[str, ...] = ()
    now: tuple[str, ...] = ()


@frozen
class ReadyPlan:
    """``refusals`` empty: it may run, and nothing that it would feel is missing; ``felt``: those of them that no plan
    refuses. ``problem``: why no plan could be made; ``made_s`` on the monotonic clock."""

    fault: Fault
    made_s: float
    plan: str = ""
    refusals: tuple[PlanRefusal, ...] = ()
    problem: str = ""
    steps: tuple[ReadyStep, ...] = ()
    felt: tuple[PlanRefusal, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.refusals and not self.problem

    @property
    def could_run(self) -> bool:
        """Also where it would lack something."""
        return not self.problem and all(one in self.felt for one in self.refusals)


@define
class Readiness:
    """``changed`` gets what is new; that all is well at first is not.

    ``paused``: while a region is lost or an operation runs, plans say nothing about readiness.
    """

    operations: OperationDoor
    faults: tuple[Fault, ...]
    decision: Decision
    clock: Callable[[], float]
    paused: Callable[[], bool]
    changed: Callable[[ReadyPlan], None]
    every_s: float = EVERY_S
    plans: dict[Fault, ReadyPlan] = field(factory=dict)

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            if not self.paused():
                await self.look()
            await asyncio.sleep(self.every_s)

    async def look(self) -> None:
        for fault in self.faults:
            made = await self._made(fault)
            if self.paused():  # it was made while a region went, and says nothing about readiness
                return
            known = self.plans.get(fault)
            self.plans[fault] = made
            if not made.ready if known is None else _shown(known) != _shown(made):
                self.changed(made)

    async def _made(self, fault: Fault) -> ReadyPlan:
        try:
            async with asyncio.timeout(_LONGEST_S):
                plan = await self.operations.plan(fault, self.decision)
                short = await self.operations.shortfalls(fault, self.decision)
        except (MachineError, InputError, TimeoutError) as error:
            return ReadyPlan(fault, self.clock(), problem=machine_error(error))
        except Exception as error:
            return ReadyPlan(fault, self.clock(), problem=f"a defect of secondsite: {type(error).__name__}: {error}")
        refusals = refusals_of(plan)
        moved = any(one.guard == _MOVED for one in refusals)  # then home is not where clients should be
        steps = tuple(ReadyStep(one.step.id, one.step.title, one.changes, one.now) for one in plan.steps)
        felt = () if moved else short
        return ReadyPlan(fault, self.clock(), plan.hash, (*refusals, *felt), steps=steps, felt=felt)


def _shown(one: ReadyPlan) -> object:
    return one.problem, [(refusal.step, refusal.guard) for refusal in one.refusals]
