"""RPO as it was: what was acknowledged and is gone, in messages, bytes and seconds, per stream."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.check.findings import Fate, Findings
from secondsite.drill.ledger.history import History


@frozen
class Rpo:
    """``seconds``: the age of the oldest lost acknowledged write at the moment of the fault, 0 without a loss.

    ``after_fault`` of the messages were acknowledged after the fault: no replication lag explains those.
    ``proven`` is false where a copy was not read in full; the figures are then lower bounds.
    """

    messages: int
    bytes: int
    seconds: float
    after_fault: int
    proven: bool


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
    )
