"""RPO as it was: what was acknowledged and is gone, in messages, bytes and seconds, per stream."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.check.findings import Fate, Findings
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import Status

_KEPT = (Fate.ACKNOWLEDGED_PRESENT, Fate.ERASED, Fate.PROCESSED, Fate.DISCARDED)


@frozen
class Rpo:
    """``seconds``: the age of the oldest lost acknowledged write at the moment of the fault, 0 without a loss.

    ``after_fault`` of the messages were acknowledged after the fault: no replication lag explains those.
    ``proven`` is false where a copy was not read in full; the figures are then lower bounds. ``promised``: how many of
    the messages only a 202 had promised.
    """

    messages: int
    bytes: int
    seconds: float
    after_fault: int
    proven: bool
    promised: int = 0


UNKNOWN_RPO = Rpo(0, 0, 0.0, 0, proven=False)


@frozen
class LossWindow:
    """In seconds: ``least`` from the oldest to the newest lost write, with the fault in it; it is ``most`` at most.

    What was lost before the oldest write that is known to be, nobody saw: ``most`` reaches back to the newest write
    of its stream that is older and there, and is None where there is none. ``reach``: how old a write was at the
    fault that could have been seen to be lost, in the stream of which that is least; ``short`` names that stream.
    """

    least: float
    most: float | None
    reach: float
    short: str


def loss_window(history: History, fate: NDArray[np.uint8], fault_ns: int) -> LossWindow:
    """``fate`` as the contract counts it."""
    lost = (fate == Fate.ACKNOWLEDGED_LOST) & history.acknowledged
    kept = history.acknowledged & np.isin(fate, _KEPT)
    lost_ns = history.ack_ns[lost]
    oldest, newest = int(lost_ns.min(initial=fault_ns)), int(lost_ns.max(initial=fault_ns))
    before: list[int | None] = []
    reaches: dict[str, float] = {}
    for number, stream in enumerate(history.streams):
        mine = history.stream == number
        if (lost & mine).any():
            older = history.ack_ns[kept & mine & (history.ack_ns < history.ack_ns[lost & mine].min())]
            before.append(int(older.max()) if len(older) else None)
        known = history.ack_ns[mine & history.acknowledged & (history.ack_ns < fault_ns)]
        reaches[stream.name] = (fault_ns - int(known.min(initial=fault_ns))) / 1e9
    edges = [at for at in before if at is not None]
    most = None if None in before else (newest - min(edges, default=oldest)) / 1e9
    short = min(reaches, key=lambda name: reaches[name], default="")
    return LossWindow((newest - oldest) / 1e9, most, reaches.get(short, 0.0), short)


def rpo_by_stream(history: History, findings: Findings, fault_ns: int) -> Mapping[str, Rpo]:
    """``fault_ns`` on the monotonic clock of the ledgers."""
    lost = findings.marks.fate == Fate.ACKNOWLEDGED_LOST
    return {
        stream.name: _rpo(history, lost & (history.stream == number), fault_ns, findings.streams[stream.name].proven)
        for number, stream in enumerate(history.streams)
    }


def rpo(history: History, findings: Findings, fault_ns: int) -> Rpo:
    """Over all streams."""
    return _rpo(history, findings.marks.fate == Fate.ACKNOWLEDGED_LOST, fault_ns, findings.proven_streams)


def _rpo(history: History, lost: NDArray[np.bool_], fault_ns: int, proven: bool) -> Rpo:
    acks_ns = history.ack_ns[lost]
    oldest_ns = int(acks_ns.min(initial=fault_ns))
    return Rpo(
        messages=len(acks_ns),
        bytes=int(history.payload_bytes[lost].sum(dtype=np.int64)),
        seconds=(fault_ns - oldest_ns) / 1e9,
        after_fault=int(np.count_nonzero(acks_ns > fault_ns)),
        proven=proven,
        promised=int(np.count_nonzero(history.status[lost] == Status.BUFFERED)),
    )
