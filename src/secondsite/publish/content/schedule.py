"""Which drills are run when, and which contracts each keeps from going stale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta

from attrs import evolve, frozen

from secondsite.model.contract import Contract
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.proof import Every, command, proof, proving

TUESDAY = 1
_WEEKDAYS = (TUESDAY, 2, 3, 0, 4)
"""In the order in which drills take them."""
_MORNING, _AFTERNOON = 10, 14
_DAY_CODES = ("MO", "TU", "WE", "TH", "FR")
_NTH = {Every.MONTH: 1, Every.QUARTER: 2, Every.YEAR: 3}


@frozen
class ScheduledDrill:
    """``keeps`` are the contracts whose evidence it renews; ``minutes`` is how long to keep free for it.

    It begins on ``weekday`` (0 is Monday) at ``hour``, UTC.
    """

    key: str
    title: str
    command: str
    every: Every
    keeps: tuple[str, ...]
    where: str
    minutes: int
    weekday: int = TUESDAY
    hour: int = _MORNING

    def first(self, start: date) -> date:
        """Weekly each; monthly the first, quarterly the second, yearly the third of its weekday in the month."""
        day = start
        while day.weekday() != self.weekday or not self._its_week(day):
            day += timedelta(days=1)
        return day

    def _its_week(self, day: date) -> bool:
        return self.every is Every.WEEK or (day.day - 1) // 7 + 1 == _NTH[self.every]

    @property
    def rule(self) -> dict[str, object]:
        """As RFC 5545 has it."""
        if self.every is Every.WEEK:
            return {"FREQ": "WEEKLY", "BYDAY": _DAY_CODES[self.weekday]}
        by_day = f"{_NTH[self.every]}{_DAY_CODES[self.weekday]}"
        if self.every is Every.MONTH:
            return {"FREQ": "MONTHLY", "BYDAY": by_day}
        return {"FREQ": "MONTHLY", "INTERVAL": 3 if self.every is Every.QUARTER else 12, "BYDAY": by_day}


def drills(inputs: Inputs) -> tuple[ScheduledDrill, ...]:
    """Most frequent first. A drill that several contracts share is run once."""
    strategy, deployment = inputs.chosen.strategy, inputs.chosen.deployment
    by_drill: dict[str, list[Contract]] = {}
    for outcome in inputs.chosen.outcomes:
        if outcome.promised and proving(outcome.contract, deployment):
            by_drill.setdefault(proving(outcome.contract, deployment), []).append(outcome.contract)
    own = [_of(named, contracts, deployment) for named, contracts in by_drill.items()]
    kept = tuple(contract.name for contracts in by_drill.values() for contract in contracts)
    region = tuple(name for name in kept if name.endswith(f"/{Fault.REGION}"))
    both = inputs.chosen.deployment.standby is not None
    more = [
        ScheduledDrill(
            "backup-verify",
            "restore the newest backup, compare every message",
            'secondsite backup verify --from "$BACKUP_URL"',
            Every.WEEK,
            (),
            "scratch server",
            30,
        ),
        ScheduledDrill(
            "dns",
            "change the record while the provider's control plane is impaired",
            command("dns-stuck", strategy),
            Every.MONTH,
            (),
            "lab",
            30,
        ),
        ScheduledDrill(
            "failback",
            "fail back, and salvage what was left behind",
            command("failback", strategy),
            Every.QUARTER,
            (),
            "lab",
            60,
        ),
        ScheduledDrill(
            "controls",
            "every negative control fails",
            "secondsite drill --controls",
            Every.QUARTER,
            (),
            "lab",
            60,
        ),
        ScheduledDrill(
            "production",
            "lose the region, at production intervals",
            f"{command('region-loss', strategy)} --profile production",
            Every.QUARTER,
            region,
            "lab",
            60,
        ),
        ScheduledDrill(
            "people",
            "lose the region in staging, with the on-call team, using only the runbook",
            f"{command('region-loss', strategy, runs=5)} --profile production",
            Every.YEAR,
            region,
            "staging, then lab",
            240,
        ),
    ]
    wanted = [one for one in more if both or one.key not in ("failback", "dns", "production", "people")]
    return apart(sorted([*own, *wanted], key=lambda one: (list(Every).index(one.every), one.key)))


def apart(wanted: Iterable[ScheduledDrill]) -> tuple[ScheduledDrill, ...]:
    """No two at the same time: weekly ones in the morning, the others in the afternoon, each kind in its own week."""
    taken: Counter[Every] = Counter()
    placed = []
    for one in wanted:
        later, day = divmod(taken[one.every], len(_WEEKDAYS))
        begin = _MORNING if one.every is Every.WEEK else _AFTERNOON
        placed.append(evolve(one, weekday=_WEEKDAYS[day], hour=begin + later))
        taken[one.every] += 1
    return tuple(placed)


def _of(drill_name: str, contracts: list[Contract], deployment: Deployment) -> ScheduledDrill:
    first = proof(contracts[0], deployment)
    minutes = 30 if first.in_region else 60
    return ScheduledDrill(
        key=first.drill,
        title=f"{contracts[0].fault.meaning} ({first.drill})",
        command=drill_name,
        every=first.every,
        keeps=tuple(contract.name for contract in contracts),
        where="lab",
        minutes=minutes,
    )
