"""The watch: listens, judges, and starts what it may start; everything else it asks, and says.

It holds no lease while it watches. When it acts, the executor takes the operator's lease, so of two watches one acts
and the other is told who does; a watch that finds what another left, and nobody holds, goes on with it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

from attrs import define, evolve, field, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.nats.tasks import end_tasks
from secondsite.operate.executor import OperationOutcome
from secondsite.operate.lease import HeldElsewhereError
from secondsite.operate.world import Decision
from secondsite.watch.approvals import Approval, Ask, check_answers
from secondsite.watch.judging import RegionFinding, RegionJudgement, WatchRules, WatchState, judged, listened
from secondsite.watch.notices import Notice
from secondsite.watch.operations import WATCH, OperationDoor, machine_error, refusals_of
from secondsite.watch.permission import Circumstances, LastOperation, Permission, may_return, permission
from secondsite.watch.signals import ObserverRound

_TICK_S = 0.2
_TRIES = 3
_AGAIN_S = 2.0
_JOURNAL_S, _JOURNAL_CALM_S = 1.0, 15.0
_LOOK_S = 10.0
_ASK_ANEW_S = 30.0
_NAMES = "failover", "failback"


@frozen
class WatchSettings:
    """``name`` tells one watch from another. ``decide``: faults that need no person; ``ask``: those it asks about."""

    name: str
    home: str
    decide: frozenset[Fault] = frozenset()
    ask: frozenset[Fault] = frozenset({Fault.REGION, Fault.GRAY})
    block_s: float = 3600.0


@define
class Incident:
    """What was done about a finding since it began. ``doubt``: why a person is asked after ``tries`` to begin."""

    since_s: float
    tries: int = 0
    next_s: float = 0.0
    over: bool = False
    doubt: str = ""


@define
class Watch:
    """``say`` hands a notice on and never waits; ``report`` is for the log."""

    settings: WatchSettings
    rules: WatchRules
    operations: OperationDoor
    say: Callable[[Notice], None]
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    state: WatchState = field(factory=WatchState)
    last: LastOperation | None = None
    journal_known: bool = False
    journal_problem: str = ""
    ask: Ask | None = None
    why_not: str = ""
    incident: Incident | None = None
    acting: asyncio.Task[None] | None = None
    maintenance_until_s: float = 0.0
    _raw: dict[str, RegionFinding] = field(factory=dict)

    # --- what comes from outside

    def hear(self, observation: ObserverRound) -> None:
        self.state = listened(self.state, self.rules, observation, self.clock())

    def announce_maintenance(self, seconds: float) -> None:
        """0 ends it."""
        self.maintenance_until_s = self.clock() + seconds if seconds > 0 else 0.0
        self.report(
            f"maintenance for {seconds:g} s: until then, every action needs approval"
            if seconds
            else "maintenance is over"
        )

    def approve(self, approval: Approval) -> None:
        """Raises InputError where this is not what is asked. What was approved begins at once."""
        check_answers(approval, self.ask)
        ask = self.ask
        if ask is None or self.busy:
            raise InputError.at("approval", "an operation is in progress", "check the page of the watch")
        self.report(f"approved by {approval.who}: {ask.question}, plan {approval.plan}")
        why = f"{ask.evidence}; approved by {approval.who}"
        self._act(self._begun(ask.fault, why, approval.plan, frozenset(approval.allow)))

    # --- what it does by itself

    async def keep(self) -> None:
        """Until cancelled."""
        tasks = [asyncio.ensure_future(self._judge_again()), asyncio.ensure_future(self._read_journal_again())]
        try:
            await asyncio.gather(*tasks)
        finally:
            await end_tasks(*tasks, *([self.acting] if self.acting else []))

    @property
    def busy(self) -> bool:
        return self.acting is not None and not self.acting.done()

    @property
    def disturbed(self) -> bool:
        """Whether anything is to be seen, or going on."""
        judged_bad = any(one.raw is not RegionFinding.NOTHING for one in self.state.regions.values())
        return judged_bad or self.busy or bool(self.last and self.last.is_open)

    async def _judge_again(self) -> None:
        while True:
            await self.judge()
            await asyncio.sleep(min(_TICK_S, self.rules.interval_s / 4))

    async def _read_journal_again(self) -> None:
        while True:
            await self.read_journal()
            await self._take_over_what_was_left()
            for _ in range(int(_JOURNAL_CALM_S / _JOURNAL_S)):
                await asyncio.sleep(_JOURNAL_S)
                if self.disturbed:
                    break

    async def read_journal(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                self.last = await self.operations.last()
        except (MachineError, InputError, TimeoutError) as error:
            self.journal_known = False
            problem = f"the shared journal cannot be read: {machine_error(error)}"
            if problem != self.journal_problem:
                self.report(problem)
            self.journal_problem = problem
        else:
            self.journal_known, self.journal_problem = True, ""

    async def judge(self) -> None:
        """Everything as of now; what is to be begun begins beside this."""
        self.state = judged(self.state, self.rules, self.clock())
        for one in self.state.regions.values():
            self._say_change(one)
        home = self.state.regions[self.settings.home]
        if home.finding is RegionFinding.NOTHING:
            self._all_clear(home)
            await self._ask_to_return(home)
        elif not self.busy:
            await self._act_on(home)

    def permission(self, one: RegionJudgement) -> Permission:
        left_s = max(0.0, self.maintenance_until_s - self.clock())
        settings = self.settings
        now = Circumstances(settings.home, settings.decide, settings.block_s, self.journal_known, self.last, left_s)
        allowed = permission(one, now)
        if allowed.fault is None:
            return allowed
        by_person = self.operations.by_person(allowed.fault)
        return permission(one, evolve(now, by_person=by_person))

    def _say_change(self, one: RegionJudgement) -> None:
        if self._raw.get(one.region, RegionFinding.NOTHING) is not one.raw:
            self.report(f"{one.region}: {one.raw}; {one.why}")
        self._raw[one.region] = one.raw

    def _all_clear(self, home: RegionJudgement) -> None:
        if home.raw is not RegionFinding.NOTHING:
            return
        if self.ask is not None and self.ask.fault is not None:
            self._withdraw(f"{self.ask.region} answers again")
        self.incident, self.why_not = None, ""

    def _withdraw(self, why: str) -> None:
        self.say(Notice("withdrawn", why, "the request is withdrawn"))
        self.ask = None

    async def _ask_to_return(self, home: RegionJudgement) -> None:
        """A region that was failed over and lives again: when to go back is for a person to say."""
        needed, now_s = self.rules.needed(home.region), self.clock()
        if self.busy:
            return
        if not may_return(home, needed, self.rules.window_s, now_s, self.last):
            if self.ask is not None and self.ask.fault is None:
                self._withdraw(f"{home.region} no longer exists, or is no longer failed over")
            return
        if self.ask is None or now_s >= self.ask.made_s + _ASK_ANEW_S:
            await self._ask_a_person(home, None, f"{home.region} answers again: a failback needs approval")

    async def _act_on(self, home: RegionJudgement) -> None:
        if self.incident is None or self.incident.since_s != home.since_s:
            self.incident = Incident(home.since_s)
            self.report(f"{home.region}: decided: {home.finding}")
        incident, now_s = self.incident, self.clock()
        waits = self.ask is not None and now_s < self.ask.made_s + _ASK_ANEW_S
        if incident.over or waits or now_s < incident.next_s:
            return
        allowed = self.permission(home)
        if allowed.fault is not None and not allowed.asks:
            await self.read_journal()  # another watch may have been faster
            allowed = self.permission(home)
        self.why_not = allowed.why
        if allowed.fault is None:
            return
        why = incident.doubt or allowed.asks
        if not why:
            self._act(self._begun(allowed.fault, home.why, "", frozenset()))
        elif allowed.fault in self.settings.ask | self.settings.decide:
            await self._ask_a_person(home, allowed.fault, why)
        else:
            self.why_not = f"{allowed.fault} leads to no action (operate: watch)"

    async def _ask_a_person(self, home: RegionJudgement, fault: Fault | None, why: str) -> None:
        """Once for each plan: the question is another one when the plan is."""
        ask = await self._question(home, fault, why)
        if self.ask is not None and (self.ask.plan, self.ask.refusals) == (ask.plan, ask.refusals):
            self.ask = evolve(ask, id=self.ask.id)
            return
        self.ask = ask
        lines = [ask.why, home.why, *ask.stops, *(f"{one.guard}: {one.what}" for one in ask.refusals)]
        title = f"{home.region}: {home.finding}. {ask.question.capitalize()}? Plan {ask.plan or 'none'}"
        self.report(f"asks ({ask.id}) whether to {ask.question}: {ask.why}")
        self.say(Notice("asks", title, "\n".join(lines)))

    async def _question(self, home: RegionJudgement, fault: Fault | None, why: str) -> Ask:
        blank = Ask(secrets.token_hex(4), fault, home.region, why, home.why, self.clock())
        try:
            plan = await self.operations.plan(fault, self._decision(home.why))
        except (MachineError, InputError, TimeoutError) as error:
            return evolve(blank, why=f"{why}; no plan can be made: {machine_error(error)}")
        stops = tuple(str(stop) for one in plan.steps for stop in one.stops)
        return evolve(blank, plan=plan.hash, stops=stops, refusals=refusals_of(plan))

    def _act(self, work: Awaitable[None]) -> None:
        self.ask = None
        self.acting = asyncio.ensure_future(work)

    async def _begun(self, fault: Fault | None, why: str, approved: str, allowed: frozenset[str]) -> None:
        incident = self.incident or Incident(self.clock())
        incident.tries += 1
        self.report("starts the failback" if fault is None else f"starts the failover for {fault}")
        to = (
            f"{self.settings.home} serves again after the failback"
            if fault is None
            else f"{self.settings.home} is failed over"
        )
        self.say(Notice("begins", to + (f" ({fault})" if fault else ""), why))
        try:
            outcome = await self.operations.begin(fault, self._decided(why, approved), approved, allowed)
        except HeldElsewhereError as error:
            self.report(f"another controller acts: {machine_error(error)}")
            incident.next_s = self.clock() + _AGAIN_S
        except (MachineError, InputError, TimeoutError) as error:
            self._did_not_begin(incident, machine_error(error), approved)
        else:
            incident.over = True
            self._ended(outcome, _NAMES[fault is None])
        await self.read_journal()

    def _did_not_begin(self, incident: Incident, why: str, approved: str) -> None:
        """A plan that must not run is asked about: a person may lift what forbids it."""
        self.report(f"it did not start: {why}")
        incident.next_s = self.clock() + _AGAIN_S
        if approved or incident.tries >= _TRIES:
            incident.doubt = f"it did not start: {why}"

    def _ended(self, outcome: OperationOutcome, name: str = "operation") -> None:
        problems = "\n".join(f"{one.place}: {one.what}; {one.remedy}" for one in outcome.problems)
        end = "is done" if outcome.finished else "failed" if outcome.failed else "waits for a person"
        self.report(f"the {name} {end}" + (f": {problems}" if problems else ""))
        self.say(Notice("ended", f"the {name} of {self.settings.home} {end}", problems))

    async def _take_over_what_was_left(self) -> None:
        last = self.last
        if self.busy or last is None or not self.journal_known:
            return
        left = last.is_open and not last.acting and last.who.startswith(WATCH)
        waits = any(step.state in ("failed", "waiting") for step in last.steps)
        if left and not waits:
            self._act(self._taken_over(last))

    async def _taken_over(self, last: LastOperation) -> None:
        self.report(f"continues {last.name}, which {last.who} left")
        try:
            outcome = await self.operations.take_over(self._decision(f"{last.who} left it"))
        except (MachineError, InputError, TimeoutError) as error:
            self.report(f"it cannot continue: {machine_error(error)}")
        else:
            if outcome is not None:
                self._ended(outcome)
        await self.read_journal()

    def _decision(self, why: str) -> Decision:
        return Decision(f"{WATCH}{self.settings.name}", self.wall(), why)

    def _decided(self, why: str, approved: str) -> Decision:
        """With when the quorum first agreed, and when the window was over; a person decides by approving."""
        home, decision = self.state.regions.get(self.settings.home), self._decision(why)
        if home is None or home.decided_s is None:
            return decision
        apart_s = decision.at - self.clock()
        at = decision.at if approved else home.decided_s + apart_s
        return evolve(decision, at=at, detected_at=home.since_s + apart_s)
