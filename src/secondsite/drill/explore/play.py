"""One schedule, played: the region is lost, failed over, repaired and failed back to, with the laws checked all along.

A move that fails is gone on with, as somebody does who reads what it says; where it says that it has to be begun anew,
it is aborted and begun anew. Once everything that was disturbed is mended, it has to come to its end.
"""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import define, field, frozen

from secondsite.drill.explore.doors import Doors
from secondsite.drill.explore.laws import (
    ENDS,
    ONE_WRITER,
    SOMEBODY_WRITES,
    Breach,
    Promise,
    conservation,
    lasted_s,
    lost,
    overlap,
    silence_s,
)
from secondsite.drill.explore.schedule import FaultSchedule, MovePhase, RegionLoss
from secondsite.drill.explore.troubles import Troubles
from secondsite.drill.play.lab_world import place
from secondsite.lab.world import Lab
from secondsite.model.errors import InputError, MachineError, Problem, SecondsiteError
from secondsite.model.fault import Fault
from secondsite.model.operate import Writers
from secondsite.model.procedure import Procedure, Verb
from secondsite.nats.streams import StreamApi
from secondsite.nats.tasks import end_tasks
from secondsite.operate.abort import abort
from secondsite.operate.action import Action
from secondsite.operate.actions.unplaced import UNPLACED, WAS_ID
from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import families
from secondsite.operate.lease import lease_of
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

DELAY_MS = 32.5
_BEFORE_S, _BETWEEN_S, _AFTER_S, _DECIDED_S = 1.5, 1.2, 0.8, 0.4
_AGAIN_S = 0.3
_TRIES_AFTER = 12
"""How often a move that everything is mended for may still fail for a moment: elections, links that come back."""
_WRITES_WITHIN_S = 12.0
_MOVE_S = 120.0
_READ_S, _READ_ALL_S = 3.0, 20.0
"""For reading what every copy holds: between two steps, and at the end, when nothing else is waited for."""
_APPROVE = re.compile(r"--approve ([0-9a-f]+)")


@frozen
class Played:
    """``silences_s``: of each move, the longest time in which nobody was acknowledged anything. ``overlap``: writes
    that both sides took under a named exception, and for how long."""

    breaches: tuple[Breach, ...]
    silences_s: Mapping[str, float]
    overlap: int
    overlap_s: float
    promises: int
    seconds: float
    log: tuple[str, ...] = ()


def asked_for(problems: Iterable[Problem]) -> str:
    """What an outcome asks to be approved, as by whoever planned while somebody was silent who would be stopped."""
    matches = (_APPROVE.search(problem.remedy) for problem in problems)
    return next((match[1] for match in matches if match), "")


@define
class Explorer:
    schedule: FaultSchedule
    lab: Lab
    kit: Kit
    doors: Doors
    promises: list[Promise]
    folder: Path
    executors: Mapping[Verb, Action] = EXECUTORS
    troubles: Troubles = field(init=False)
    breaches: list[Breach] = field(factory=list)
    log: list[str] = field(factory=list)
    silences_s: dict[str, float] = field(factory=dict)
    named_overlap: int = 0
    named_overlap_s: float = 0.0
    _journal: Path = Path()
    _asked: str = ""
    _move: asyncio.Task[OperationOutcome | None] | None = None
    _checks: list[asyncio.Task[None]] = field(factory=list)
    _began_s: float = field(factory=time.monotonic)

    def __attrs_post_init__(self) -> None:
        self.troubles = Troubles(self.lab, self.home, self.doors.away, self.doors.clock, self._end_controller, DELAY_MS)
        self.troubles.learn()

    @property
    def home(self) -> str:
        return self.lab.deployment.primary.region.name

    async def play(self) -> Played:
        began_s = time.monotonic()
        tasks = [asyncio.ensure_future(writer.run()) for writer in self.doors.writers.values()]
        tasks.append(asyncio.ensure_future(self.troubles.keep_alive()))
        try:
            await self._all()
        finally:
            await end_tasks(*tasks, *self._checks)
        took_s = time.monotonic() - began_s
        unique = tuple(dict.fromkeys(self.breaches))
        both = (self.named_overlap, self.named_overlap_s)
        return Played(unique, self.silences_s, *both, len(self.promises), took_s, tuple(self.log))

    async def _all(self) -> None:
        await self._writes("before the loss", _WRITES_WITHIN_S)
        await self._during(MovePhase.BEFORE, asyncio.sleep(_BEFORE_S))
        await self._lose()
        await asyncio.sleep(_DECIDED_S)
        over = failover(
            self.lab.deployment, self.kit, Fault.GRAY if self.schedule.loss is RegionLoss.NONE else Fault.REGION
        )
        began_s = time.monotonic()
        if not await self._during(MovePhase.OVER, self._carry_out("failover", over)):
            return
        await self._during(MovePhase.BETWEEN, asyncio.sleep(_BETWEEN_S))
        self._check_overlap("the failover", self.home, self.doors.away, began_s)
        await self._return(over)
        began_s = time.monotonic()
        if await self._during(MovePhase.BACK, self._carry_out("failback", failback(self.lab.deployment, self.kit))):
            await asyncio.sleep(_AFTER_S)
            await self._writes("after the failback", _WRITES_WITHIN_S)
            self._check_overlap("the failback", self.doors.away, self.home, began_s)
        await self._check_kept("the end", wait=True)

    # --- what happens

    async def _during(self, phase: MovePhase, work: object) -> bool:
        """The work, with the phase's disturbances beside it; all of them are over when this returns."""
        chosen = [one for one in self.schedule.disturbances if one.phase is phase]
        beside = [asyncio.ensure_future(self.troubles.suffer(one)) for one in chosen]
        try:
            finished = await work  # type: ignore[misc] # either of the two coroutines
            await asyncio.gather(*beside)
        finally:
            await end_tasks(*beside)
        return bool(finished)

    async def _lose(self) -> None:
        """What is under way on the link dies with a region; one that stands still or is cut off goes on being there."""
        servers = [server.name for server in self.lab.servers(self.home)]
        match self.schedule.loss:
            case RegionLoss.KILL:
                self.troubles.down.add(self.home)
                await self.lab.kill_region(self.home)
            case RegionLoss.FREEZE:
                self.troubles.down.add(self.home)
                self.troubles.signal([*servers, *self.lab.processes(self.home)], signal.SIGSTOP)
            case RegionLoss.CUT:
                await self.lab.wan.cut(self.home, self.doors.away)
                self.troubles.down.add("link")
            case RegionLoss.NONE:
                """It lives, and is left on purpose."""
        self._say(f"{self.home}: {self.schedule.loss}")

    async def _return(self, over: Procedure) -> None:
        """The region is repaired, and whatever it left unfenced is fenced by the failover that is resumed."""
        if self.schedule.loss is RegionLoss.FREEZE:
            self.troubles.signal(self.lab.processes(self.home), signal.SIGCONT)
        self.troubles.down.discard("link")
        await self.lab.wan.heal(self.home, self.doors.away)
        self.troubles.down.discard(self.home)
        self.doors.sites.alone.clear()
        if self.schedule.loss in (RegionLoss.FREEZE, RegionLoss.CUT):
            await asyncio.sleep(_BETWEEN_S)
            await self._ended(asyncio.ensure_future(self._attempt(over, self._journal, "failover")))

    def _end_controller(self) -> None:
        if self._move is not None:
            self._move.cancel()

    # --- a move

    async def _carry_out(self, name: str, procedure: Procedure) -> bool:
        began_s, number, left = time.monotonic(), 1, _TRIES_AFTER
        while True:
            self._journal = journal = self.folder / f"{name}-{number}.jsonl"
            self._move = asyncio.ensure_future(self._attempt(procedure, journal, name))
            outcome = await self._ended(self._move)
            if outcome is not None and outcome.finished:
                break
            await self._check_kept(f"an attempt at the {name}")
            quiet = not self.troubles.under_way
            left -= quiet
            if left < 0 or time.monotonic() - began_s > _MOVE_S:
                why = self.log[-1] if self.log else "?"
                self.breaches.append(
                    Breach(ENDS, f"the {name} does not complete, although every fault is healed: {why}")
                )
                return False
            if quiet and outcome is not None and not self._taken_over(outcome):
                await self._writes(f"after an attempt at the {name} failed", _WRITES_WITHIN_S)
            if outcome is not None and any(
                "begin a new" in one.remedy or "abort" in one.remedy for one in outcome.problems
            ):
                number += await self._given_up(procedure, journal)
            await asyncio.sleep(_AGAIN_S)
        await self._writes(f"after the {name}", _WRITES_WITHIN_S)
        self.silences_s[name] = silence_s(self.promises, began_s, time.monotonic())
        await self._check_kept(f"the {name}")
        return True

    async def _ended(self, move: asyncio.Task[OperationOutcome | None]) -> OperationOutcome | None:
        try:
            return await move
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                move.cancel()
                raise
            self._say("the controller was killed")
        except SecondsiteError as error:
            self._say("; ".join(one.what for one in error.problems))
        return None

    async def _attempt(self, procedure: Procedure, path: Path, name: str) -> OperationOutcome | None:
        world, deployment = self.doors.world(f"{name}: {self.schedule.text}"), self.lab.deployment
        allowed = frozenset({"unfenced"}) if self.schedule.writers is Writers.AVAILABLE else frozenset()

        def progress(one: StepProgress) -> None:
            if one.seconds is not None:
                tail = f": {one.why}" if one.why else ""
                self._say(f"{name}: {one.step.id} {one.state} in {one.seconds:.2f} s{tail}")
                self._checks.append(asyncio.ensure_future(self._check_kept(one.step.id)))

        with Journal(path, world.clock) as journal:
            approved = (self._asked or str(journal.entries[0].data["hash"])) if journal.entries else ""
            if not approved:
                plan = await make_plan(procedure, deployment, world, allowed=allowed)
                if plan.refusals:
                    self._say("refused: " + "; ".join(one.what for one in plan.refusals))
                    return None
                approved = plan.hash
            async with lease_of(deployment, world, journal, self._say) as lease:
                options = Options(approved, allowed, executors=self.executors, hold=lease.hold)
                outcome = await execute(procedure, deployment, world, journal, options=options, progress=progress)
        self._asked = asked_for(outcome.problems)
        for problem in outcome.problems:
            self._say(f"{name}: {problem.place}: {problem.what}")
        return outcome

    async def _given_up(self, procedure: Procedure, path: Path) -> int:
        """1 where it was aborted, so that the next attempt is another operation."""
        world = self.doors.world("given up")
        try:
            with Journal(path, world.clock) as journal:
                async with lease_of(self.lab.deployment, world, journal, self._say) as lease:
                    await abort(procedure, self.lab.deployment, world, journal)
                    await lease.hold(journal.entries)
        except (InputError, MachineError) as error:
            self._say(f"abort: {error.problems[0].what}")
            return 0
        self._say("aborted, and planned again")
        return 1

    def _taken_over(self, outcome: OperationOutcome) -> bool:
        """Once the promotion was begun, the way is forward; and a region that was lost writes nothing."""
        begun = any(step == str(Verb.PROMOTE_STREAMS) for step in outcome.steps)
        lost_region = self.schedule.loss is not RegionLoss.NONE and "failover" in str(outcome.problems)
        return begun or lost_region

    # --- the laws

    async def _writes(self, when: str, within_s: float) -> None:
        """Of each stream somebody was acknowledged a write that was sent from now on."""
        since_s = time.monotonic()
        wanted = {stream for writer in self.doors.writers.values() for stream, _ in writer.subjects}
        while time.monotonic() < since_s + within_s:
            if wanted <= {one.stream for one in self.promises if one.sent_s >= since_s}:
                return
            await asyncio.sleep(0.05)
        missing = wanted - {one.stream for one in self.promises if one.sent_s >= since_s}
        self.breaches.append(Breach(SOMEBODY_WRITES, f"{when}, for {within_s:g} s: {', '.join(sorted(missing))}"))

    def _check_overlap(self, move: str, left: str, taken_by: str, since_s: float) -> None:
        both = overlap(self.promises, left, taken_by, since_s)
        if not both:
            return
        named = move == "the failover" and self.schedule.writers is Writers.AVAILABLE
        if named and self.schedule.loss in (RegionLoss.CUT, RegionLoss.FREEZE):
            self.named_overlap += len(both)
            self.named_overlap_s = max(self.named_overlap_s, lasted_s(both))
            return
        what = f"{len(both)} writes were accepted by {left} after {taken_by} had started to accept them, in {move}"
        self.breaches.append(Breach(ONE_WRITER, f"{what}: {both[0].stream} {both[0].sequence}"))

    async def _check_kept(self, after: str, *, wait: bool = False) -> None:
        """Where every region answers. What seems to be gone is looked for again: it may have been on its way."""
        promised = list(self.promises)
        for _ in range(40 if wait else 4):
            held = await self._held(_READ_ALL_S if wait else _READ_S)
            if held is not None:
                missing = lost(promised, held)
                if not missing:
                    return
            elif not wait:
                return
            await asyncio.sleep(0.25)
        if held is None:
            self.breaches.append(Breach(ENDS, f"a region does not answer at {after}, although every fault is healed"))
        else:
            self.breaches += conservation(missing, after)

    async def _held(self, within_s: float) -> dict[str, set[str]] | None:
        """By stream, the ids in all regions; None where one does not answer."""
        held: dict[str, set[str]] = {family.name: set() for family in families(self.lab.deployment)}
        try:
            async with asyncio.timeout(within_s):
                for region in self.lab.regions:
                    if region in self.troubles.down or not self.lab.servers(region):
                        return None
                    await self._held_in(region, held)
        except (MachineError, TimeoutError):
            return None
        return held

    async def _held_in(self, region: str, held: dict[str, set[str]]) -> None:
        async with place(self.lab, region).open() as opened:
            streams = StreamApi(opened)
            for family in families(self.lab.deployment):
                placement = family.at(region)
                for name in (placement.name if placement else "", UNPLACED):
                    state = await streams.stream(name) if name else None
                    if state is None:
                        continue
                    async for message in streams.many(name, 1, state.last_seq, bodies=False):
                        headers = message.headers
                        held[family.name] |= {headers.get("Nats-Msg-Id", ""), headers.get(WAS_ID, "")}

    def _say(self, what: str) -> None:
        self.log.append(f"{time.monotonic() - self._began_s:.1f} s {what}")
