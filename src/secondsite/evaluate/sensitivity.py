"""How firm a recommendation is: its stability, the assumptions that matter (Sobol), and what would flip it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.evaluate.draws import Samples, generator
from secondsite.evaluate.evaluation import Flip, Influence, RunnerUp
from secondsite.evaluate.parallel import ParallelMap, here
from secondsite.evaluate.study import (
    ENGINEER,
    LOST_WRITE,
    OUTAGE,
    Assumption,
    Scores,
    Start,
    StudySetting,
    score,
)

STABILITY_DRAWS = 512
SOBOL_BASE = 64
"""A square: see `_stratified`."""
GRID = 25
REFINED = 12
_MONEY_RANGE = (0.01, 100.0)
_MONEY = frozenset({OUTAGE, LOST_WRITE, ENGINEER})
_SHOWN = 8
_RUNNERS = 2
_Z975 = NormalDist().inv_cdf(0.975)


@frozen
class Sensitivity:
    """``low`` and ``high`` are the 95 % interval of the stability (Wilson). ``runners_up`` win the other draws.

    ``breached``: the share of draws in which the recommendation breaches a contract. ``regret_usd``: what the choice
    costs a year more than that of a draw, over all draws.
    """

    stability: float
    low: float
    high: float
    pattern_stability: float
    runners_up: tuple[RunnerUp, ...]
    breached: float
    regret_usd: float
    influences: tuple[Influence, ...]
    flips: tuple[Flip, ...]


def sensitivity(
    setting: StudySetting, axes: Sequence[Assumption], chosen: int, parallel_map: ParallelMap = here
) -> Sensitivity:
    """``chosen`` is the index of the recommended candidate."""
    names = tuple(axis.name for axis in axes)
    drawn = _drawn(setting, names, axes, parallel_map)
    winners = drawn.winners
    low, high = interval(int(np.sum(winners == chosen)), len(winners))
    promised = drawn.breached[chosen] - (len(setting.contracts) + 1) * setting.candidates[chosen].excluded
    return Sensitivity(
        stability=float(np.mean(winners == chosen)),
        low=low,
        high=high,
        runners_up=_runners_up(setting, winners, chosen),
        breached=float(np.mean(promised > 0)),
        regret_usd=_regret(drawn, winners, chosen),
        pattern_stability=float(np.mean(np.isin(winners, _same_pattern(setting, chosen)))),
        influences=_influences(setting, names, axes, chosen, parallel_map),
        flips=_flips(setting, names, axes, chosen, parallel_map),
    )


def _factors(axes: Sequence[Assumption], unit: Samples) -> Samples:
    """Unit cube to factors, log-uniform in each axis's range."""
    low = np.log([axis.low for axis in axes])
    high = np.log([axis.high for axis in axes])
    return np.asarray(np.exp(low + unit * (high - low)))


def _drawn(
    setting: StudySetting, names: tuple[str, ...], axes: Sequence[Assumption], parallel_map: ParallelMap
) -> Scores:
    unit = generator(setting.seed, "stability").random((STABILITY_DRAWS, len(axes)))
    return score(setting, names, _factors(axes, unit), parallel_map)


def interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share that was counted (Wilson)."""
    share, ratio = hits / count, _Z975**2 / count
    middle = (share + ratio / 2) / (1 + ratio)
    half = _Z975 / (1 + ratio) * math.sqrt(share * (1 - share) / count + ratio / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _runners_up(setting: StudySetting, winners: NDArray[np.intp], chosen: int) -> tuple[RunnerUp, ...]:
    counts = np.bincount(winners, minlength=len(setting.candidates))
    ranked = sorted((i for i in range(len(counts)) if i != chosen and counts[i]), key=lambda i: (-counts[i], i))
    return tuple(
        RunnerUp(setting.candidates[i].deployment.strategy, float(counts[i]) / len(winners)) for i in ranked[:_RUNNERS]
    )


def _regret(drawn: Scores, winners: NDArray[np.intp], chosen: int) -> float:
    """Against the winner of each draw that breaches no more; a draw in which the choice breaches more is no matter of
    money, and told as such."""
    columns = np.arange(len(winners))
    alike = drawn.breached[chosen] <= drawn.breached[winners, columns]
    more = np.maximum(drawn.owning_usd[chosen] - drawn.owning_usd[winners, columns], 0.0)
    with np.errstate(invalid="ignore"):
        kept = np.where(alike & np.isfinite(more), more, 0.0)
    return float(kept.mean())


def _same_pattern(setting: StudySetting, chosen: int) -> list[int]:
    pattern = setting.candidates[chosen].deployment.strategy.pattern
    return [i for i, candidate in enumerate(setting.candidates) if candidate.deployment.strategy.pattern is pattern]


def _influences(
    setting: StudySetting, names: tuple[str, ...], axes: Sequence[Assumption], chosen: int, parallel_map: ParallelMap
) -> tuple[Influence, ...]:
    """Shares of the doubt: total effects on the decision itself (on the distance to the runner-up where it never
    changes), of each assumption as part of all of them; where several act together, each has its part once. Only one at
    a time is drawn anew: what changes is its total effect (Jansen 1999)."""
    if len(setting.candidates) < 2 or not axes:
        return ()
    rng = generator(setting.seed, "influence")
    base, other = (_factors(axes, unit) for unit in _stratified(rng, len(axes)))
    start = setting.start(names, base)
    moves = [(name, other[:, index]) for index, name in enumerate(names)]
    scores = [start.scores, *start.moved(moves, parallel_map)]
    stays = [(one.winners == chosen).astype(np.float64) for one in scores]
    first, *changed = stays if stays[0].std() > 0.05 else [_lead(one, chosen) for one in scores]
    variance = np.concatenate([first, *changed]).var()
    if first.var() == 0:
        return ()
    total = [float(np.mean((first - one) ** 2) / (2 * variance)) for one in changed]
    whole = max(1.0, math.fsum(total))
    total = [one / whole for one in total]
    ranked = sorted(zip(total, axes, strict=True), key=lambda pair: -pair[0])
    return tuple(
        Influence(axis.name, float(index), axis.source, axis.settle) for index, axis in ranked[:_SHOWN] if index > 0.01
    )


def _stratified(rng: np.random.Generator, axes: int) -> tuple[Samples, Samples]:
    """Two points of the unit cube a row: of each axis, the pairs fill the unit square, one in each cell."""
    cells = np.stack([rng.permutation(SOBOL_BASE) for _ in range(axes)], axis=1)
    side = math.isqrt(SOBOL_BASE)
    base, other = (cells // side + rng.random(cells.shape)) / side, (cells % side + rng.random(cells.shape)) / side
    return base, other


def _lead(scores: Scores, chosen: int) -> Samples:
    """USD a year between the recommendation and the best of the others, contracts aside."""
    others = np.delete(scores.owning_usd, chosen, axis=0)
    return np.asarray(others.min(axis=0) - scores.owning_usd[chosen])


def _flips(
    setting: StudySetting, names: tuple[str, ...], axes: Sequence[Assumption], chosen: int, parallel_map: ParallelMap
) -> tuple[Flip, ...]:
    """Each assumption moved alone, over its range (money: over four orders of magnitude), coarsely then finely."""
    ranges = [_MONEY_RANGE if axis.name in _MONEY else (axis.low, axis.high) for axis in axes]
    grids = [np.sort(np.append(np.geomspace(low, high, GRID), 1.0)) for low, high in ranges]
    start = setting.start(names, np.ones((1, len(names))))
    winners = _one_at_a_time(start, list(zip(names, grids, strict=True)), parallel_map)
    samples: dict[int, Samples] = {}
    for index, (grid, row) in enumerate(zip(grids, winners, strict=True)):
        bracket = _nearest_change(grid, row, chosen)
        if bracket:
            samples[index] = np.geomspace(*bracket, REFINED)
    fine = [(names[index], grid) for index, grid in samples.items()]
    flips = []
    for (index, grid), row in zip(samples.items(), _one_at_a_time(start, fine, parallel_map), strict=True):
        changed = int(np.argmax(row != chosen))
        to = setting.candidates[int(row[changed])].deployment.strategy
        axis = axes[index]
        flips.append(Flip(axis.name, axis.unit, axis.value, axis.value * float(grid[changed]), to))
    return tuple(sorted(flips, key=lambda flip: abs(np.log(flip.threshold / flip.today))))


def _one_at_a_time(
    start: Start, moves: Sequence[tuple[str, Samples]], parallel_map: ParallelMap
) -> list[NDArray[np.intp]]:
    return [scores.winners for scores in start.moved(moves, parallel_map)]


def _nearest_change(grid: Samples, winners: NDArray[np.intp], chosen: int) -> tuple[float, float] | None:
    """(last factor that keeps, first factor that changes the decision), walking away from 1 on either side."""
    home = int(np.argmin(np.abs(np.log(grid))))
    if winners[home] != chosen:
        return None
    up = [i for i in range(home + 1, len(grid)) if winners[i] != chosen]
    down = [i for i in range(home - 1, -1, -1) if winners[i] != chosen]
    options = [(grid[i - step], grid[i]) for changes, step in ((up[:1], 1), (down[:1], -1)) for i in changes]
    return min(options, key=lambda pair: abs(np.log(pair[1])), default=None)
