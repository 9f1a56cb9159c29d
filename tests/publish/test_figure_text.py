"""Figures as people read them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.estimate import Estimate, Fixed, Lognormal, Provenance, Quantiles, fixed, unbounded
from secondsite.publish.figure import dollars, duration, figure, number, percent, quantity


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (0, "0 s"),
        (0.0321, "32.1 ms"),
        (59.0, "59 s"),
        (119.9, "120 s"),
        (177.1, "2 min 57 s"),
        (300, "5 min"),
        (5399.6, "90 min"),
        (6649, "1 h 51 min"),
        (22_400, "6 h 13 min"),
        (266_400, "3 d 2 h"),
        (math.inf, "unbounded"),
    ],
)
def test_durations_have_two_units_at_most(value_s: float, text: str) -> None:
    assert duration(value_s).replace("\u00a0", " ") == text


@given(st.floats(0, 1e12))
def test_numbers_keep_three_digits_and_no_exponent(value: float) -> None:
    text = number(value)
    assert "e" not in text
    if value >= 0.001:
        assert math.isclose(float(text.replace(",", "")), value, rel_tol=0.0051)


@given(st.floats(0, 1e9))
def test_durations_stay_near_what_they_say(value_s: float) -> None:
    sizes = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    parts = re.findall(r"([\d.,]+)\u00a0(ms|s|min|h|d)", duration(value_s))
    said = sum(float(amount.replace(",", "")) * sizes[unit] for amount, unit in parts)
    assert math.isclose(said, value_s, rel_tol=0.02, abs_tol=1e-6)


@given(st.floats(0, 1))
def test_nothing_short_of_certain_reads_certain(share: float) -> None:
    assert (percent(share).startswith("100")) == (share == 1)
    assert (percent(share) == "0\u00a0%") == (share == 0)


def test_money_shows_cents_only_where_they_matter() -> None:
    assert [dollars(value) for value in (0, 0.05, 9.6, 1696.4, -75)] == ["$0", "$0.05", "$9.60", "$1,696", "−$75"]


def test_availability_keeps_the_decimals_that_are_minutes() -> None:
    assert quantity(0.999959, "share") == "99.995\u00a0%"


def test_a_spread_is_given_in_one_unit() -> None:
    spread = Estimate("rto", "s", Quantiles(197.1, 1797.0, 3433.0, 1800.0), Provenance.DERIVED, "simulated")
    assert figure(spread).span == "3.28\u00a0–\u00a057.2\u00a0min"
    assert figure(fixed("rto", 5, "s", "counted")).span == ""


def test_the_mean_is_shown_where_it_is_asked_for() -> None:
    skewed = Estimate("downtime", "min", Quantiles(0.5, 1.3, 100.0, 21.0), Provenance.DERIVED, "simulated")
    assert (figure(skewed).order, figure(skewed, mean=True).order) == (1.3, 21.0)


def test_a_figure_is_as_sure_as_the_weakest_it_is_made_of() -> None:
    measured = Estimate("election", "s", Fixed(4), Provenance.MEASURED, "drill 12")
    assumed = Estimate("dns", "s", Lognormal.between(2, 60), Provenance.ASSUMED, "experience", (0.5, 2.0), "dig")
    both = Estimate("rto", "s", Fixed(9), Provenance.DERIVED, "sum", formula="a + b", inputs=(measured, assumed))
    assert figure(measured).basis is Provenance.MEASURED
    assert figure(both).basis is Provenance.ASSUMED
    assert figure(both).note == "derived: a + b; made of 1 measured, 1 assumed"
    assert figure(assumed).note == "assumed: experience; could be × 0.5 to × 2; to settle it: dig"


def test_unbounded_says_why_from_the_input_to_blame() -> None:
    quote = unbounded("plan", "USD", "by quote only")
    bill = Estimate(
        "bill", "USD/month", None, Provenance.DERIVED, "73; by quote only", inputs=(fixed("a", 1, "", "a"), quote)
    )
    shown = figure(bill)
    assert (shown.text, shown.note, shown.unbounded) == ("unbounded", "unbounded: by quote only", True)
