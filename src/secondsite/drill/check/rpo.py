"""RPO as it was: what was acknowledged and is gone, in messages, bytes and seconds, per stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.check.findings import Fate, Findings
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import Status

_KEPT = (Fate.ACKNOWLEDGED_PRESENT, Fate.ERASED, Fate.PROCESSED, Fate.DISCARDED)


@frozen
class Rpo:
    """``seconds``: the age of the oldest lost acknowledged write at the moment of the fault that lost it, 0
    without a loss.

    ``proven`` is false where a copy was not read in full; the figures are then lower bounds. ``promised``: how many of
    the messages only a 202 had promised.
    """

    messages: int
    bytes: int
    seconds: float
    proven: bool
    promised: int = 0


UNKNOWN_RPO = Rpo(0, 0, 0.0, proven=False)


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


def loss_window(history: History, fate: NDArray[np.uint8], *faults_ns: int) -> LossWindow:
    """``fate`` as the contract counts it. Of several faults each has the window of what it lost; the widest counts."""
    lost = (fate == Fate.ACKNOWLEDGED_LOST) & history.acknowledged
    kept = history.acknowledged & np.isin(fate, _KEPT)
    lost_by = _lost_by(history.ack_ns, faults_ns)
    windows = [_window(history, lost & (lost_by == number), kept, at) for number, at in enumerate(faults_ns)]
    bounds = [most for _, most in windows]
    most = None if None in bounds else max(bound for bound in bounds if bound is not None)
    reaches = {stream.name: _reach(history, number, faults_ns[0]) for number, stream in enumerate(history.streams)}
    short = min(reaches, key=lambda name: reaches[name], default="")
    return LossWindow(max(least for least, _ in windows), most, reaches.get(short, 0.0), short)


def _lost_by(ack_ns: NDArray[np.int64], faults_ns: Sequence[int]) -> NDArray[np.intp]:
    """By its number, the fault that would have lost a write: the first after its acknowledgement, or else the last."""
    return np.minimum(np.searchsorted(np.asarray(faults_ns), ack_ns), len(faults_ns) - 1)


def _window(
    history: History, lost: NDArray[np.bool_], kept: NDArray[np.bool_], fault_ns: int
) -> tuple[float, float | None]:
    """``least`` and ``most`` of what one fault lost."""
    lost_ns = history.ack_ns[lost]
    oldest, newest = int(lost_ns.min(initial=fault_ns)), int(lost_ns.max(initial=fault_ns))
    before: list[int | None] = []
    for number in range(len(history.streams)):
        mine = history.stream == number
        if (lost & mine).any():
            older = history.ack_ns[kept & mine & (history.ack_ns < history.ack_ns[lost & mine].min())]
            before.append(int(older.max()) if len(older) else None)
    edges = [at for at in before if at is not None]
    return (newest - oldest) / 1e9, None if None in before else (newest - min(edges, default=oldest)) / 1e9


def _reach(history: History, number: int, fault_ns: int) -> float:
    known = history.ack_ns[(history.stream == number) & history.acknowledged & (history.ack_ns < fault_ns)]
    return (fault_ns - int(known.min(initial=fault_ns))) / 1e9


def rpo_by_stream(history: History, findings: Findings, *faults_ns: int) -> Mapping[str, Rpo]:
    """``faults_ns``, in their order, on the monotonic clock of the ledgers."""
    lost = findings.marks.fate == Fate.ACKNOWLEDGED_LOST
    return {
        stream.name: _rpo(history, lost & (history.stream == number), faults_ns, findings.streams[stream.name].proven)
        for number, stream in enumerate(history.streams)
    }


def rpo(history: History, findings: Findings, *faults_ns: int) -> Rpo:
    """Over all streams."""
    return _rpo(history, findings.marks.fate == Fate.ACKNOWLEDGED_LOST, faults_ns, findings.proven_streams)


def _rpo(history: History, lost: NDArray[np.bool_], faults_ns: Sequence[int], proven: bool) -> Rpo:
    acks_ns = history.ack_ns[lost]
    ages_ns = np.asarray(faults_ns)[_lost_by(acks_ns, faults_ns)] - acks_ns
    return Rpo(
        messages=len(acks_ns),
        bytes=int(history.payload_bytes[lost].sum(dtype=np.int64)),
        seconds=int(ages_ns.max(initial=0)) / 1e9,
        proven=proven,
        promised=int(np.count_nonzero(history.status[lost] == Status.BUFFERED)),
    )
