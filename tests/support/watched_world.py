"""A watch with hands that only write down what it begins, on a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import define, evolve, field
from observed import EAST, EAST_LOST, WELL, Says, observation, rules

from secondsite.model.errors import MachineError
from secondsite.model.estimate import unbounded
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.operate.action import Guard
from secondsite.operate.executor import OperationOutcome
from secondsite.operate.plan import Plan, PlannedStep
from secondsite.operate.world import Decision
from secondsite.watch.judging import WatchRules
from secondsite.watch.notices import Notice
from secondsite.watch.operations import PlanRefusal
from secondsite.watch.permission import LastOperation
from secondsite.watch.process import Watch, WatchSettings

DONE = OperationOutcome("hash", {}, ())
GONE: Mapping[str, Says | None] = {"east": None, "west": EAST_LOST, "office": EAST_LOST}
ALL_WELL: Mapping[str, Says | None] = dict.fromkeys(("east", "west", "office"), WELL)


def plan_of(*guards: Guard, title: str = "promote") -> Plan:
    """Its hash follows from the title."""
    step = Step("promote-streams", Verb.PROMOTE_STREAMS, title, "it is so", unbounded("a step", "s", "a test"), 1.0)
    procedure = Procedure("failover", Fault.REGION, (step,))
    return Plan(procedure, "warm-standby/leafnode-mirror", "example", (PlannedStep(step, (), (), guards),))


@define
class Hands:
    """``plans`` are made in turn, the last one for ever; ``fails``: why beginning fails, in turn."""

    plans: list[Plan]
    known: LastOperation | None = None
    reachable: bool = True
    person: bool = False
    writes_down: bool = True
    moves: bool = True
    cannot_plan: Exception | None = None
    short: tuple[PlanRefusal, ...] = ()
    fails: list[Exception] = field(factory=list)
    begun: list[tuple[Fault | None, str, frozenset[str]]] = field(factory=list)
    went_on: int = 0
    during: Callable[[], Awaitable[None]] | None = None

    def by_person(self, _fault: Fault) -> bool:
        return self.person

    async def last(self) -> LastOperation | None:
        if not self.reachable:
            raise MachineError.at("us-west-2", "no answer", "look there")
        return self.known

    async def plan(self, _fault: Fault | None, _decision: Decision, allowed: frozenset[str] = frozenset()) -> Plan:
        if self.cannot_plan:
            raise self.cannot_plan
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        return evolve(plan, allowed=allowed)

    async def shortfalls(self, _fault: Fault, _decision: Decision) -> tuple[PlanRefusal, ...]:
        return self.short

    async def begin(
        self, fault: Fault | None, _decision: Decision, approved: str, allowed: frozenset[str] = frozenset()
    ) -> OperationOutcome:
        self.begun.append((fault, approved, allowed))
        if self.fails:
            raise self.fails.pop(0)
        if self.during:
            await self.during()
        if self.writes_down:
            self.known = LastOperation("failover", 0.0, is_open=False, is_failover=self.moves)
        return DONE

    async def take_over(self, _decision: Decision) -> OperationOutcome | None:
        self.went_on += 1
        self.known = LastOperation("failover", 0.0, is_open=False, is_failover=True)
        return DONE


@define
class Watched:
    """``pass_s`` lets seconds go by: in each, observers speak and the watch judges."""

    hands: Hands
    watch: Watch
    now_s: float = 1000.0
    numbers: dict[str, int] = field(factory=dict)
    notices: list[Notice] = field(factory=list)
    log: list[str] = field(factory=list)

    @classmethod
    def of(cls, *plans: Plan, watched: WatchRules | None = None, **more: Any) -> Watched:
        hands = Hands(list(plans) or [plan_of()])
        settings = WatchSettings("west", EAST, frozenset({Fault.REGION}))
        made = cls(hands, None)  # type: ignore[arg-type] # it is made below, as each needs the other
        made.watch = Watch(
            evolve(settings, **more),
            watched or rules(),
            hands,
            made.notices.append,
            made.log.append,
            clock=lambda: made.now_s,
            wall=lambda: 0.0,
        )
        return made

    async def pass_s(self, seconds: int, says: Mapping[str, Says | None]) -> None:
        for _ in range(seconds):
            self.now_s += 1
            for name, what in says.items():
                if what is not None:
                    self.numbers[name] = self.numbers.get(name, 0) + 1
                    self.watch.hear(observation(name, self.numbers[name], what))
            await self.watch.judge()
            for _ in range(5):
                await asyncio.sleep(0)

    async def well(self) -> None:
        await self.watch.read_journal()
        await self.pass_s(5, ALL_WELL)

    @property
    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]
