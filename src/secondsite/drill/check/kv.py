"""A KV bucket against the history: the last values of a key count, as many as the bucket keeps.

A write survived when it is among the values of its key that are there. Else the last of them may rightly have come
after it, as it was not acknowledged before the write was even intended, and as many as the bucket keeps were written
since. A tombstone is a value like any other, and a key that is absent has one as its last value, if any was written.
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import NEVER, Purpose

_LONG_AGO = np.iinfo(np.int64).min


@frozen(eq=False)
class BucketMarks:
    """Rows of intents: the last values, those that survived in this copy, and ``resurrected``, the acknowledged
    tombstones whose key came back.
    """

    last: NDArray[np.int64]
    survived: NDArray[np.int64]
    resurrected: NDArray[np.int64]


def check_bucket(history: History, order: NDArray[np.int64], stream: int) -> BucketMarks:
    """``order``: the rows found in the copy, in its order."""
    kept = history.streams[stream]
    mine, subject = np.flatnonzero(history.stream == stream), kept.one_subject(history.key)
    keys, key_of = np.unique(subject[mine], return_inverse=True)
    last = np.full(len(keys), -1)
    last[np.searchsorted(keys, subject[order])] = order
    last_of = last[key_of]
    purpose, intent_ns, ack_ns = history.purpose[mine], history.intent_ns[mine], history.ack_ns[mine]
    there = last_of >= 0
    value_purpose = np.where(there, history.purpose[last_of], np.uint8(Purpose.TOMBSTONE))
    value_done_ns = np.where(
        there, history.ack_ns[last_of], _latest(key_of, len(keys), ack_ns, purpose == Purpose.TOMBSTONE)
    )
    # An absent key is as deleted as the latest tombstone has it; one that is still under way may have come last.
    rightly = value_done_ns >= intent_ns
    rightly |= ~there & (purpose == Purpose.TOMBSTONE)
    good = purpose != Purpose.WRONG
    superseded = _latest(key_of, len(keys), intent_ns, good & (ack_ns != NEVER)) > ack_ns
    wrong_value = value_purpose == Purpose.WRONG
    survived = (last_of == mine) | np.where(wrong_value, superseded, rightly)
    if kept.history > 1:
        held = np.isin(mine, order)
        full = _later(intent_ns, ack_ns, key_of, (ack_ns != NEVER) | held) >= kept.history
        survived = held | (survived & (full | ~there))
    back = (purpose == Purpose.TOMBSTONE) & (ack_ns != NEVER) & ~survived & ~wrong_value
    acknowledged = ack_ns != NEVER
    return BucketMarks(last[last >= 0], mine[survived & (acknowledged | (last_of == mine))], mine[back])


def _later(
    intent_ns: NDArray[np.int64], ack_ns: NDArray[np.int64], group: NDArray[np.int64], written: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each member, how many others of its group were written and may have come after it."""
    found = np.zeros(len(group), np.int64)
    by_group = np.argsort(group, kind="stable")
    for members in np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1):
        ends = np.sort(ack_ns[members[written[members]]])
        found[members] = len(ends) - np.searchsorted(ends, intent_ns[members]) - written[members]
    return found


def _latest(
    group: NDArray[np.int64], groups: int, values: NDArray[np.int64], of: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each member, the greatest value of its group among ``of``; long ago where there is none."""
    latest = np.full(groups, _LONG_AGO)
    np.maximum.at(latest, group[of], values[of])
    return latest[group]
