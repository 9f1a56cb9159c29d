"""A watch that judges and starts nothing: it needs no plan, no right, no login; drills take it as their trigger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.operate.executor import OperationOutcome
from secondsite.operate.plan import Plan
from secondsite.operate.world import Decision
from secondsite.watch.judging import WatchRules
from secondsite.watch.listening import Listening
from secondsite.watch.notices import Notices
from secondsite.watch.operations import PlanRefusal
from secondsite.watch.permission import LastOperation
from secondsite.watch.process import Watch, WatchSettings
from secondsite.watch.readiness import Readiness
from secondsite.watch.running import RunningWatch

_LOOK_S = 0.1
"""How old what it answers may be: whoever measures it asks often."""


@frozen
class NoOperations:
    """An operation door behind which nothing is."""

    def by_person(self, fault: Fault) -> bool:
        return True

    async def last(self) -> LastOperation | None:
        return None

    async def plan(self, fault: Fault | None, decision: Decision, allowed: frozenset[str] = frozenset()) -> Plan:
        self._refuse()

    async def shortfalls(self, fault: Fault, decision: Decision) -> tuple[PlanRefusal, ...]:
        return ()

    async def begin(
        self, fault: Fault | None, decision: Decision, approved: str, allowed: frozenset[str] = frozenset()
    ) -> OperationOutcome:
        self._refuse()

    async def take_over(self, decision: Decision) -> OperationOutcome | None:
        return None

    def _refuse(self) -> NoReturn:
        raise InputError.at("watch judge", "this watch starts nothing", "run `secondsite watch` for one that acts")


def judging_watch(
    name: str, home: str, rules: WatchRules, addresses: Mapping[str, str], token: str, report: Callable[[str], None]
) -> RunningWatch:
    """Listens, judges and answers what it found."""
    notices = Notices(f"watch {name}", (), report)
    settings = WatchSettings(name, home, ask=frozenset())
    watch = Watch(settings, rules, NoOperations(), notices.say, report)
    listening = Listening(addresses, token, rules.interval_s / 2, min(5.0, max(1.0, rules.interval_s)), watch.hear)
    nothing = Readiness(
        watch.operations, (), Decision("", 0.0, ""), watch.clock, lambda: watch.disturbed, lambda _plan: None
    )
    return RunningWatch(watch, listening, nothing, notices, status_s=_LOOK_S)
