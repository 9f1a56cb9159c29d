"""What the recommendation costs to own when one assumption alone is wrong: each at either end of its range.

All scores are taken over the same draws (common random numbers), so a difference comes from the assumption and not
from luck. Ranges are those that stability and influence are drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from secondsite.evaluate.evaluation import Swing, Tornado
from secondsite.evaluate.parallel import ParallelMap, here
from secondsite.evaluate.study import Assumption, Scores, StudySetting
from secondsite.model.strategy import Strategy


def tornado(
    setting: StudySetting, axes: Sequence[Assumption], chosen: int, parallel_map: ParallelMap = here
) -> Tornado:
    """``chosen`` is the index of the recommended candidate. The widest swing comes first, equal ones by name."""
    start = setting.start(tuple(axis.name for axis in axes), np.ones((1, len(axes))))
    moves = [(axis.name, np.array([axis.low, axis.high])) for axis in axes]
    moved = start.moved(moves, parallel_map)
    swings = [_swing(setting, axis, scores, chosen) for axis, scores in zip(axes, moved, strict=True)]
    return Tornado(
        owning_usd=float(start.scores.owning_usd[chosen, 0]),
        swings=tuple(sorted(swings, key=lambda swing: (-swing.width_usd, swing.name))),
    )


def _swing(setting: StudySetting, axis: Assumption, scores: Scores, chosen: int) -> Swing:
    low_usd, high_usd = (float(usd) for usd in scores.owning_usd[chosen])
    low_to, high_to = (_strategy(setting, int(winner)) for winner in scores.winners)
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
