"""Quantities as people read them: one scale and one rounding, in a full and a short form."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.wording import (
    about,
    counted,
    dollars,
    duration,
    number,
    percent,
    quantity,
    short_duration,
    short_span,
    span,
)


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, "messages", "0 messages"),
        (1, "messages", "1 message"),
        (1, "copies", "1 copy"),
        (1, "data stores", "1 data store"),
        (2, "copies", "2 copies"),
        (1528, "acknowledged writes", "1,528 acknowledged writes"),
    ],
)
def test_one_of_a_kind_is_singular(number: int, nouns: str, text: str) -> None:
    assert counted(number, nouns) == text


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
    assert duration(value_s).replace(" ", " ") == text


@given(st.floats(0, 1e12))
def test_numbers_keep_three_digits_and_no_exponent(value: float) -> None:
    text = number(value)
    assert "e" not in text
    if value >= 0.001:
        assert math.isclose(float(text.replace(",", "")), value, rel_tol=0.0051)


@given(st.floats(0, 1e9))
def test_durations_stay_near_what_they_say(value_s: float) -> None:
    sizes = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    parts = re.findall(r"([\d.,]+) (ms|s|min|h|d)", duration(value_s))
    said = sum(float(amount.replace(",", "")) * sizes[unit] for amount, unit in parts)
    assert math.isclose(said, value_s, rel_tol=0.02, abs_tol=1e-6)


@given(st.floats(0, 1))
def test_nothing_short_of_certain_reads_certain(share: float) -> None:
    assert (percent(share).startswith("100")) == (share == 1)
    assert (percent(share) == "0 %") == (share == 0)


def test_money_shows_cents_only_where_they_matter() -> None:
    assert [dollars(value) for value in (0, 0.05, 9.6, 1696.4, -75)] == ["$0", "$0.05", "$9.60", "$1,696", "−$75"]


def test_availability_keeps_the_decimals_that_are_minutes() -> None:
    assert quantity(0.999959, "share") == "99.995 %"


def test_other_money_keeps_what_it_is_counted_by() -> None:
    assert [quantity(5000, "USD/h"), quantity(0.02, "USD/GB"), quantity(9.6, "USD/month")] == [
        "$5,000/h",
        "$0.02/GB",
        "$9.60",
    ]
    assert span(500, 50_000, "USD/h") == "$500 – $50,000/h"


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (0, "0 s"),
        (0.0321, "32 ms"),
        (71.4, "71 s"),
        (177.1, "3 min"),
        (228, "3.8 min"),
        (24_120, "6.7 h"),
        (1e6, "12 d"),
    ],
)
def test_the_short_form_has_one_unit_and_two_digits(value_s: float, text: str) -> None:
    assert short_duration(value_s).replace(" ", " ") == text


@given(st.floats(1e-3, 1e9))
def test_both_forms_are_in_the_same_unit(value_s: float) -> None:
    """A reader who meets a figure in the terminal and in a document finds the same one."""
    full, short = (re.findall("[a-z]+", form(value_s))[0] for form in (duration, short_duration))
    assert full == short
    low, high = span(0.5 * value_s, value_s, "s"), short_span(0.5 * value_s, value_s)
    assert re.findall("[a-z]+", low) == re.findall("[a-z]+", high) == [short]


def test_nothing_is_infinite() -> None:
    forms = (duration, short_duration, dollars, lambda value: quantity(value, "h"), lambda value: short_span(1, value))
    assert {form(math.inf) for form in forms} == {"unbounded"}


def test_a_bound_is_not_about_anything() -> None:
    assert [about(0.99996), about(0.978)] == [">99.9 %", "~97.8 %"]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.096, "USD/h", "$0.096/h"),
        (0.0225, "USD/h", "$0.0225/h"),
        (0.005, "USD/h", "$0.005/h"),
        (19.71 / 128, "USD/GB-month", "$0.153984375/GB-month"),
        (0.1, "USD/h", "$0.10/h"),
        (100.0, "USD/h", "$100/h"),
        (0.0, "USD/month", "$0"),
    ],
)
def test_a_unit_price_is_never_rounded(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown
