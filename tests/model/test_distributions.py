"""Distributions against scipy's, and what an Estimate makes of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

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

probabilities = st.floats(0.001, 0.999)
positive = st.floats(1e-3, 1e6)


@given(st.floats(-5, 15), st.floats(0.01, 2.5), probabilities)
def test_lognormal_agrees_with_scipy(mu: float, sigma: float, p: float) -> None:
    peer = stats.lognorm(s=sigma, scale=math.exp(mu))
    assert Lognormal(mu, sigma).quantile(p) == pytest.approx(peer.ppf(p), rel=1e-6)
    assert Lognormal(mu, sigma).mean == pytest.approx(peer.mean(), rel=1e-9)


@given(positive, st.floats(1.01, 1000))
def test_lognormal_between_has_the_two_quantiles_asked_for(low: float, ratio: float) -> None:
    found = Lognormal.between(low, low * ratio)
    assert found.quantile(0.05) == pytest.approx(low, rel=1e-9)
    assert found.quantile(0.95) == pytest.approx(low * ratio, rel=1e-9)


@given(st.floats(-1e6, 1e6), positive, probabilities)
def test_uniform_agrees_with_scipy(low: float, width: float, p: float) -> None:
    peer = stats.uniform(low, width)
    assert Uniform(low, low + width).quantile(p) == pytest.approx(peer.ppf(p), rel=1e-9, abs=1e-6)
    assert Uniform(low, low + width).mean == pytest.approx(peer.mean(), rel=1e-9, abs=1e-6)


@given(st.floats(0.01, 1), probabilities)
def test_maybe_is_zero_but_for_its_share(share: float, p: float) -> None:
    found = Maybe(share, Uniform(10, 20))
    if p <= 1 - share:
        assert found.quantile(p) == 0
    else:
        assert found.quantile(p) == pytest.approx(10 + 10 * (p - (1 - share)) / share)
    assert found.mean == pytest.approx(15 * share)


def test_maybe_never_is_zero() -> None:
    assert Maybe(0.0, Fixed(7.0)).quantile(0.999) == 0
    assert Maybe(0.0, Fixed(7.0)).mean == 0


def test_quantiles_know_only_what_was_kept() -> None:
    kept = Quantiles(1.0, 2.0, 9.0, 3.0)
    assert [kept.quantile(p) for p in (0.05, 0.5, 0.95)] == [1.0, 2.0, 9.0]
    with pytest.raises(ValueError, match=r"not 0\.9"):
        kept.quantile(0.9)


@pytest.mark.parametrize("distribution", [Fixed(3.0), Uniform(2, 4), Maybe(0.5, Fixed(6.0)), Quantiles(1, 3, 5, 3)])
def test_an_estimate_has_its_distribution_s_mean(distribution: Distribution) -> None:
    estimate = Estimate("x", "s", distribution, Provenance.ASSUMED, "test")
    assert estimate.mean == 3
    assert not estimate.unbounded
    assert estimate.quantile(0.5) == distribution.quantile(0.5)


def test_unbounded_is_a_value() -> None:
    never = unbounded("RTO", "s", "nobody can")
    assert never.unbounded
    assert never.mean == never.quantile(0.05) == math.inf
    assert never.source == "nobody can"


def test_fixed_has_no_spread() -> None:
    assert fixed("n", 3.0, "pods", "manifest").quantile(0.05) == fixed("n", 3.0, "pods", "manifest").quantile(0.95) == 3
