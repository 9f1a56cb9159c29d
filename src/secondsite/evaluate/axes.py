"""Which assumptions there are: everything the candidates use that is not beyond doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.figures import Figures
from secondsite.evaluate.assess import Planned
from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.derive import total
from secondsite.evaluate.faults import OF_REGION
from secondsite.evaluate.study import ENGINEER, INFRASTRUCTURE, LOST_WRITE, OUTAGE, UPKEEP, WORK, Assumption
from secondsite.model.estimate import Estimate, Maybe
from secondsite.model.mark import Knowledge
from secondsite.model.system import System

_FIGURES = {OUTAGE: "money.outage", LOST_WRITE: "money.lost-write", ENGINEER: "money.engineer"}


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
    return (*figures, *_economic(system, catalogue.figures), *_costs(bill, catalogue.figures))


def _used(plans: Iterable[Planned], catalogue: Catalogue) -> Iterator[Estimate]:
    lost_often: set[str] = set()
    for planned in plans:
        lost_often |= {f"{OF_REGION}{site.region.name}" for site in planned.deployment.serving}
        for procedure in planned.procedures.values():
            for step in procedure.steps:
                yield from _causes(step.duration)
        for copy in planned.deployment.copies:
            for delay in (copy.hold, copy.propagate, copy.interval):
                yield from _causes(delay)
    for name in catalogue.figures:
        of_some_region = name.startswith(OF_REGION) and name not in lost_often
        if name.startswith(("fault.", "share.", "onset.", "buffer.", "duration.")) and not of_some_region:
            yield catalogue.figures[name]


def _causes(estimate: Estimate) -> tuple[Estimate, ...]:
    """What a factor can be put on: of a figure that comes with a probability, the probability and the figure."""
    return estimate.inputs[:2] if isinstance(estimate.distribution, Maybe) else (estimate,)


def _economic(system: System, figures: Figures) -> Iterator[Assumption]:
    values = {
        OUTAGE: system.economics.outage_usd_per_hour,
        LOST_WRITE: system.economics.lost_message_usd,
        ENGINEER: system.economics.engineer_usd_per_hour,
    }
    for name, value in values.items():
        mark, figure = system.marks.get(name), figures[_FIGURES[name]]
        written = mark is not None and mark.origin is Knowledge.WRITTEN
        low, high = figures["money.written"].plausible if written else figure.plausible
        yield Assumption(name, figure.unit, value, low, high, str(mark or "default"), figure.settle)


def _costs(bill: tuple[CostItem, ...], figures: Figures) -> Iterator[Assumption]:
    machines = total(INFRASTRUCTURE, "USD/month", [item.monthly_usd for item in bill if not item.for_people])
    people = total(UPKEEP, "USD/month", [item.monthly_usd for item in bill if item.for_people])
    yield Assumption(
        INFRASTRUCTURE, "× list price", 1.0, *machines.plausible, "cost model", "one month's bill, by item"
    )
    yield Assumption(UPKEEP, "× hours", 1.0, *people.plausible, "complexity", "time spent on upkeep in a quarter")
    work = figures["work.estimate"]
    yield Assumption(WORK, work.unit, 1.0, *work.plausible, "catalogue: work", work.settle)
