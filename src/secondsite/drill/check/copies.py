"""One copy of a stream against the history: what is in it, twice, out of order, or from nowhere.

Out of order means against a promise: the message was acknowledged before another of its key was even intended,
and stands behind it. Two writes that were under way at once were promised no order.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.check.findings import Phantom
from secondsite.drill.ledger.finals import FinalRead
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import ANY_KEY, STRAY, Purpose

_MOST_PHANTOMS = 20
_FULL = 0.4
"""Of the bytes that a stream may hold, the share of payloads from which it may be full: subjects and headers count."""
_READ_WITHIN_NS = 60_000_000_000


@frozen(eq=False)
class CopyMarks:
    """``order``: rows of the intents in the copy, in its order, each once, where it stands first.

    ``salvaged``: rows of those that a failback brought there from the old region, where they were stored before.
    ``altered`` have another payload than was intended, ``moved`` another subject. ``clashes``: messages that share
    their place in the stream with another, which no server does.
    """

    order: NDArray[np.int64]
    repeated: NDArray[np.int64]
    phantoms: tuple[Phantom, ...]
    phantom_count: int
    altered: NDArray[np.int64]
    moved: NDArray[np.int64]
    clashes: int
    salvaged: NDArray[np.int64]


def read_order(history: History, copy: FinalRead, stream: int) -> CopyMarks:
    rows = copy.rows
    if len(rows) > 1 and (rows["stream_sequence"][1:] < rows["stream_sequence"][:-1]).any():
        rows = rows[np.argsort(rows["stream_sequence"], kind="stable")]
    positions = history.rows(np.ascontiguousarray(rows["identity"]), stream)
    strange = np.flatnonzero(positions < 0)
    known = positions[positions >= 0]
    first = np.zeros(len(history), np.int64)
    first[known[::-1]] = np.arange(len(known))[::-1]
    is_first = first[known] == np.arange(len(known))
    altered, moved = _other_contents(history, copy, rows[positions >= 0], known)
    return CopyMarks(
        order=known[is_first],
        repeated=known[~is_first],
        phantoms=_phantoms(history, copy, rows[strange]),
        phantom_count=len(strange),
        altered=altered,
        moved=moved,
        clashes=int(np.count_nonzero(rows["stream_sequence"][1:] == rows["stream_sequence"][:-1])),
        salvaged=known[np.isin(rows["stream_sequence"][positions >= 0], np.array(copy.salvaged, np.uint64))],
    )


def _other_contents(
    history: History, copy: FinalRead, rows: NDArray[np.void], known: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of ordinary writes: a tombstone and a write that was wrong from the start have contents of their own."""
    if not copy.compared:
        return known[:0], known[:0]
    plain = history.purpose[known] == Purpose.WRITE
    altered = plain & ((rows["payload"] != 0) | (rows["payload_bytes"] != history.payload_bytes[known]))
    moved = plain & ((rows["subject"] != 0) | ((rows["key"] != history.key[known]) & (rows["key"] != ANY_KEY)))
    return known[altered], known[moved]


def _phantoms(history: History, copy: FinalRead, rows: NDArray[np.void]) -> tuple[Phantom, ...]:
    strays = iter(copy.strays)
    phantoms = []
    for row in rows[:_MOST_PHANTOMS]:
        identity = int(row["identity"])
        text = next(strays, "") if identity == STRAY else f"{history.run}.{identity >> 32}.{identity & 0xFFFFFFFF}"
        phantoms.append(Phantom(copy.place, int(row["stream_sequence"]), text))
    return tuple(phantoms)


def reordered(history: History, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those rows of ``order`` that stand behind a message of their key intended after their acknowledgement.

    Times become ranks among this copy's intents, so that the running maximum of each key's group fits a word.
    """
    if not len(order):
        return order
    times = np.sort(history.intent_ns[order])
    by_key = order[np.argsort(history.key[order], kind="stable")]
    keys = history.key[by_key]
    group = np.cumsum(np.concatenate(([False], keys[1:] != keys[:-1])), dtype=np.int64)
    group *= len(order) + 1
    latest = np.searchsorted(times, history.intent_ns[by_key], side="left")
    latest += group
    np.maximum.accumulate(latest, out=latest)
    # Beyond every rank for what was never acknowledged.
    bound = np.searchsorted(times, history.ack_ns[by_key], side="right")
    bound += group
    behind: NDArray[np.int64] = by_key[latest >= bound]
    return behind


def discarded(history: History, copy: FinalRead, stream: int) -> NDArray[np.bool_]:
    """What stood before all that a whole copy holds, where the stream's limits explain that it is gone.

    A limit that was not reached explains nothing: what is missing then is lost.
    """
    of, rows = history.streams[stream], copy.rows
    first = rows["stream_sequence"].min() if len(rows) else 0
    before = (history.stream == stream) & (history.stream_sequence > 0) & (history.stream_sequence < first)
    full = 0 < of.most_messages <= len(rows) or 0 < of.most_bytes * _FULL <= int(rows["payload_bytes"].sum())
    if not copy.complete or not (full or of.most_age_s):
        return np.zeros(len(history), bool)
    last_ns = int(history.intent_ns.max(initial=0)) + _READ_WITHIN_NS
    gone: NDArray[np.bool_] = before & (full | (history.ack_ns < last_ns - of.most_age_s * 1e9))
    return gone
