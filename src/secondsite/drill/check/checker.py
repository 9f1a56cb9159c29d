"""Ledger and final reads in, fate of every intent out: pure, and the same whoever runs it and when.

Absence counts only where every surviving copy of the stream was read in full. What the clients were promised is
what they were acknowledged; a timeout promises neither presence nor absence. A check that crashes is a result of
its own, and proves nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from secondsite.drill.check.copies import discarded, read_order, reordered
from secondsite.drill.check.erased import Erased, erased
from secondsite.drill.check.findings import ConsumerFindings, Fate, Findings, Marks, Phantom, StreamFindings
from secondsite.drill.check.jobs import INTEREST, QUEUE, Jobs, check_jobs
from secondsite.drill.check.kv import check_bucket
from secondsite.drill.ledger.finals import FinalRead, Finals, Processing, SavedCopy
from secondsite.drill.ledger.history import History, stream_index
from secondsite.drill.ledger.record import Purpose, Status
from secondsite.model.errors import SecondsiteError

T = TypeVar("T")
_MOST_EXAMPLES = 20


@frozen
class Crashed:
    """A check that did not end: what it would have shown is unproven. ``trace`` is for the evidence folder."""

    why: str
    trace: str = ""


def checked(check: Callable[[], T]) -> T | Crashed:
    """What the check found, or that it crashed; the one place where any error of a check is caught."""
    try:
        return check()
    except SecondsiteError as error:
        return Crashed(str(error))
    except Exception as error:
        return Crashed(f"the checker failed: {type(error).__name__}: {error}", traceback.format_exc())


@frozen(eq=False)
class _CopiesRead:
    """What all copies together showed so far, one row per intent; phantoms and gaps by stream.

    A superseded value of a key is present, as its promise was kept, but not visible.
    """

    present: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    duplicated: NDArray[np.bool_]
    reordered: NDArray[np.bool_]
    resurrected: NDArray[np.bool_]
    altered: NDArray[np.bool_]
    moved: NDArray[np.bool_]
    discarded: NDArray[np.bool_]
    salvaged: NDArray[np.bool_]
    phantoms: dict[str, tuple[Phantom, ...]] = field(factory=dict)
    phantom_counts: dict[str, int] = field(factory=dict)
    unread: dict[str, tuple[str, ...]] = field(factory=dict)
    read: set[str] = field(factory=set)
    uncompared: dict[str, tuple[str, ...]] = field(factory=dict)
    clashes: dict[str, int] = field(factory=dict)

    @classmethod
    def nothing(cls, intents: int) -> _CopiesRead:
        present, visible, duplicated, reordered, resurrected, altered, moved, discarded, salvaged = (
            np.zeros(intents, bool) for _ in range(9)
        )
        return cls(present, visible, duplicated, reordered, resurrected, altered, moved, discarded, salvaged)


def check(history: History, finals: Finals, left: NDArray[np.bool_] | None = None) -> Findings:
    """``left``: which intents were acknowledged by the side that clients had to leave; only those can be salvaged.

    Raises InputError where finals and ledgers are not of one run.
    """
    copies_read = _CopiesRead.nothing(len(history))
    for copy in finals.copies:
        _take(history, copies_read, copy.load() if isinstance(copy, SavedCopy) else copy)
    for stream in history.streams:
        if stream.name not in copies_read.read:
            copies_read.unread[stream.name] = (f"{stream.name}: no copy of it was read",)
    removed = erased(history)
    jobs = _jobs(history, finals.processing)
    fate = _fates(history, copies_read, removed, jobs)
    copies_read.resurrected[removed.surely & copies_read.visible] = True
    salvaged = np.zeros(len(history), bool) if left is None else copies_read.salvaged & left
    arrays = (
        copies_read.duplicated,
        copies_read.reordered,
        copies_read.resurrected,
        copies_read.altered,
        copies_read.moved,
        salvaged,
    )
    marks = Marks(fate, *arrays, copies_read.phantoms, copies_read.phantom_counts)
    numbered = enumerate(history.streams)
    streams = {stream.name: _of_stream(history, marks, number, copies_read, jobs) for number, stream in numbered}
    consumers = tuple(_of_consumer(history, copies_read, processing) for processing in finals.processing)
    return Findings(streams, consumers, marks, _examples(history, marks))


def _jobs(history: History, processing: Sequence[Processing]) -> Jobs:
    """Of all streams together."""
    done, twice = np.zeros(len(history), bool), np.zeros(len(history), bool)
    for number, stream in enumerate(history.streams):
        job_findings = check_jobs(history, number, [each for each in processing if each.stream == stream.name])
        done |= job_findings.done
        twice |= job_findings.twice
    return Jobs(done, twice)


def _take(history: History, copies_read: _CopiesRead, copy: FinalRead) -> None:
    number = stream_index(history, copy.stream)
    order = read_order(history, copy, number)
    if history.streams[number].kv:
        bucket = check_bucket(history, _with_repeats(history, copy, number), number)
        copies_read.present[bucket.survived] = True
        copies_read.visible[bucket.last] = True
        # In a part of a bucket the last value read need not be the last.
        copies_read.resurrected[bucket.resurrected] |= copy.complete
    else:
        copies_read.present[order.order] = True
        copies_read.visible[order.order] = True
        copies_read.duplicated[order.repeated] = True
        copies_read.reordered[reordered(history, order.order)] = True
        copies_read.discarded[discarded(history, copy, number)] = True
    copies_read.altered[order.altered] = True
    copies_read.moved[order.moved] = True
    copies_read.salvaged[order.salvaged] = True
    if not copy.compared and len(copy.rows):
        copies_read.uncompared[copy.stream] = (*copies_read.uncompared.get(copy.stream, ()), copy.place)
    if order.phantom_count:
        copies_read.phantoms[copy.stream] = copies_read.phantoms.get(copy.stream, ()) + order.phantoms
        copies_read.phantom_counts[copy.stream] = max(
            copies_read.phantom_counts.get(copy.stream, 0), order.phantom_count
        )
    copies_read.clashes[copy.stream] = copies_read.clashes.get(copy.stream, 0) + order.clashes
    if not copy.complete:
        reason = f"{copy.place}: {copy.why_incomplete or 'not read in full'}"
        copies_read.unread[copy.stream] = (*copies_read.unread.get(copy.stream, ()), reason)
    copies_read.read.add(copy.stream)


def _with_repeats(history: History, copy: FinalRead, number: int) -> NDArray[np.int64]:
    """A value written twice stands where it stands last."""
    rows = copy.rows[np.argsort(copy.rows["stream_sequence"], kind="stable")]
    positions = history.rows(np.ascontiguousarray(rows["identity"]), number)
    return positions[positions >= 0]


def _fates(history: History, copies_read: _CopiesRead, removed: Erased, jobs: Jobs) -> NDArray[np.uint8]:
    acknowledged, present = history.acknowledged, copies_read.present
    fate = np.where(present, np.uint8(Fate.INDETERMINATE_PRESENT), np.uint8(Fate.INDETERMINATE_ABSENT))
    fate[acknowledged & present] = Fate.ACKNOWLEDGED_PRESENT
    fate[acknowledged & ~present] = Fate.ACKNOWLEDGED_LOST
    fate[acknowledged & ~present & removed.perhaps] = Fate.ERASED
    wrong = history.purpose == Purpose.WRONG
    fate[wrong & present] = Fate.WRONG_PRESENT
    fate[wrong & ~present] = Fate.WRONG_ABSENT
    for number, stream in enumerate(history.streams):
        if stream.name in copies_read.unread:
            fate[(history.stream == number) & ~present] = Fate.UNREAD
    fate[acknowledged & ~present & copies_read.discarded] = Fate.DISCARDED
    fate[acknowledged & ~present & jobs.done] = Fate.PROCESSED
    return fate


def _of_stream(history: History, marks: Marks, number: int, copies_read: _CopiesRead, jobs: Jobs) -> StreamFindings:
    mine, stream = history.stream == number, history.streams[number]
    counts = np.bincount(marks.fate[mine], minlength=len(Fate) + 1)
    name, altered = stream.name, int(np.count_nonzero(marks.altered & mine))
    given_up = stream.retention in (QUEUE, INTEREST)
    # What a buffer took is sent on by it, later and perhaps again: it was promised neither a place nor to be alone.
    at_once = history.status == Status.STORED
    sent_once = at_once & (history.attempts == 0)
    return StreamFindings(
        stream=name,
        fates={fate: int(counts[fate]) for fate in Fate},
        duplicate=int(np.count_nonzero(marks.duplicated & mine)),
        reordered=int(np.count_nonzero(marks.reordered & mine)),
        resurrected=int(np.count_nonzero(marks.resurrected & mine)),
        phantom=marks.phantom_counts.get(name, 0),
        doubled=int(np.count_nonzero(marks.duplicated & mine & sent_once)),
        disordered=int(np.count_nonzero(marks.reordered & mine & at_once & ~marks.salvaged)),
        out_of_place=int(np.count_nonzero(marks.reordered & mine & at_once & marks.salvaged)),
        altered=0 if stream.objects else altered,
        torn=altered if stream.objects else 0,
        jobs_twice=int(np.count_nonzero(jobs.twice & mine)),
        jobs_never=int(counts[Fate.ACKNOWLEDGED_LOST]) if given_up else 0,
        moved=int(np.count_nonzero(marks.moved & mine)),
        clashes=copies_read.clashes.get(name, 0),
        uncompared=copies_read.uncompared.get(name, ()),
        unread=copies_read.unread.get(name, ()),
    )


def _of_consumer(history: History, copies_read: _CopiesRead, processing: Processing) -> ConsumerFindings:
    number = stream_index(history, processing.stream)
    rows = history.rows(np.ascontiguousarray(processing.rows["identity"]), number)
    known = rows[rows >= 0]
    times = np.bincount(known, minlength=len(history))
    wanted = copies_read.present & (history.stream == number)
    if processing.keys is not None:
        wanted &= np.isin(history.key, np.fromiter(processing.keys, np.uint32))
    wanted &= history.intent_ns >= processing.begins_ns
    all_read = processing.stream not in copies_read.unread
    return ConsumerFindings(
        consumer=processing.consumer,
        stream=processing.stream,
        processed=int(np.count_nonzero(times)),
        processed_twice=int(np.count_nonzero(times > 1)),
        skipped=int(np.count_nonzero(wanted & (times == 0))) if processing.drained else None,
        processed_lost=int(np.count_nonzero((times > 0) & ~copies_read.present)) if all_read else None,
        unknown=len(rows) - len(known),
    )


def _examples(history: History, marks: Marks) -> Mapping[str, tuple[str, ...]]:
    kinds: Sequence[tuple[str, NDArray[np.bool_]]] = (
        ("acknowledged-lost", marks.fate == Fate.ACKNOWLEDGED_LOST),
        ("wrong-present", marks.fate == Fate.WRONG_PRESENT),
        ("duplicate", marks.duplicated),
        ("reordered", marks.reordered),
        ("resurrected", marks.resurrected),
        ("altered", marks.altered),
        ("moved", marks.moved),
    )
    examples = {name: tuple(history.message_ids(np.flatnonzero(mask)[:_MOST_EXAMPLES])) for name, mask in kinds}
    return {name: ids for name, ids in examples.items() if ids}
