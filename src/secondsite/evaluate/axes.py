"""Which assumptions there are: everything the candidates use that is not beyond doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.assess import Planned
from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.derive import total
from secondsite.evaluate.study import ENGINEER, INFRASTRUCTURE, LOST_WRITE, OUTAGE, UPKEEP, WORK, Assumption
from secondsite.model.estimate import Estimate, Maybe
from secondsite.model.mark import Knowledge
from secondsite.model.system import System

_WIDE = {OUTAGE: (0.1, 10.0), LOST_WRITE: (0.02, 50.0), ENGINEER: (0.5, 2.0)}
_SETTLED = (0.5, 2.0)
_UNITS = {OUTAGE: "USD/h", LOST_WRITE: "USD", ENGINEER: "USD/h"}
_ASK = {
    OUTAGE: "ask finance and sales what an hour without the service costs",
    LOST_WRITE: "what one lost event costs: a support case, a refund, nothing",
    ENGINEER: "the loaded hourly cost of the people on call",
}


def axes_of(
    plans: Iterable[Planned], catalogue: Catalogue, system: System, bill: tuple[CostItem, ...]
) -> tuple[Assumption, ...]:
    """Each figure in doubt once, money included."""
    axes: dict[str, Estimate] = {}
    for estimate in _used(plans, catalogue):
        if estimate.plausible != (1.0, 1.0) and estimate.distribution is not None:
            axes.setdefault(estimate.name, estimate)
    figures = tuple(
        Assumption(e.name, e.unit, e.quantile(0.5), *e.plausible, e.source, e.settle) for e in axes.values()
    )
    return (*figures, *_economic(system), *_costs(bill))


def _used(plans: Iterable[Planned], catalogue: Catalogue) -> Iterator[Estimate]:
    for planned in plans:
        for procedure in planned.procedures.values():
            for step in procedure.steps:
                yield from _causes(step.duration)
        for copy in planned.deployment.copies:
            for delay in (copy.hold, copy.propagate, copy.interval):
                yield from _causes(delay)
    for name in catalogue.figures:
        if name.startswith(("fault.", "share.", "onset.", "buffer.", "duration.")):
            yield catalogue.figures[name]


def _causes(estimate: Estimate) -> tuple[Estimate, ...]:
    """What a factor can be put on: of a figure that comes with a probability, the probability and the figure."""
    return estimate.inputs[:2] if isinstance(estimate.distribution, Maybe) else (estimate,)


def _economic(system: System) -> Iterator[Assumption]:
    values = {
        OUTAGE: system.economics.outage_usd_per_hour,
        LOST_WRITE: system.economics.lost_message_usd,
        ENGINEER: system.economics.engineer_usd_per_hour,
    }
    for name, value in values.items():
        mark = system.marks.get(name)
        low, high = _SETTLED if mark and mark.origin is Knowledge.WRITTEN else _WIDE[name]
        yield Assumption(name, _UNITS[name], value, low, high, str(mark or "default"), _ASK[name])


def _costs(bill: tuple[CostItem, ...]) -> Iterator[Assumption]:
    machines = total(INFRASTRUCTURE, "USD/month", [item.monthly_usd for item in bill if not item.for_people])
    people = total(UPKEEP, "USD/month", [item.monthly_usd for item in bill if item.for_people])
    yield Assumption(
        INFRASTRUCTURE, "× list price", 1.0, *machines.plausible, "cost model", "one month's bill, by item"
    )
    yield Assumption(UPKEEP, "× hours", 1.0, *people.plausible, "complexity", "time spent on upkeep in a quarter")
    yield Assumption(WORK, "× hours", 1.0, 0.5, 2.5, "catalogue: work", "the first step's real effort")
