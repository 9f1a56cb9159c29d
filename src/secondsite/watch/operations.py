"""What a watch may start: the strategy's own failovers and its failback, through the executor, its journal and lease.

What was done last is read where every watch reads it, in the standby's domain; its age is told by the servers' clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import define, evolve, field, frozen

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
from secondsite.operate.shortfalls import shortfalls
from secondsite.operate.world import Decision, LeaseReading, World
from secondsite.watch.permission import LastOperation, LastStep

FAILOVER, FAILBACK = "failover", "failback"
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

    async def plan(self, fault: Fault | None, decision: Decision, allowed: frozenset[str] = frozenset()) -> Plan:
        """``fault`` is None on the way back, here and below."""
        ...

    async def shortfalls(self, fault: Fault, decision: Decision) -> tuple[PlanRefusal, ...]:
        """What a failover would feel and no plan refuses."""
        ...

    async def begin(
        self, fault: Fault | None, decision: Decision, approved: str, allowed: frozenset[str] = frozenset()
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
    when the watch was started. ``failback`` is None where nothing leads back; ``lease``: what is known of it.
    ``declared``: the system file says that people switch the record, whatever the strategy could do.
    """

    deployment: Deployment
    procedures: Mapping[Fault, Procedure]
    failback: Procedure | None = field(default=None, kw_only=True)
    lease: Callable[[], LeaseReading | None] = field(default=lambda: None, kw_only=True)
    declared: bool = field(default=False, kw_only=True)
    world_of: Callable[[Procedure, Decision], World]
    folder: Path
    report: Callable[[str], None]
    progress: Progress
    allowed: frozenset[str] = frozenset()
    patience: float = 1.0

    def journal(self, direction: str) -> Path:
        return self.folder / f"{direction}.jsonl"

    def _procedure(self, fault: Fault | None) -> Procedure:
        if fault is not None:
            return self.procedures[fault]
        if self.failback is None:
            raise InputError.at("failback", "this strategy has none", "see `secondsite failback plan`")
        return self.failback

    def by_person(self, fault: Fault) -> bool:
        procedure = self.procedures.get(fault)
        if procedure is None or self.declared:
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
            copied = from_copy(await copied_entries(door), self.journal(FAILOVER))
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

    async def plan(self, fault: Fault | None, decision: Decision, allowed: frozenset[str] = frozenset()) -> Plan:
        procedure = self._procedure(fault)
        return await make_plan(procedure, self.deployment, self._world(fault, decision), allowed=self.allowed | allowed)

    async def shortfalls(self, fault: Fault, decision: Decision) -> tuple[PlanRefusal, ...]:
        """Of steps that its procedure has."""
        steps = {step.verb: step.id for step in self._procedure(fault).steps}
        known = await shortfalls(self.deployment, self._world(fault, decision))
        return tuple(
            PlanRefusal(steps[verb], one.id, one.what, one.remedy, absolute=False)
            for verb, one in known
            if verb in steps
        )

    async def begin(
        self, fault: Fault | None, decision: Decision, approved: str, allowed: frozenset[str] = frozenset()
    ) -> OperationOutcome:
        direction = FAILBACK if fault is None else FAILOVER
        make_room(self.journal(direction), direction)
        return await self._carried_out(fault, evolve(decision, lease=self.lease()), approved, allowed)

    async def take_over(self, decision: Decision) -> OperationOutcome | None:
        ways: dict[Fault | None, Procedure] = dict(self.procedures.items())
        if self.failback:
            ways[None] = self.failback
        for direction in (FAILOVER, FAILBACK):
            begun = await self._left(direction, decision)
            for fault, procedure in ways.items() if begun else ():
                if procedure_hash(procedure) == begun:
                    return await self._carried_out(fault, decision, "", frozenset())
        return None

    async def _left(self, direction: str, decision: Decision) -> str:
        """Hash of the procedure that a watch began and left; empty where there is none."""
        region, path = home_of_journal(self.deployment), self.journal(direction)
        world = self._world(next(iter(self.procedures)), decision)
        if not _is_open(path):
            make_room(path, direction)  # this machine's last one ended; the newest may be another machine's
            if not await fetch_journal(world, region, path, direction):
                return ""
        entries = read_journal(path)
        if end_of(entries) is not OperationEnd.OPEN or not str(entries[0].data.get("who") or "").startswith(WATCH):
            return ""
        return str(entries[0].data.get("procedure_hash"))

    async def _carried_out(
        self, fault: Fault | None, decision: Decision, approved: str, allowed: frozenset[str]
    ) -> OperationOutcome:
        procedure, world = self._procedure(fault), self._world(fault, decision)
        with Journal(self.journal(FAILBACK if fault is None else FAILOVER), world.clock) as journal:
            async with lease_of(self.deployment, world, journal, self.report) as lease:
                if not lease.shared:
                    what = "the lease could not be acquired, so another watch may be acting: nothing is started"
                    remedy = (
                        "find out why the shared journal cannot be written; a person may "
                        "act with `secondsite failover run`"
                    )
                    raise MachineError.at(lease.region, what, remedy)
                allow = self.allowed | allowed
                options = Options(approved, allow, self.patience, hold=lease.hold, decided=not approved)
                return await execute(
                    procedure, self.deployment, world, journal, options=options, progress=self.progress
                )

    def _world(self, fault: Fault | None, decision: Decision) -> World:
        return self.world_of(self._procedure(fault), decision)


def _is_open(path: Path) -> bool:
    """Whether there is a journal here that somebody has to go on with."""
    entries = read_journal(path) if path.exists() else []
    return bool(entries) and end_of(entries) is OperationEnd.OPEN


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
