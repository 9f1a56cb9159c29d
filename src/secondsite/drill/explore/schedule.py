"""A schedule: how the first region is lost, and what else goes wrong before, during and after each move. Pure.

It is drawn from a seed, written to a file, run again from it, and made smaller: everything that happens is in it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import cattrs
from attrs import evolve, frozen

from secondsite.model.errors import InputError
from secondsite.model.operate import Writers

SCHEMA = "secondsite/schedule/1"
DRIFT = 0.009
"""A little less than what a lease allows for (1 %), and a hundred times what a quartz is off by."""


class MovePhase(StrEnum):
    """In their order: before the loss, while it is failed over, after that, while it is failed back."""

    BEFORE = "before"
    OVER = "failover"
    BETWEEN = "between"
    BACK = "failback"


class RegionLoss(StrEnum):
    """What becomes of the first region. ``none``: it lives and is left on purpose."""

    NONE = "none"
    KILL = "kill"
    FREEZE = "freeze"
    CUT = "cut"


class Trouble(StrEnum):
    KILL = "kill"
    FREEZE = "freeze"
    CUT = "cut"
    SLOW = "slow"
    DISK = "disk"
    CLOCK = "clock"
    DRIFT = "drift"


_CLOCKS = (Trouble.CLOCK, Trouble.DRIFT)
_OWNERS = ("gate", "standby-gate", "agent")
TARGETS = {
    Trouble.KILL: ("home", "away", "gate", "agent", "controller"),
    Trouble.FREEZE: ("home", "away", "gate", "agent"),
    Trouble.CUT: ("home>away", "away>home", "both"),
    Trouble.SLOW: ("home>away", "away>home", "both"),
    Trouble.DISK: ("home", "away"),
    Trouble.CLOCK: ("controller", *_OWNERS),
    Trouble.DRIFT: ("controller", *_OWNERS),
}
"""``home`` and ``away``: the servers of the first and of the second region. A cut has a direction, or both. ``gate``
is that of the first region, ``standby-gate`` that of the second."""


@frozen
class Disturbance:
    """``after_s`` from the begin of its phase. ``lasts_s``: then it is mended. ``amount``: of a slow link the delay in
    one direction in milliseconds, of a clock the seconds by which the time of day is off, of a drift the share by which
    the clocks that leases count on run fast."""

    phase: MovePhase
    after_s: float
    kind: Trouble
    target: str
    lasts_s: float
    amount: float = 0.0

    @property
    def text(self) -> str:
        by = f" by {self.amount:g}" if self.amount else ""
        return f"{self.phase} +{self.after_s:g} s: {self.kind} {self.target}{by} for {self.lasts_s:g} s"


@frozen
class FaultSchedule:
    """``spoiled``: the negative control under which it runs; empty for the procedure as it is."""

    seed: int
    loss: RegionLoss
    writers: Writers
    disturbances: tuple[Disturbance, ...] = ()
    spoiled: str = ""

    @property
    def text(self) -> str:
        first = f"seed {self.seed}, writers {self.writers}, {self.loss} of the first region"
        return "; ".join([first, *(one.text for one in self.disturbances)])


def draw(seed: int, *, disk: bool = True) -> FaultSchedule:
    """``disk``: whether disks can be filled here."""
    chance = random.Random(seed)
    loss, writers = chance.choice(tuple(RegionLoss)), chance.choice(tuple(Writers))
    kinds = [kind for kind in Trouble if (disk or kind is not Trouble.DISK) and kind is not Trouble.DRIFT]
    many = chance.choice((0, 1, 1, 2, 2, 3, 4))
    disturbances = tuple(_disturbance(chance, kinds) for _ in range(many))
    clocks = tuple(_off(chance) for _ in range(chance.choice((0, 1, 1, 2))))
    return FaultSchedule(seed, loss, writers, (*disturbances, *clocks))


def spoil(schedule: FaultSchedule, control: str) -> FaultSchedule:
    """Under the control, and with the loss that shows it: a forgotten fence is seen where nobody else fences."""
    loss, writers = (RegionLoss.CUT, Writers.ONE) if control == "no-fence" else (RegionLoss.KILL, schedule.writers)
    return evolve(schedule, spoiled=control, loss=loss, writers=writers) if control else schedule


def _disturbance(chance: random.Random, kinds: Sequence[Trouble]) -> Disturbance:
    kind = chance.choice(kinds)
    amount = {
        Trouble.SLOW: float(chance.choice((150, 400, 900))),
        Trouble.CLOCK: float(chance.choice((-3600, -30, 30, 3600))),
    }.get(kind, 0.0)
    after_s, lasts_s = round(chance.uniform(0, 2.5), 2), round(chance.uniform(0.2, 3.0), 2)
    targets = ("controller",) if kind is Trouble.CLOCK else TARGETS[kind]
    return Disturbance(chance.choice(tuple(MovePhase)), after_s, kind, chance.choice(targets), lasts_s, amount)


def _off(chance: random.Random) -> Disturbance:
    """A clock, drawn after all else: what a seed drew before there were any is what it draws now, and some of these."""
    kind = chance.choice(_CLOCKS)
    drifts = (-DRIFT, DRIFT)
    amount = float(chance.choice(drifts if kind is Trouble.DRIFT else (-3600, -30, 30, 3600)))
    after_s, lasts_s = round(chance.uniform(0, 2.5), 2), round(chance.uniform(1.0, 8.0), 2)
    return Disturbance(chance.choice(tuple(MovePhase)), after_s, kind, chance.choice(TARGETS[kind]), lasts_s, amount)


def smaller(schedule: FaultSchedule) -> Iterator[FaultSchedule]:
    """Each with one thing less, or one thing simpler; the greatest cuts first."""
    given = schedule.disturbances
    if len(given) > 1:
        half = len(given) // 2
        yield evolve(schedule, disturbances=given[:half])
        yield evolve(schedule, disturbances=given[half:])
    for number in range(len(given)):
        yield evolve(schedule, disturbances=(*given[:number], *given[number + 1 :]))
    if schedule.loss not in (RegionLoss.NONE, RegionLoss.KILL) and not schedule.spoiled:
        yield evolve(schedule, loss=RegionLoss.KILL)
    for number, one in enumerate(given):
        if one.after_s:
            yield evolve(schedule, disturbances=(*given[:number], evolve(one, after_s=0.0), *given[number + 1 :]))


def schedule_json(schedule: FaultSchedule) -> str:
    return json.dumps({"schema": SCHEMA, **cattrs.unstructure(schedule)}, indent=2) + "\n"


def read_schedule(path: Path) -> FaultSchedule:
    """Raises InputError for what is no schedule."""
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
            raise InputError.at(str(path), f"is not a schedule ({SCHEMA})", "give a file that `drill explore` wrote")
        content.pop("breaches", None)
        schedule = cattrs.structure(content, FaultSchedule)
    except (OSError, ValueError, TypeError, KeyError, cattrs.BaseValidationError) as error:
        why = str(error).splitlines()[0]
        raise InputError.at(str(path), f"cannot read a schedule: {why}", "give an existing file") from None
    for one in schedule.disturbances:
        if one.target not in TARGETS[one.kind]:
            what = f"{one.kind} has no target {one.target!r}"
            raise InputError.at(str(path), what, f"there are {', '.join(TARGETS[one.kind])}")
    return schedule
