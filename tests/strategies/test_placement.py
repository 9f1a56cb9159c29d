"""What a lost domain takes with it, against enumeration of every placement and against closed forms."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.service import Spreading
from secondsite.strategies.placement import quorum_loss_probability, total_loss_probability

small = st.integers(1, 5)


def _enumerated(count: int, domains: int, tolerated: int) -> Fraction:
    """Over all placements and all lost domains that hold something, equally likely."""
    held = beyond = 0
    for placement in product(range(domains), repeat=count):
        for lost in range(domains):
            gone = placement.count(lost)
            held += gone > 0
            beyond += gone > tolerated
    return Fraction(beyond, held)


def _even(count: int, domains: int, tolerated: int) -> Fraction:
    sizes = [sum(1 for i in range(count) if i % domains == d) for d in range(domains)]
    occupied = [size for size in sizes if size]
    return Fraction(sum(size > tolerated for size in occupied), len(occupied))


@given(small, small)
def test_placed_at_random(count: int, domains: int) -> None:
    quorum = quorum_loss_probability(count, domains, Spreading.NONE, 0.2)
    assert quorum == pytest.approx(float(_enumerated(count, domains, count - (count // 2 + 1))))
    everything = total_loss_probability(count, domains, Spreading.NONE, 0.2)
    assert everything == pytest.approx(float(_enumerated(count, domains, count - 1)))


@given(small, small)
def test_kept_apart(count: int, domains: int) -> None:
    quorum = quorum_loss_probability(count, domains, Spreading.REQUIRED, 0.2)
    assert quorum == pytest.approx(float(_even(count, domains, count - (count // 2 + 1))))
    everything = total_loss_probability(count, domains, Spreading.REQUIRED, 0.2)
    assert everything == pytest.approx(float(_even(count, domains, count - 1)))


@given(small, small, st.floats(0, 1))
def test_preferred_lies_between_as_often_as_it_is_ignored(count: int, domains: int, ignored: float) -> None:
    none, required, preferred = (
        quorum_loss_probability(count, domains, spreading, ignored)
        for spreading in (Spreading.NONE, Spreading.REQUIRED, Spreading.PREFERRED)
    )
    assert preferred == pytest.approx(ignored * none + (1 - ignored) * required)


def test_three_servers() -> None:
    """Closed forms: 2 or 3 of 3 in one of six nodes; three zones never, two zones every other time."""
    p = 1 / 6
    expected = (3 * p**2 * (1 - p) + p**3) / (1 - (1 - p) ** 3)
    assert quorum_loss_probability(3, 6, Spreading.NONE, 0.2) == pytest.approx(expected)
    assert quorum_loss_probability(3, 3, Spreading.REQUIRED, 0.2) == 0
    assert quorum_loss_probability(3, 2, Spreading.REQUIRED, 0.2) == 0.5
    assert total_loss_probability(2, 6, Spreading.REQUIRED, 0.2) == 0
    assert quorum_loss_probability(1, 6, Spreading.REQUIRED, 0.2) == 1


@pytest.mark.parametrize("spreading", list(Spreading))
def test_what_does_not_run_is_not_there(spreading: Spreading) -> None:
    assert total_loss_probability(0, 3, spreading, 0.2) == 1
    assert quorum_loss_probability(0, 3, spreading, 0.2) == 1


@given(small, small, st.sampled_from(Spreading), st.floats(0, 1))
def test_probabilities(count: int, domains: int, spreading: Spreading, ignored: float) -> None:
    quorum = quorum_loss_probability(count, domains, spreading, ignored)
    everything = total_loss_probability(count, domains, spreading, ignored)
    assert 0 <= everything <= quorum <= 1 + 1e-12
