"""Sets of sequences as spans, first and last of each: a stream may have lost millions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

Span = tuple[int, int]


def spans_of(sequences: Iterable[int]) -> tuple[Span, ...]:
    """Of sequences by ascending order."""
    spans: list[list[int]] = []
    for sequence in sequences:
        if spans and sequence == spans[-1][1] + 1:
            spans[-1][1] = sequence
        else:
            spans.append([sequence, sequence])
    return tuple((first, last) for first, last in spans)


def joined(one: Iterable[Sequence[int]], other: Iterable[Sequence[int]]) -> tuple[Span, ...]:
    """What is in either."""
    out: list[list[int]] = []
    for first, last in sorted((span[0], span[1]) for span in (*one, *other)):
        if out and first <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], last)
        else:
            out.append([first, last])
    return tuple((first, last) for first, last in out)


def within(spans: Iterable[Sequence[int]], first: int, last: int) -> tuple[Span, ...]:
    """The part that lies between two sequences, both included."""
    return tuple((max(span[0], first), min(span[1], last)) for span in spans if span[0] <= last and span[1] >= first)


def without(spans: Iterable[Sequence[int]], taken: Iterable[Sequence[int]]) -> tuple[Span, ...]:
    """What is in the first and not in the second; both ascend."""
    out: list[Span] = []
    rest = list(taken)
    for span in spans:
        first, last = span[0], span[1]
        while rest and rest[0][1] < first:
            rest.pop(0)
        for low, high in ((item[0], item[1]) for item in rest):
            if low > last:
                break
            if low > first:
                out.append((first, low - 1))
            first = high + 1
            if first > last:
                break
        if first <= last:
            out.append((first, last))
    return tuple(out)


def size(spans: Iterable[Sequence[int]]) -> int:
    return sum(span[1] - span[0] + 1 for span in spans)


class Walker:
    """Whether ascending sequences lie in the spans, each asked once."""

    def __init__(self, spans: Iterable[Sequence[int]]) -> None:
        self._rest: Iterator[Sequence[int]] = iter(spans)
        self._span = next(self._rest, None)

    def __contains__(self, sequence: object) -> bool:
        assert isinstance(sequence, int)  # noqa: S101 # a container's protocol takes any object
        while self._span is not None and self._span[1] < sequence:
            self._span = next(self._rest, None)
        return self._span is not None and self._span[0] <= sequence
