"""Two writers of one stream are told from a failover, and from ordinary concurrency, by acknowledgements alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from bulk_ledger import write_bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.drill.check.writers import MOST, writer_changes
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import RECORD, RecordKind, Status

Write = tuple[int, int, int]
"""When it was begun, when it was acknowledged, its stream sequence."""


def _history(folder: Path, writes: Sequence[Write], status: Status = Status.STORED) -> History:
    records = np.zeros(2 * len(writes), RECORD)
    for number, (begun, acknowledged, stream_sequence) in enumerate(writes):
        intent, outcome = records[2 * number], records[2 * number + 1]
        intent["kind"], intent["monotonic_ns"], intent["sequence"] = RecordKind.INTENT, begun, number
        outcome["kind"], outcome["monotonic_ns"], outcome["sequence"] = RecordKind.OUTCOME, acknowledged, number
        outcome["status"], outcome["stream_sequence"] = status, stream_sequence
    path = folder / "0.ledger"
    write_bulk(path, LedgerHeader("r", 0, (LedgerStream("EVENTS", "events"),)), records)
    return read_history([path])


def _log(begin: int, first: int, count: int, step: int = 10) -> list[Write]:
    """One writer: a write every ``step``, acknowledged after 1."""
    return [(begin + step * i, begin + step * i + 1, first + i) for i in range(count)]


def _count(folder: Path, writes: Sequence[Write]) -> int:
    return writer_changes(_history(folder, writes))["EVENTS"]


@settings(max_examples=40, deadline=None)
@given(waits=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50)), min_size=1, max_size=60), data=st.data())
def test_one_log_never_changes_however_concurrent(
    waits: list[tuple[int, int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Sequences are given at one moment of each write, between its beginning and its acknowledgement."""
    begun, writes = 0, []
    for pause, length in waits:
        begun += pause
        taken = data.draw(st.integers(begun, begun + length))
        writes.append((taken, begun, begun + length))
    order = sorted(range(len(writes)), key=lambda number: writes[number][0])
    sequences = {number: place + 1 for place, number in enumerate(order)}
    folder = tmp_path_factory.mktemp("one")
    assert _count(folder, [(begun, end, sequences[n]) for n, (_, begun, end) in enumerate(writes)]) == 0


def test_a_failover_is_one_change_where_something_was_lost_and_none_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert _count(tmp_path / "a", _log(0, 1, 50) + _log(1000, 46, 50)) == 1
    assert _count(tmp_path / "b", _log(0, 1, 50) + _log(1000, 51, 50)) == 0


def test_an_answer_of_the_old_log_that_came_late_is_no_change(tmp_path: Path) -> None:
    assert _count(tmp_path, [*_log(0, 1, 50), (495, 1005, 51), *_log(1000, 46, 50)]) == 1


def test_two_writers_change_back_and_forth(tmp_path: Path) -> None:
    old, new = _log(0, 1, 150), _log(500, 45, 100)
    assert _count(tmp_path, sorted(old + [(b + 5, a + 5, s) for b, a, s in new])) == MOST


def test_a_zombie_that_took_one_write_is_noticed(tmp_path: Path) -> None:
    assert (
        _count(
            tmp_path, [*_log(0, 1, 50), *_log(1000, 46, 20), (1500, 1501, 60), (1510, 1511, 120), *_log(1600, 66, 9)]
        )
        > 1
    )


def test_what_a_buffer_took_has_no_place_in_a_log(tmp_path: Path) -> None:
    history = _history(tmp_path, _log(0, 1, 5) + _log(100, 1, 5), Status.BUFFERED)
    assert writer_changes(history) == {"EVENTS": 0}
