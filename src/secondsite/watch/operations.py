"""What a watch may start: the strategy's own failovers, through the executor, its journal and its lease.

What was done last is read where every watch reads it, in the standby's domain; its age is told by the servers' clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import define, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.begun import make_room
from secondsite.operate.executor import OperationOutcome, Options, Progress, execute
from secondsite.operate.instants import instant
from secondsite.operate.journal import Journal, OperationEnd, end_of, from_copy, read_journal, records
from secondsite.operate.lease import (
    STREAM,
    TTL_S,
    copied_entries,
    fetch_journal,
    home_of_journal,
    lease_of,
    made,
    newest_record,
    stream_of_journal,
)
from secondsite.operate.plan import Plan, make_plan, procedure_hash
from secondsite.operate.world import Decision, World
from secondsite.watch.permission import LastOperation, LastStep

FAILOVER = "failover"
WATCH = "watch "
"""What the name of whoever declares begins with, where it is one of us."""


class OperationDoor(Protocol):
    """What a watch needs of it."""

    def by_person(self, fault: Fault) -> bool:
        """Whether the procedure's own trigger is a person; also where there is no procedure."""
        ...

    async def last(self) -> LastOperation | None:
        """None where nothing was ever begun; raises MachineError where nobody can say."""
        ...

    async def plan(self, fault: Fault, decision: Decision, allowed: frozenset[str] = frozenset()) -> Plan: ...

    async def begin(
        self, fault: Fault, decision: Decision, approved: str, allowed: frozenset[str] = frozenset()
    ) -> OperationOutcome:
        """``approved``: a plan's hash; empty where the watch decided by itself, upon whatever the plan is then.

        Raises InputError where it must not run, or is not what was approved.
        """
        ...

    async def take_over(self, decision: Decision) -> OperationOutcome | None:
        """Go on with what another watch began and left; None where there is nothing."""
        ...


@define
class Operations:
    """``world_of`` is made anew for each use; ``folder`` is where journals lie. ``allowed``: guards that were lifted
    when the watch was started.
    """

    deployment: Deployment
    procedures: Mapping[Fault, Procedure]
    world_of: Callable[[Procedure, Decision], World]
    folder: Path
    report: Callable[[str], None]
    progress: Progress
    allowed: frozenset[str] = frozenset()
    patience: float = 1.0

    @property
    def journal(self) -> Path:
        return self.folder / f"{FAILOVER}.jsonl"

    def by_person(self, fault: Fault) -> bool:
        procedure = self.procedures.get(fault)
        if procedure is None:
            return True
        steps = [step for step in procedure.steps if step.verb is Verb.DECIDE]
        return not steps or any(step.by_person or step.blocked for step in steps)

    async def last(self) -> LastOperation | None:
        world = self._world(next(iter(self.procedures)), Decision("", 0.0, ""))
        region = home_of_journal(self.deployment)
        async with world.streams(region) as door:
            await made(door, stream_of_journal(self.deployment))  # so that it has its leader when it is needed
            state = await door.stream(STREAM)
            if state is None:
                return None
            record, at = await newest_record(door, state.last_seq)
            copied = from_copy(await copied_entries(door), self.journal)
        if not copied or record is None:
            return None
        age_s = max(0.0, (instant(state.answered_at) - instant(at)).total_seconds())
        plan, end = copied[0].data, end_of(copied)
        name = str((plan.get("operation") or {}).get("id") or plan.get("procedure"))
        known = records(copied)
        steps = tuple(
            LastStep(str(one["id"]), str(one.get("title", "")), *_state(known.get(str(one["id"]))))
            for one in plan.get("steps") or ()
        )
        failover = str(plan.get("procedure", "")).startswith(FAILOVER)
        moved = failover and end is not OperationEnd.ABORTED
        acts = not record.released and age_s < TTL_S
        acting = f"{record.summary()}; heard {age_s:.0f} s ago" if acts else ""
        return LastOperation(name, age_s, end is OperationEnd.OPEN, moved, acting, str(plan.get("who") or ""), steps)

    async def plan(self, fault: Fault, decision: Decision, allowed: frozenset[str] = frozenset()) -> Plan:
        procedure = self.procedures[fault]
        return await make_plan(procedure, self.deployment, self._world(fault, decision), allowed=self.allowed | allowed)

    async def begin(
        self, fault: Fault, decision: Decision, approved: str, allowed: frozenset[str] = frozenset()
    ) -> OperationOutcome:
        make_room(self.journal, FAILOVER)
        return await self._carried_out(fault, decision, approved, allowed)

    async def take_over(self, decision: Decision) -> OperationOutcome | None:
        region, path = home_of_journal(self.deployment), self.journal
        world = self._world(next(iter(self.procedures)), decision)
        if not (path.exists() and path.stat().st_size) and not await fetch_journal(world, region, path, FAILOVER):
            return None
        entries = read_journal(path)
        if not entries or end_of(entries) is not OperationEnd.OPEN:
            return None
        if not str(entries[0].data.get("who") or "").startswith(WATCH):
            return None
        begun = entries[0].data.get("procedure_hash")
        fault = next((fault for fault, one in self.procedures.items() if procedure_hash(one) == begun), None)
        return None if fault is None else await self._carried_out(fault, decision, "", frozenset())

    async def _carried_out(
        self, fault: Fault, decision: Decision, approved: str, allowed: frozenset[str]
    ) -> OperationOutcome:
        procedure, world = self.procedures[fault], self._world(fault, decision)
        with Journal(self.journal, world.clock) as journal:
            async with lease_of(self.deployment, world, journal, self.report) as lease:
                if not lease.shared:
                    what = "the lease cannot be had, so another watch may be acting: nothing is begun"
                    remedy = "see why the shared journal cannot be written; a person may act: secondsite failover run"
                    raise MachineError.at(lease.region, what, remedy)
                allow = self.allowed | allowed
                options = Options(approved, allow, self.patience, hold=lease.hold, decided=not approved)
                return await execute(
                    procedure, self.deployment, world, journal, options=options, progress=self.progress
                )

    def _world(self, fault: Fault, decision: Decision) -> World:
        return self.world_of(self.procedures[fault], decision)


def _state(record: object) -> tuple[str, str]:
    return (str(getattr(record, "state", "")), str(getattr(record, "why", ""))) if record else ("", "")


@frozen
class PlanRefusal:
    """Why a plan must not run as things are; ``guard`` may be lifted by that name, where it is not ``absolute``."""

    step: str
    guard: str
    what: str
    remedy: str
    absolute: bool


def refusals_of(plan: Plan) -> tuple[PlanRefusal, ...]:
    return tuple(
        PlanRefusal(one.step.id, guard.id, guard.what, guard.remedy, guard.absolute)
        for one in plan.steps
        for guard in one.guards
        if guard.absolute or guard.id not in plan.allowed
    )


def machine_error(error: Exception) -> str:
    """Why a door did not open, for people."""
    if isinstance(error, MachineError | InputError):
        return "; ".join(one.what for one in error.problems)
    return str(error) or "no answer in time"
