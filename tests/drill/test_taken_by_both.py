"""What two regions acknowledged side by side is counted from the ledger; what came before the other began is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bulk_ledger import write_bulk

from secondsite.drill.faults.taken_over_alive import TakenByBoth, taken_by_both
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.ledger import LedgerHeader, LedgerStream
from secondsite.drill.ledger.record import RECORD, RecordKind, Status

OLD, NEW = 0x7F010001, 0x7F020001
"""127.1.0.1 and 127.2.0.1."""
SECOND = 1_000_000_000


def _history(folder: Path, writes: Sequence[tuple[int, int, int]]) -> History:
    """When a write was sent and acknowledged, in seconds, and by whom."""
    records = np.zeros(2 * len(writes), RECORD)
    for number, (sent, acknowledged, endpoint) in enumerate(writes):
        intent, outcome = records[2 * number], records[2 * number + 1]
        intent["kind"], intent["monotonic_ns"], intent["sequence"] = RecordKind.INTENT, sent * SECOND, number
        outcome["kind"], outcome["monotonic_ns"], outcome["sequence"] = (
            RecordKind.OUTCOME,
            acknowledged * SECOND,
            number,
        )
        outcome["status"], outcome["stream_sequence"], outcome["endpoint"] = Status.STORED, number + 1, endpoint
    path = folder / "0.ledger"
    write_bulk(path, LedgerHeader("r", 0, (LedgerStream("EVENTS", "events"),)), records)
    return read_history([path])


def test_only_what_was_sent_after_the_other_side_began(tmp_path: Path) -> None:
    """Home wrote at 1, and on at 4 and 7; the other side was first acknowledged something at 3."""
    history = _history(tmp_path, [(1, 2, OLD), (2, 3, NEW), (2, 4, OLD), (4, 5, OLD), (5, 6, NEW), (7, 8, OLD)])
    assert taken_by_both(history, "127.1.0.0/24", "127.2.0.0/24") == TakenByBoth(2, 3.0)
    assert taken_by_both(history, "127.1.0.0/24", "127.9.0.0/24") == TakenByBoth(0, 0.0)
