"""Figures from figures: products and sums that keep their inputs, so that any cost can be walked to its sources.

The plausible range of a result follows from those of its inputs, taken as independent: their logarithms add up
like standard deviations do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from secondsite.model.estimate import Estimate, Fixed, Provenance

_STRENGTH = (Provenance.MEASURED, Provenance.PUBLISHED, Provenance.ASSUMED)


def count(
    name: str,
    value: float,
    source: str,
    *inputs: Estimate,
    unit: str = "",
    plausible: tuple[float, float] | None = None,
) -> Estimate:
    """A quantity read off the deployment; it varies as its ``inputs`` do where ``plausible`` says nothing else."""
    if plausible is None:
        plausible = _spread(inputs)
    return Estimate(
        name, unit, Fixed(value), Provenance.DERIVED, source, plausible=plausible, formula=source, inputs=inputs
    )


def product(name: str, unit: str, *factors: Estimate) -> Estimate:
    """Unbounded when a factor is."""
    value = math.prod(factor.mean for factor in factors)
    return Estimate(
        name=name,
        unit=unit,
        distribution=Fixed(value) if math.isfinite(value) else None,
        provenance=Provenance.DERIVED,
        source=factors[-1].source,
        plausible=_spread(factors),
        formula=" × ".join(f"{factor.mean:g} {factor.unit or factor.name}" for factor in factors),
        inputs=factors,
    )


def total(name: str, unit: str, parts: Sequence[Estimate]) -> Estimate:
    """The sum; its range is the parts' ranges weighted by what they add. Unbounded when a part is."""
    value = math.fsum(part.mean for part in parts)
    bounded = math.isfinite(value)
    low, high = _weighted(parts, value) if bounded and value > 0 else (1.0, 1.0)
    return Estimate(
        name=name,
        unit=unit,
        distribution=Fixed(value) if bounded else None,
        provenance=Provenance.DERIVED,
        source="; ".join(dict.fromkeys(part.source for part in parts)),
        plausible=(low, high),
        formula=" + ".join(part.name for part in parts) or "nothing",
        inputs=tuple(parts),
    )


def weakest(*figures: Estimate) -> Provenance:
    """The weakest provenance among the leaves of the figures; derived when no leaf is better than a count."""
    provenances = {leaf.provenance for figure in figures for leaf in leaves(figure)}
    return next((kind for kind in reversed(_STRENGTH) if kind in provenances), Provenance.DERIVED)


def leaves(figure: Estimate) -> tuple[Estimate, ...]:
    """The figures at the bottom of the derivation; what several parts are made of is walked once."""
    bottom: list[Estimate] = []
    known: set[int] = set()
    waiting = [figure]
    while waiting:
        part = waiting.pop()
        if id(part) in known:
            continue
        known.add(id(part))
        if part.inputs:
            waiting.extend(reversed(part.inputs))
        else:
            bottom.append(part)
    return tuple(bottom)


def _spread(factors: Sequence[Estimate]) -> tuple[float, float]:
    ranges = [factor.plausible for factor in factors if factor.plausible != (1.0, 1.0)]
    if len(ranges) < 2:
        return ranges[0] if ranges else (1.0, 1.0)
    lows, highs = zip(*ranges, strict=True)
    return math.exp(-math.hypot(*map(math.log, lows))), math.exp(math.hypot(*map(math.log, highs)))


def _weighted(parts: Sequence[Estimate], value: float) -> tuple[float, float]:
    low = math.fsum(part.plausible[0] * part.mean for part in parts) / value
    high = math.fsum(part.plausible[1] * part.mean for part in parts) / value
    return low, high
