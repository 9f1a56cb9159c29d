"""Spans against sets of sequences."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from secondsite.archive.spans import Span, Walker, joined, size, spans_of, within, without

SEQUENCES = some.sets(some.integers(1, 60), max_size=40)


def _members(spans: tuple[Span, ...]) -> set[int]:
    assert all(one[1] + 1 < other[0] for one, other in pairwise(spans))
    return {number for first, last in spans for number in range(first, last + 1)}


@given(SEQUENCES, SEQUENCES, some.integers(1, 60), some.integers(1, 60))
def test_spans_are_sets(one: set[int], other: set[int], first: int, last: int) -> None:
    left, right = spans_of(sorted(one)), spans_of(sorted(other))
    assert _members(left) == one
    assert size(left) == len(one)
    assert _members(joined(left, right)) == one | other
    assert _members(without(left, right)) == one - other
    assert _members(within(left, first, last)) == {number for number in one if first <= number <= last}
    walker = Walker(left)
    assert [number for number in range(1, 61) if number in walker] == sorted(one)
