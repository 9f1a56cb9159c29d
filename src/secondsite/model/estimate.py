"""A value with a unit, a distribution and its provenance. There are no other figures in the project.

``Estimate`` is both an input (a catalogue row: "an election takes 4 to 9 s, measured") and an output (a
simulated RTO). An output also carries how it was derived and from what, so that any figure can be walked
back to its sources (``--explain``).
"""

from __future__ import annotations

import math
from enum import StrEnum
from statistics import NormalDist
from typing import TypeAlias

from attrs import field, frozen

Z95 = NormalDist().inv_cdf(0.95)


class Provenance(StrEnum):
    """From the strongest to the weakest; ``derived`` says: computed from the inputs, look at them."""

    MEASURED = "measured"
    PUBLISHED = "published"
    ASSUMED = "assumed"
    DERIVED = "derived"


@frozen
class Fixed:
    """One value, always."""

    value: float

    def quantile(self, _p: float, /) -> float:
        return self.value

    @property
    def mean(self) -> float:
        return self.value


@frozen
class Uniform:
    low: float
    high: float

    def quantile(self, p: float) -> float:
        return self.low + p * (self.high - self.low)

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2


@frozen
class Lognormal:
    """``mu`` and ``sigma`` of the logarithm, in the Estimate's own unit."""

    mu: float
    sigma: float

    @classmethod
    def between(cls, p05: float, p95: float) -> Lognormal:
        """The lognormal with these two quantiles."""
        return cls((math.log(p05) + math.log(p95)) / 2, (math.log(p95) - math.log(p05)) / (2 * Z95))

    def quantile(self, p: float) -> float:
        return math.exp(self.mu + self.sigma * NormalDist().inv_cdf(p))

    @property
    def mean(self) -> float:
        return math.exp(self.mu + self.sigma**2 / 2)


@frozen
class Quantiles:
    """What a simulation or a series of drills left: three quantiles and the mean."""

    p05: float
    p50: float
    p95: float
    mean: float

    def quantile(self, p: float) -> float:
        known = {0.05: self.p05, 0.5: self.p50, 0.95: self.p95}
        if p not in known:
            raise ValueError(f"only the quantiles 0.05, 0.5 and 0.95 were kept, not {p}")
        return known[p]


@frozen
class Maybe:
    """Zero, except with ``probability``: then it is ``then``."""

    probability: float
    then: Fixed | Uniform | Lognormal

    def quantile(self, p: float) -> float:
        none = 1 - self.probability
        return 0.0 if p <= none else self.then.quantile((p - none) / self.probability)

    @property
    def mean(self) -> float:
        return self.probability * self.then.mean


Distribution: TypeAlias = Fixed | Uniform | Lognormal | Maybe | Quantiles


@frozen(cache_hash=True)
class Estimate:
    """A figure.

    ``distribution`` is None where there is none to give (``unbounded``: it never happens, or never ends).
    ``plausible`` is what a reasonable person might put the median at instead, as factors of it: the range
    that sensitivity studies draw from; (1, 1) for what is not in doubt. ``settle`` says what to measure to
    settle it. ``formula`` and ``inputs`` say how a derived figure came about.
    """

    name: str
    unit: str
    distribution: Distribution | None
    provenance: Provenance
    source: str
    plausible: tuple[float, float] = (1.0, 1.0)
    settle: str = ""
    formula: str = ""
    inputs: tuple[Estimate, ...] = field(default=(), repr=False)

    @property
    def unbounded(self) -> bool:
        return self.distribution is None

    def quantile(self, p: float) -> float:
        return math.inf if self.distribution is None else self.distribution.quantile(p)

    @property
    def mean(self) -> float:
        return math.inf if self.distribution is None else self.distribution.mean


def fixed(name: str, value: float, unit: str, source: str, provenance: Provenance = Provenance.DERIVED) -> Estimate:
    """A figure without spread: a count, a setting, a list price."""
    return Estimate(name, unit, Fixed(value), provenance, source)


def unbounded(name: str, unit: str, why: str, inputs: tuple[Estimate, ...] = ()) -> Estimate:
    """A figure that has no bound; ``why`` is the reason a reader needs."""
    return Estimate(name, unit, None, Provenance.DERIVED, why, formula="unbounded", inputs=inputs)
