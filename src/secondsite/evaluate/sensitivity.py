"""How firm a recommendation is: its stability, the assumptions that matter (Sobol), and what would flip it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.evaluate.draws import Samples, generator
from secondsite.evaluate.evaluation import Flip, Influence
from secondsite.evaluate.study import (
    ENGINEER,
    LOST_WRITE,
    OUTAGE,
    Assumption,
    ParallelMap,
    Scores,
    StudySetting,
    here,
    score,
)

STABILITY_DRAWS = 512
SOBOL_BASE = 64
GRID = 25
REFINED = 12
_MONEY_RANGE = (0.01, 100.0)
_MONEY = frozenset({OUTAGE, LOST_WRITE, ENGINEER})
_SHOWN = 8


@frozen
class Sensitivity:
    stability: float
    pattern_stability: float
    influences: tuple[Influence, ...]
    flips: tuple[Flip, ...]


def sensitivity(
    setting: StudySetting, axes: Sequence[Assumption], chosen: int, spread: ParallelMap = here
) -> Sensitivity:
    """``chosen`` is the index of the recommended candidate."""
    names = tuple(axis.name for axis in axes)
    winners = _drawn_winners(setting, names, axes, spread)
    return Sensitivity(
        stability=float(np.mean(winners == chosen)),
        pattern_stability=float(np.mean(np.isin(winners, _same_pattern(setting, chosen)))),
        influences=_influences(setting, names, axes, chosen, spread),
        flips=_flips(setting, names, axes, chosen, spread),
    )


def _factors(axes: Sequence[Assumption], unit: Samples) -> Samples:
    """Unit cube to factors, log-uniform in each axis's range."""
    low = np.log([axis.low for axis in axes])
    high = np.log([axis.high for axis in axes])
    return np.asarray(np.exp(low + unit * (high - low)))


def _drawn_winners(
    setting: StudySetting, names: tuple[str, ...], axes: Sequence[Assumption], spread: ParallelMap
) -> NDArray[np.intp]:
    unit = generator(setting.seed, "stability").random((STABILITY_DRAWS, len(axes)))
    return score(setting, names, _factors(axes, unit), spread).winners


def _same_pattern(setting: StudySetting, chosen: int) -> list[int]:
    pattern = setting.candidates[chosen].deployment.strategy.pattern
    return [i for i, candidate in enumerate(setting.candidates) if candidate.deployment.strategy.pattern is pattern]


def _influences(
    setting: StudySetting, names: tuple[str, ...], axes: Sequence[Assumption], chosen: int, spread: ParallelMap
) -> tuple[Influence, ...]:
    """Total-effect indices on the decision itself; on the distance to the runner-up where it never changes."""
    if len(setting.candidates) < 2:
        return ()
    from SALib.analyze import sobol as analysis
    from SALib.sample import sobol as sampling

    problem = {"num_vars": len(axes), "names": list(names), "bounds": [[0.0, 1.0]] * len(axes)}
    unit = sampling.sample(problem, SOBOL_BASE, calc_second_order=False, seed=setting.seed)
    scores = score(setting, names, _factors(axes, unit), spread)
    stays = (scores.winners == chosen).astype(np.float64)
    output = stays if stays.std() > 0.05 else _lead(scores, chosen)
    if output.std() == 0:
        return ()
    total = analysis.analyze(
        problem, output, calc_second_order=False, num_resamples=10, seed=setting.seed, print_to_console=False
    )["ST"]
    ranked = sorted(zip(total, axes, strict=True), key=lambda pair: -pair[0])
    return tuple(
        Influence(axis.name, float(index), axis.source, axis.settle) for index, axis in ranked[:_SHOWN] if index > 0.01
    )


def _lead(scores: Scores, chosen: int) -> Samples:
    """USD a year between the recommendation and the best of the others, contracts aside."""
    others = np.delete(scores.owning_usd, chosen, axis=0)
    return np.asarray(others.min(axis=0) - scores.owning_usd[chosen])


def _flips(
    setting: StudySetting, names: tuple[str, ...], axes: Sequence[Assumption], chosen: int, spread: ParallelMap
) -> tuple[Flip, ...]:
    """Each assumption moved alone, over its range (money: over four orders of magnitude), coarsely then finely."""
    ranges = [_MONEY_RANGE if axis.name in _MONEY else (axis.low, axis.high) for axis in axes]
    grids = [np.sort(np.append(np.geomspace(low, high, GRID), 1.0)) for low, high in ranges]
    winners = _one_at_a_time(setting, names, grids, spread)
    found: dict[int, Samples] = {}
    for index, (grid, row) in enumerate(zip(grids, winners, strict=True)):
        bracket = _nearest_change(grid, row, chosen)
        if bracket:
            found[index] = np.geomspace(*bracket, REFINED)
    fine = [found.get(index, np.ones(1)) for index in range(len(axes))]
    rows = _one_at_a_time(setting, names, fine, spread)
    flips = []
    for index, grid in found.items():
        changed = int(np.argmax(rows[index] != chosen))
        to = setting.candidates[int(rows[index][changed])].deployment.strategy
        axis = axes[index]
        flips.append(Flip(axis.name, axis.unit, axis.value, axis.value * float(grid[changed]), to))
    return tuple(sorted(flips, key=lambda flip: abs(np.log(flip.threshold / flip.today))))


def _one_at_a_time(
    setting: StudySetting, names: tuple[str, ...], grids: Sequence[Samples], spread: ParallelMap
) -> list[Samples]:
    rows = np.ones((sum(map(len, grids)), len(names)))
    at = 0
    for index, grid in enumerate(grids):
        rows[at : at + len(grid), index] = grid
        at += len(grid)
    winners = score(setting, names, rows, spread).winners
    return list(np.split(winners, np.cumsum([len(grid) for grid in grids])[:-1]))


def _nearest_change(grid: Samples, winners: Samples, chosen: int) -> tuple[float, float] | None:
    """(last factor that keeps, first factor that changes the decision), walking away from 1 on either side."""
    home = int(np.argmin(np.abs(np.log(grid))))
    if winners[home] != chosen:
        return None
    up = [i for i in range(home + 1, len(grid)) if winners[i] != chosen]
    down = [i for i in range(home - 1, -1, -1) if winners[i] != chosen]
    options = [(grid[i - step], grid[i]) for found, step in ((up[:1], 1), (down[:1], -1)) for i in found]
    return min(options, key=lambda pair: abs(np.log(pair[1])), default=None)
