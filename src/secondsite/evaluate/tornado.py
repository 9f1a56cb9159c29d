"""What the recommendation costs to own when one assumption alone is wrong: each at either end of its range.

All scores are taken over the same draws (common random numbers), so a difference comes from the assumption and not
from luck. Ranges are those that stability and influence are drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from secondsite.evaluate.evaluation import Swing, Tornado
from secondsite.evaluate.study import Assumption, ParallelMap, Scores, StudySetting, here, score
from secondsite.model.strategy import Strategy


def tornado(
    setting: StudySetting, axes: Sequence[Assumption], chosen: int, parallel_map: ParallelMap = here
) -> Tornado:
    """``chosen`` is the index of the recommended candidate. The widest swing comes first, equal ones by name."""
    factors = np.ones((1 + 2 * len(axes), len(axes)))
    for index, axis in enumerate(axes):
        factors[1 + 2 * index : 3 + 2 * index, index] = axis.low, axis.high
    scores = score(setting, tuple(axis.name for axis in axes), factors, parallel_map)
    swings = [_swing(setting, axis, scores, chosen, 1 + 2 * index) for index, axis in enumerate(axes)]
    return Tornado(
        owning_usd=float(scores.owning_usd[chosen, 0]),
        swings=tuple(sorted(swings, key=lambda swing: (-swing.width_usd, swing.name))),
    )


def _swing(setting: StudySetting, axis: Assumption, scores: Scores, chosen: int, at: int) -> Swing:
    low_usd, high_usd = (float(usd) for usd in scores.owning_usd[chosen, at : at + 2])
    low_to, high_to = (_strategy(setting, int(winner)) for winner in scores.winners[at : at + 2])
    return Swing(
        name=axis.name,
        unit=axis.unit,
        today=axis.value,
        low=axis.value * axis.low,
        high=axis.value * axis.high,
        low_usd=low_usd,
        high_usd=high_usd,
        low_to=low_to,
        high_to=high_to,
        source=axis.source,
        settle=axis.settle,
    )


def _strategy(setting: StudySetting, candidate: int) -> Strategy:
    return setting.candidates[candidate].deployment.strategy
