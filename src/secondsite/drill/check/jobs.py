"""Streams that give up what was done: work queues, and streams that are kept by interest.

A message that is gone from them is no loss where a consumer recorded it: in a work queue any of those that may have it,
of an interest stream each of them. A job that is gone and that nobody recorded was never done, and never will be.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from secondsite.drill.ledger.finals import Processing
from secondsite.drill.ledger.history import History

QUEUE, INTEREST = "workqueue", "interest"


@frozen(eq=False)
class Jobs:
    """One row per intent of the history. ``done``: recorded by all who had to; ``twice``: recorded more than once."""

    done: NDArray[np.bool_]
    twice: NDArray[np.bool_]


def check_jobs(history: History, number: int, consumers: Sequence[Processing]) -> Jobs:
    """Of a stream that is none of these nothing is done in this sense: its messages stay."""
    mine, retention = history.stream == number, history.streams[number].retention
    if retention not in (QUEUE, INTEREST):
        return Jobs(np.zeros(len(history), bool), np.zeros(len(history), bool))
    queue = retention == QUEUE
    done, twice = mine & (not queue), np.zeros(len(history), bool)
    for consumer in consumers:
        times, wants = _times(history, number, consumer), _wants(history, mine, consumer)
        done = done | (times > 0) if queue else done & ((times > 0) | ~wants)
        twice |= times > 1
    return Jobs(done & mine, twice & mine)


def _times(history: History, number: int, consumer: Processing) -> NDArray[np.int64]:
    rows = history.rows(np.ascontiguousarray(consumer.rows["identity"]), number)
    return np.bincount(rows[rows >= 0], minlength=len(history))


def _wants(history: History, mine: NDArray[np.bool_], consumer: Processing) -> NDArray[np.bool_]:
    if consumer.keys is None:
        return mine
    return mine & np.isin(history.key, np.fromiter(consumer.keys, np.uint32))
