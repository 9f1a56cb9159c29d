"""Quantities as people write them, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.units import (
    format_bytes,
    format_cores,
    format_seconds,
    parse_bytes,
    parse_cores,
    parse_seconds,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("2w", 1_209_600), ("1400ms", 1.4), ("0.5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["90", "", "5 m", "-5s", "5y", "s", "9" * 400 + "w", "1h-3m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|too large"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10Gi", 10 * 2**30), ("128MB", 128_000_000), ("8GB", 8 * 10**9), ("512", 512), ("1.5Ki", 1536), ("1k", 1000)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["10 parsecs", "", "Gi", "-1Gi", "1e400"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a size|too large"):
        parse_bytes(text)


@pytest.mark.parametrize(("text", "cores"), [("250m", 0.25), ("1.5", 1.5), ("2", 2)])
def test_cores(text: str, cores: float) -> None:
    assert parse_cores(text) == cores


@pytest.mark.parametrize("text", ["2Gi", "", "m"])
def test_what_is_no_number_of_cores(text: str) -> None:
    with pytest.raises(ValueError, match="not a number of cores"):
        parse_cores(text)


@given(st.integers(0, 10**9))
def test_whole_milliseconds_come_back(milliseconds: int) -> None:
    assert parse_seconds(format_seconds(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(0, 2**60))
def test_bytes_come_back(size: int) -> None:
    assert abs(parse_bytes(format_bytes(size)) - size) <= size * 2**-52


@given(st.integers(0, 10**6))
def test_millicores_come_back(milli: int) -> None:
    assert parse_cores(format_cores(milli / 1000)) == milli / 1000


def test_the_shortest_spelling() -> None:
    assert [format_seconds(s) for s in (90, 300, 86_400, 604_800, 0, 0.25)] == [
        "90s",
        "5m",
        "1d",
        "168h",
        "0s",
        "250ms",
    ]
    assert [format_bytes(b) for b in (2**30, 3 * 2**20, 1000)] == ["1Gi", "3Mi", "1000"]
    assert [format_cores(c) for c in (0.1, 2.0, 1.5)] == ["100m", "2", "1500m"]
