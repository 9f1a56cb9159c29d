"""How often a stream's log began anew, by the clients' acknowledgements alone: whether it had one writer at a time.

One log gives sequences in real time: a write that was begun after another was acknowledged stands behind it. Where
one stands before it, another copy had become the log. A failover explains one such change (none where nothing was
lost); two copies that are written to at once change back and forth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import Status

MOST = 100
"""Counting ends here: what changed so often is beyond doubt."""


def writer_changes(history: History) -> Mapping[str, int]:
    """By stream: the least number of changes that explain what was acknowledged."""
    stored = (history.status == Status.STORED) & (history.stream_sequence > 0)
    return {
        stream.name: _changes(history, np.flatnonzero(stored & (history.stream == number)))
        for number, stream in enumerate(history.streams)
    }


def _changes(history: History, rows: NDArray[np.int64]) -> int:
    rows = rows[np.argsort(history.ack_ns[rows], kind="stable")]
    changes = 0
    while len(rows) and changes < MOST:
        begin = _first_behind(history, rows)
        if begin is None:
            break
        changes += 1
        # What the log before had under way, and only its answer came late, belongs to that log.
        rest = rows[begin:]
        rows = rest[history.intent_ns[rest] >= history.intent_ns[rows[begin]]]
    return changes


def _first_behind(history: History, rows: NDArray[np.int64]) -> int | None:
    """The first of ``rows``, in the order of acknowledgement, with a sequence that was passed before it was begun."""
    highest = np.maximum.accumulate(history.stream_sequence[rows])
    done = np.searchsorted(history.ack_ns[rows], history.intent_ns[rows], side="left")
    before = np.where(done > 0, highest[np.maximum(done, 1) - 1], np.uint64(0))
    behind = before >= history.stream_sequence[rows]
    return int(np.argmax(behind)) if behind.any() else None
