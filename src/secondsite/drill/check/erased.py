"""Which intents an operator removed: for certain, or perhaps."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.ledger.history import Erasure, History
from secondsite.drill.ledger.record import ANY_KEY, NEVER


@frozen(eq=False)
class Erased:
    """``surely``: acknowledged before a removal that was confirmed, and in its scope: must not be there.

    ``perhaps``: may be gone, as the removal was unconfirmed, or the write was under way at the same time, or its
    sequence is not known. The first are among the second.
    """

    surely: NDArray[np.bool_]
    perhaps: NDArray[np.bool_]


def erased(history: History) -> Erased:
    surely, perhaps = np.zeros(len(history), bool), np.zeros(len(history), bool)
    for erasure in history.erasures:
        aimed = history.stream == erasure.stream
        if erasure.key != ANY_KEY:
            aimed &= history.key == erasure.key
        known = history.stream_sequence != 0
        hit = _hit(history, erasure)
        before = history.ack_ns < erasure.asked_ns
        if erasure.confirmed_ns != NEVER:
            surely |= aimed & before & hit & (known if erasure.stream_sequence else True)
        perhaps |= aimed & (history.intent_ns < erasure.confirmed_ns) & (hit | ~known)
    return Erased(surely, perhaps)


def _hit(history: History, erasure: Erasure) -> NDArray[np.bool_]:
    if not erasure.stream_sequence:
        return np.ones(len(history), bool)
    if erasure.purge:
        return np.less(history.stream_sequence, np.uint64(erasure.stream_sequence))
    return np.equal(history.stream_sequence, np.uint64(erasure.stream_sequence))
