"""A digest over messages: count, first and last sequence, and a SHA-256 for each range of sequences.

Two archives of the same stream have equal digests exactly when they hold the same messages, each with the same
sequence, time, subject, headers and payload. Where they differ, the ranges that differ say where to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from attrs import define, field, frozen

from secondsite.backup.archive import ArchivedMessage, MessageRun

RANGES = 1024
MIN_RANGE = 1024


@frozen
class Range:
    """Messages whose sequence divided by the width is ``index``."""

    index: int
    count: int
    sha256: str


@frozen
class Digest:
    """``width`` is the sequences per range, a power of two. ``first`` and ``last`` are 0 when there is no message."""

    width: int
    count: int
    first: int
    last: int
    ranges: tuple[Range, ...]

    @property
    def sha256(self) -> str:
        """One value for the whole."""
        lines = "".join(f"{part.index}:{part.count}:{part.sha256}\n" for part in self.ranges)
        return hashlib.sha256(f"{self.width}\n{lines}".encode()).hexdigest()


def width_for(first: int, last: int) -> int:
    """A width that gives about ``RANGES`` ranges."""
    width = MIN_RANGE
    while (last - first) // width >= RANGES:
        width *= 2
    return width


@define
class Digester:
    """Takes messages in order of their sequence."""

    width: int
    _ranges: list[Range] = field(factory=list)
    _index: int = -1
    _count: int = 0
    _total: int = 0
    _first: int = 0
    _last: int = 0
    _hash: hashlib._Hash = field(factory=hashlib.sha256)

    def add(self, messages: Iterable[ArchivedMessage]) -> None:
        for message in messages:
            self._open(message.sequence // self.width)
            self._take(message.raw, 1, message.sequence, message.sequence)

    def add_runs(self, runs_of_messages: Iterable[MessageRun]) -> None:
        """The same, of a reader that was given this width."""
        for run in runs_of_messages:
            self._open(run.index)
            self._take(run.raw, run.count, run.first, run.last)

    def _open(self, index: int) -> None:
        if index != self._index:
            self._flush()
            self._index = index
            self._hash = hashlib.sha256()

    def _take(self, raw: bytes | memoryview, count: int, first: int, last: int) -> None:
        self._hash.update(raw)
        self._first = self._first or first
        self._count += count
        self._last = last

    def _flush(self) -> None:
        if self._count:
            self._ranges.append(Range(self._index, self._count, self._hash.hexdigest()))
            self._total += self._count
        self._count = 0

    def result(self) -> Digest:
        self._flush()
        return Digest(self.width, self._total, self._first, self._last, tuple(self._ranges))


def differing(expected: Digest, archived: Digest) -> tuple[int, ...]:
    """The indices of the ranges that are not the same in both."""
    one = {part.index: part for part in expected.ranges}
    other = {part.index: part for part in archived.ranges}
    return tuple(sorted(index for index in one.keys() | other.keys() if one.get(index) != other.get(index)))


def runs(sequences: Iterable[int]) -> list[list[int]]:
    """First and last of each run of sequences, sorted."""
    spans: list[list[int]] = []
    for sequence in sorted(sequences):
        if spans and sequence == spans[-1][1] + 1:
            spans[-1][1] = sequence
        else:
            spans.append([sequence, sequence])
    return spans
