"""Whether something grows, and how fast: Theil-Sen's slope with its interval, never two points. Pure.

The interval holds for independent values, and what a process uses now it will use in a second: so values are put
together to medians of equal stretches first. The beginning is left out, as caches fill then.

A promise is about a horizon (10 % in 24 h). A run of at least a twenty-fourth of it may be stretched to it: the whole
interval below the limit is met, the whole interval above it breached. A shorter run is all beginning (a server that
remembers message ids for two minutes grows for two minutes) and proves nothing, unless half as much again was taken
within it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike
from scipy.stats import theilslopes

from secondsite.model.contract import Verdict

STRETCHES = 30
WARM_UP = 0.25
REACH = 24
"""So many times its own length may a run be stretched."""
SHORT_SHARE = 0.5
"""Growth of this share within a run that is too short to be stretched is no warming up."""
_NEARLY = 0.99
"""The last sample is taken shortly before the end."""


@frozen
class Trend:
    """Of values over time. ``level`` is where it begins, ``slope`` with ``low`` and ``high`` is a second's growth.

    ``ran_s`` is the whole run, ``lasted_s`` what was looked at of it, the beginning left out.
    """

    level: float
    slope: float
    low: float
    high: float
    lasted_s: float
    ran_s: float


@frozen
class Limit:
    """``share`` of the level in ``horizon_s``. ``least``: growth within a run that is smaller is none."""

    share: float
    horizon_s: float
    least: float = 0.0


def trend(times_s: Sequence[float], values: ArrayLike, confidence: float = 0.95) -> Trend | None:
    """In the order of time; None for too few to say anything."""
    times, values_of = np.asarray(times_s, float), np.asarray(values, float)
    if not len(times):
        return None
    ran_s = float(times[-1] - times[0])
    kept = times >= times[0] + WARM_UP * ran_s
    times, values_of = times[kept], values_of[kept]
    if len(times) < STRETCHES:
        return None
    places = np.array_split(np.arange(len(times)), STRETCHES)
    middles = np.array([np.mean(times[place]) for place in places])
    medians = np.array([np.median(values_of[place]) for place in places])
    slope, intercept, low, high = theilslopes(medians, middles, alpha=confidence)
    level = float(intercept + slope * times[0])
    return Trend(level, float(slope), float(low), float(high), float(times[-1] - times[0]), ran_s)


def judged(fitted: Trend | None, limit: Limit) -> tuple[Verdict, str]:
    """And why, where it is not met."""
    if fitted is None:
        return Verdict.UNPROVEN, "too few samples"
    allowed, within_run = limit.share * fitted.level, fitted.low * fitted.lasted_s
    if fitted.ran_s * REACH < _NEARLY * limit.horizon_s:
        if within_run > max(SHORT_SHARE * fitted.level, allowed, limit.least):
            return Verdict.BREACHED, f"beyond {SHORT_SHARE:.0%} within the run itself"
        return Verdict.UNPROVEN, f"too short for a horizon of {limit.horizon_s / 3600:g} h"
    if fitted.low * limit.horizon_s > allowed and within_run > limit.least:
        return Verdict.BREACHED, "the whole interval is above the limit"
    if fitted.high * limit.horizon_s <= allowed:
        return Verdict.MET, ""
    return Verdict.UNPROVEN, "the interval is too wide"
