"""What drills measured takes the place of what was assumed, and shows how far the assumption had been off.

A few measurements say where the middle is and little about the spread: the distribution is the one that the next
value is to be expected from (Student's t on the logarithms), and with a single value the spread stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev

from attrs import evolve, frozen

from secondsite.catalogue.figures import Figures
from secondsite.model.contract import Contract
from secondsite.model.estimate import Z95, Estimate, Lognormal, Provenance
from secondsite.model.procedure import Procedure

_LEAST_S = 1e-6


@frozen
class Prediction:
    """A step as it was expected before any drill, and as drills found it. ``used``: the figure was replaced.

    ``measured`` in seconds, one value a run, not empty.
    """

    strategy: str
    step: str
    expected: Estimate
    measured: tuple[float, ...]
    used: bool

    @property
    def middle_s(self) -> float:
        return median(self.measured)

    @property
    def factor(self) -> float | None:
        """How many times as long as expected, median by median; None where nothing was expected."""
        expected_s = self.expected.quantile(0.5)
        return self.middle_s / expected_s if 0 < expected_s < math.inf else None

    @property
    def surprising(self) -> bool:
        """Whether the middle lies outside of what was expected nine times of ten."""
        return not self.expected.quantile(0.05) <= self.middle_s <= self.expected.quantile(0.95)


@frozen
class ContractPrediction:
    """An RTO as a lab was expected to show it, before any drill and with what drills measured since, and as it was.

    ``measured`` in seconds, one value a run at the strategy's own intervals, not empty.
    """

    strategy: str
    contract: Contract
    before: Estimate
    calibrated: Estimate
    measured: tuple[float, ...]

    @property
    def middle_s(self) -> float:
        return median(self.measured)

    @property
    def ratio(self) -> float:
        """The calibrated prediction to the measurement, median by median."""
        return self.calibrated.quantile(0.5) / self.middle_s if self.middle_s else math.inf

    @property
    def surprising(self) -> bool:
        """Whether the measured middle lies outside of what was expected nine times of ten."""
        return not self.before.quantile(0.05) <= self.middle_s <= self.before.quantile(0.95)


def calibrated(
    figures: Figures, measured: Mapping[str, Sequence[float]], sources: Mapping[str, str] | None = None
) -> Figures:
    """``measured``: values by the name of their figure, in its unit; ``sources``: the drill, its date and versions.

    A name that is no figure, or has no value, changes nothing.
    """
    sources_given = sources or {}
    changed = {
        name: _measured(figures[name], values, sources_given.get(name, "drill"))
        for name, values in measured.items()
        if values and name in figures.by_name
    }
    return Figures({**figures.by_name, **changed})


def predictions(
    strategy: str, procedure: Procedure, measured: Mapping[str, Sequence[float]], used: frozenset[str]
) -> tuple[Prediction, ...]:
    """Of the steps that were measured, by id, in the procedure's order; what people do is never measured here."""
    return tuple(
        Prediction(strategy, step.id, step.duration, tuple(measured[step.id]), step.duration.name in used)
        for step in procedure.steps
        if measured.get(step.id) and not step.by_person and not step.duration.unbounded
    )


def _measured(before: Estimate, values: Sequence[float], source: str) -> Estimate:
    logs = [math.log(max(value, _LEAST_S)) for value in values]
    one = len(logs) == 1
    count = f"{len(values)} run{'s' if not one else ''}, median {median(values):.3g} {before.unit}"
    low, high = before.plausible
    return evolve(
        before,
        distribution=Lognormal(fmean(logs), _spread_of(before) if one else _expected_spread(logs)),
        provenance=Provenance.MEASURED,
        source=f"{source}: {count}; before: {before.provenance}, {before.source}",
        plausible=(math.sqrt(low), math.sqrt(high)) if one else (1.0, 1.0),
        settle=before.settle if one else "",
    )


def _spread_of(before: Estimate) -> float:
    """Of the logarithm, as a standard deviation."""
    middle, high = before.quantile(0.5), before.quantile(0.95)
    return math.log(high / middle) / Z95 if 0 < middle < high < math.inf else 0.0


def _expected_spread(logs: Sequence[float]) -> float:
    """The 95 % quantile of the next value, as the lognormal's own parameter."""
    from scipy.special import stdtrit

    reach = float(stdtrit(len(logs) - 1, 0.95)) * stdev(logs) * math.sqrt(1 + 1 / len(logs))
    return reach / Z95
