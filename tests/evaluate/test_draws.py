"""Samples: what they are of, and that they depend on nothing but seed, scope and use."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.evaluate.draws import Draws, generator, mean
from secondsite.model.estimate import (
    Distribution,
    Estimate,
    Fixed,
    Lognormal,
    Maybe,
    Provenance,
    Quantiles,
    Uniform,
    fixed,
    unbounded,
)
from secondsite.strategies.sizing import maybe

MANY = 100_000


def _estimate(distribution: Distribution, name: str = "wait") -> Estimate:
    return Estimate(name, "s", distribution, Provenance.ASSUMED, "test")


SHARE = fixed("share", 0.3, "probability", "test")


@pytest.mark.parametrize(
    "distribution", [Fixed(3.0), Uniform(2, 8), Lognormal(1, 0.7), Lognormal.between(2, 90)], ids=str
)
def test_samples_have_their_distribution_s_mean_and_quantiles(distribution: Distribution) -> None:
    found = Draws(1, "x", MANY).of("use", _estimate(distribution))
    assert found.mean() == pytest.approx(distribution.mean, rel=0.02)
    assert np.quantile(found, [0.05, 0.5, 0.95]) == pytest.approx(
        [distribution.quantile(p) for p in (0.05, 0.5, 0.95)], rel=0.02
    )


def test_maybe_hits_as_often_as_it_says() -> None:
    found = Draws(1, "x", MANY).of("use", maybe("m", SHARE, _estimate(Uniform(5, 10))))
    assert np.mean(found > 0) == pytest.approx(0.3, abs=0.01)
    assert found[found > 0].min() >= 5


def test_a_chain_that_is_waited_for_is_waited_for_as_a_whole() -> None:
    """Where the pod moves, its volume moves: one misfortune, not two."""
    draws = Draws(1, "x", MANY)
    pod = draws.of("pod", maybe("pod", SHARE, _estimate(Fixed(300.0), "reschedule")))
    volume = draws.of("volume", maybe("volume", SHARE, _estimate(Fixed(360.0), "attach")))
    assert ((pod > 0) == (volume > 0)).all()


def test_unbounded_samples_are_infinite() -> None:
    assert np.isinf(Draws(1, "x", 5).of("use", unbounded("n", "s", "never"))).all()


def test_what_cannot_be_sampled_is_refused() -> None:
    with pytest.raises(TypeError, match="Quantiles cannot be sampled"):
        Draws(1, "x", 5).of("use", _estimate(Quantiles(1, 2, 3, 2)))
    with pytest.raises(TypeError, match="no plain distribution"):
        maybe("m", SHARE, _estimate(Quantiles(1, 2, 3, 2)))


@given(st.integers(0, 2**40), st.text(max_size=10), st.text(max_size=10))
def test_samples_depend_on_seed_scope_and_use_only(seed: int, scope: str, use: str) -> None:
    estimate = _estimate(Lognormal(0, 1))
    first = Draws(seed, scope, 20)
    first.of("something else before", estimate)
    assert (first.of(use, estimate) == Draws(seed, scope, 20).of(use, estimate)).all()
    assert (first.of(use, estimate) != Draws(seed + 1, scope, 20).of(use, estimate)).any()
    assert (first.of(use, estimate) != Draws(seed, scope + "'", 20).of(use, estimate)).any()
    assert (first.of(use, estimate) != first.of(use + "'", estimate)).any()


def test_generators_of_two_keys_share_nothing() -> None:
    a, b = (generator(1, key).random(10_000) for key in ("a", "b"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


def test_factors_move_medians_and_leave_the_noise() -> None:
    estimate = _estimate(Lognormal(1, 0.5))
    plain = Draws(1, "x", 100).of("use", estimate)
    moved = Draws(1, "x", 100, {"wait": np.array([[1.0], [3.0]])}).of("use", estimate)
    assert moved.shape == (2, 100)
    assert moved[0] == pytest.approx(plain)
    assert moved[1] == pytest.approx(3 * plain)
    other = Draws(1, "x", 100, {"another": np.array([[9.0]])}).of("use", estimate)
    assert (other == plain).all()


def test_factors_of_a_chance_move_the_share_and_the_size() -> None:
    estimate = maybe("m", SHARE, _estimate(Fixed(10.0), "size"))
    factors = {"share": np.array([[1.0], [2.0], [0.0]]), "size": np.array([[1.0], [5.0], [1.0]])}
    found = Draws(1, "x", MANY, factors).of("use", estimate)
    assert np.mean(found > 0, axis=1) == pytest.approx([0.3, 0.6, 0.0], abs=0.01)
    assert found.max(axis=1).tolist() == [10, 50, 0]
    assert ((found[0] > 0) <= (found[1] > 0)).all()


def test_the_mean_of_what_never_ends_is_infinite() -> None:
    assert mean(np.array([1.0, np.inf])) == math.inf
    assert mean(np.array([1.0, 3.0])) == 2


def test_maybe_s_probability_is_at_most_one() -> None:
    often = maybe("m", fixed("share", 1.7, "x", "test"), _estimate(Fixed(1.0)))
    assert often.distribution == Maybe(1.0, Fixed(1.0))
