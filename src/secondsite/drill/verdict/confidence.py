"""How much a number of runs says: bounds from order statistics, which assume nothing about the distribution.

A contract with confidence 0.9 asks that nine of ten losses hold its limits, and to be 90 % sure of that. The r-th
smallest of n values is above the q-quantile with the probability that at most r - 1 of n draws fall below it. So
22 runs without a failure are needed for 0.9, and 38 with one; fewer prove nothing, however good they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_MOST_RUNS = 1_000_000


def upper_bound(values: Sequence[float], confidence: float) -> float | None:
    """What the ``confidence`` quantile is not above, at that same confidence; None where there are too few values."""
    allowed = allowed_failures(len(values), confidence)
    return None if allowed is None else sorted(values)[len(values) - 1 - allowed]


def allowed_failures(runs: int, confidence: float) -> int | None:
    """How many of the runs may fail, and the contract still holds; None where even none would be too many.

    P(at most k of n fail, if each fails with probability 1 - confidence) <= 1 - confidence.
    """
    total, allowed = 0.0, None
    for failures in range(runs + 1):
        total += _binomial(runs, failures, 1 - confidence)
        if total > (1 - confidence) * (1 + 1e-9):
            break
        allowed = failures
    return allowed


def runs_needed(confidence: float, failures: int = 0) -> int:
    """The least number of runs that proves the contract when so many of them fail."""
    low, high = failures + 1, failures + 2
    while not _enough(high, confidence, failures):
        low, high = high, high * 2
        if high > _MOST_RUNS:
            return high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, confidence, failures) else (middle + 1, high)
    return low


def _enough(runs: int, confidence: float, failures: int) -> bool:
    total = math.fsum(_binomial(runs, k, 1 - confidence) for k in range(failures + 1))
    return total <= (1 - confidence) * (1 + 1e-9)


def _binomial(runs: int, count: int, chance: float) -> float:
    """By logarithms: the coefficients do not fit a float."""
    ways = math.lgamma(runs + 1) - math.lgamma(count + 1) - math.lgamma(runs - count + 1)
    return math.exp(ways + count * math.log(chance) + (runs - count) * math.log1p(-chance))
