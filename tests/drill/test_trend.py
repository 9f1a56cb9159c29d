"""Planted leaks are found, flat noise is none, and a short run proves little."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from secondsite.drill.check.trend import STRETCHES, Limit, judged, trend
from secondsite.model.contract import Verdict

MIB = float(1 << 20)
DAY_S, HOUR_S = 86400.0, 3600.0
LIMIT = Limit(0.1, DAY_S, 4 * MIB)
LEVEL = 100 * MIB


def _sticky(seed: int, count: int, spread: float, stickiness: float = 0.95) -> NDArray[np.float64]:
    """Noise in which each value remembers the one before, as memory does."""
    random = np.random.default_rng(seed)
    steps = random.normal(0, spread * np.sqrt(1 - stickiness**2), count)
    values = np.zeros(count)
    for place in range(1, count):
        values[place] = stickiness * values[place - 1] + steps[place]
    return values


def _run(seed: int, lasted_s: float, growth_per_day: float, spread: float = 1 * MIB) -> tuple[Verdict, str]:
    count = 1000
    times = np.linspace(0, lasted_s, count)
    values = LEVEL + growth_per_day * times / DAY_S + _sticky(seed, count, spread)
    return judged(trend(times.tolist(), values), LIMIT)


@pytest.mark.parametrize("seed", range(20))
def test_a_planted_leak_is_found_in_an_hour(seed: int) -> None:
    assert _run(seed, HOUR_S, 5 * LEVEL)[0] is Verdict.BREACHED


@pytest.mark.parametrize("seed", range(20))
def test_a_quick_leak_is_found_in_two_minutes(seed: int) -> None:
    assert _run(seed, 120, LEVEL * DAY_S / 120)[0] is Verdict.BREACHED


@pytest.mark.parametrize("began_s", [1.0, 0.5 * HOUR_S, 1_000 * DAY_S])
def test_a_trend_is_the_same_whenever_its_clock_began(began_s: float) -> None:
    times = np.linspace(0, HOUR_S, 1000)
    values = LEVEL + MIB * times / HOUR_S + _sticky(1, 1000, MIB)
    first, later = trend(times.tolist(), values), trend((times + began_s).tolist(), values)
    assert first is not None
    assert later is not None
    for name in ("level", "slope", "low", "high", "lasted_s", "ran_s"):
        assert getattr(later, name) == pytest.approx(getattr(first, name), rel=1e-6)


def test_flat_noise_is_hardly_ever_a_leak() -> None:
    for lasted_s in (120.0, HOUR_S, DAY_S):
        verdicts = [_run(seed, lasted_s, 0.0)[0] for seed in range(200)]
        assert verdicts.count(Verdict.BREACHED) <= 4, lasted_s


def test_a_day_without_growth_is_met_and_one_with_twice_the_limit_is_not() -> None:
    assert [_run(seed, DAY_S, 0.0)[0] for seed in range(20)].count(Verdict.MET) >= 19
    assert [_run(seed, DAY_S, 0.2 * LEVEL)[0] for seed in range(20)].count(Verdict.BREACHED) >= 19


def test_what_is_too_short_or_too_noisy_is_unproven_and_says_so() -> None:
    assert _run(1, 120, 0.0) == (Verdict.UNPROVEN, "too short for a horizon of 24 h")
    assert _run(1, HOUR_S, 0.0, 10 * MIB) == (Verdict.UNPROVEN, "the interval is too wide")
    assert judged(trend([1.0], [1.0]), LIMIT) == (Verdict.UNPROVEN, "too few samples")
    assert judged(trend([], []), LIMIT) == (Verdict.UNPROVEN, "too few samples")


def test_a_short_run_that_warms_up_is_no_leak() -> None:
    assert _run(1, 120, 0.3 * LEVEL * DAY_S / 120) == (Verdict.UNPROVEN, "too short for a horizon of 24 h")


def test_caches_that_fill_in_the_beginning_are_no_leak() -> None:
    times = np.linspace(0, HOUR_S, 1000)
    filling = LEVEL * (1 - np.exp(-times / (0.03 * HOUR_S)))
    assert judged(trend(times.tolist(), LEVEL + filling), LIMIT)[0] is not Verdict.BREACHED


def test_what_does_not_move_is_met() -> None:
    times = np.linspace(0, HOUR_S, 500)
    found = trend(times.tolist(), np.full(500, 17.0))
    assert found
    assert (found.slope, found.low, found.high) == (0, 0, 0)
    assert found.level == 17
    assert judged(found, Limit(0.1, DAY_S, 5)) == (Verdict.MET, "")


def test_too_few_samples_are_no_trend() -> None:
    assert trend([], []) is None
    assert trend(range(STRETCHES - 1), [17.0] * (STRETCHES - 1)) is None
    most = 4 * STRETCHES // 3
    assert trend(range(most), [17.0] * most) is not None, "three quarters of them are after the warm-up"
    assert trend(range(most - 1), [17.0] * (most - 1)) is None


def test_one_wild_value_in_each_stretch_moves_nothing() -> None:
    times = np.arange(4 * STRETCHES * 10, dtype=float)
    values = np.full(len(times), 50.0)
    values[::10] = 5000.0
    found = trend(times.tolist(), values)
    assert found
    assert found.low == found.high == 0


def test_a_few_descriptors_more_are_no_growth_within_a_short_run() -> None:
    times = np.linspace(0, 120, 200)
    assert judged(trend(times.tolist(), 10 + np.floor(times / 40)), Limit(0.1, DAY_S, 5))[0] is Verdict.UNPROVEN
    assert judged(trend(times.tolist(), 10 + np.floor(times / 4)), Limit(0.1, DAY_S, 5))[0] is Verdict.BREACHED
