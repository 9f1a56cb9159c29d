"""When clients were served as before, by what streams really stored: a 202 is a promise, no service."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from secondsite.drill.check.rto import Sustained, first_acknowledged, rate_before, reached, sustained_from
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import NEVER, Status


def stored_again_s(history: History, fault_ns: int, since_ns: int) -> float | None:
    """Seconds from ``since_ns`` until as much was stored as before the fault; None for not yet."""
    stored = evolve(history, ack_ns=np.where(history.status == Status.STORED, history.ack_ns, NEVER))
    first_ns = first_acknowledged(stored, since_ns, ())
    if first_ns is None:
        return None
    rule = Sustained()
    back_ns = sustained_from(stored, first_ns, rate_before(history, fault_ns, rule), rule)
    return None if back_ns is None else (back_ns - since_ns) / 1e9


@frozen
class Served:
    """Of the writes begun in an interval: how many, what share got no acknowledgement, how long those waited."""

    writes: int
    failed: float
    median_ms: float
    p95_ms: float


def served(history: History, begin_ns: int, end_ns: int) -> Served:
    """A write that is retried counts once, from its first attempt to its acknowledgement."""
    mine = (history.intent_ns >= begin_ns) & (history.intent_ns < end_ns)
    waited_ms = (history.ack_ns - history.intent_ns)[mine & history.acknowledged] / 1e6
    writes = int(mine.sum())
    if not len(waited_ms):
        return Served(writes, 1.0, float("inf"), float("inf"))
    median_ms, p95_ms = np.percentile(waited_ms, [50, 95])
    return Served(writes, 1 - len(waited_ms) / writes, float(median_ms), float(p95_ms))


def first_stored_ns(history: History, fault_ns: int, new_side: Sequence[str]) -> dict[str, int | None]:
    """For each stream written to before the fault, when it first stored a write that was begun after it."""
    before = history.acknowledged & (history.ack_ns < fault_ns)
    after = (history.intent_ns > fault_ns) & (history.status == Status.STORED)
    after &= reached(history.endpoint, new_side)
    first: dict[str, int | None] = {}
    for number in np.unique(history.stream[before]).tolist():
        acks_ns = history.ack_ns[after & (history.stream == number)]
        first[history.streams[number].name] = int(acks_ns.min()) if len(acks_ns) else None
    return first
