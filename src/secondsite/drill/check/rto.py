"""RTO as the client saw it: one clock from the fault to sustained traffic, always in its parts.

The ends of the clock are the clients': the first write that was sent after the fault and acknowledged by the new
side, and the beginning of the stretch in which as much was acknowledged as before. What the operator's timeline
says lies between; a milestone that it noted after the clients were served already is counted up to that moment
only. So no part is negative, and the parts add up to the total.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import NEVER
from secondsite.model.errors import InputError

_SECOND_NS = 1_000_000_000


@frozen
class Sustained:
    """What counts as back: ``share`` of the rate before the fault over ``window_s``.

    The rate before is the mean over the ``before_s`` before the fault.
    """

    share: float = 0.95
    window_s: int = 5
    before_s: float = 10.0


@frozen
class Rto:
    """Seconds; None from the first part on that never ended. ``total`` is the sum of the parts, exactly.

    ``unbounded`` says what did not happen, and is empty where all did.
    """

    detect: float | None
    decide: float | None
    execute: float | None
    converge: float | None
    first_ack: float | None
    sustained: float | None
    total: float | None
    unbounded: str = ""

    def parts(self) -> dict[str, float | None]:
        """Under the names of ``--json``."""
        names = ("detect", "decide", "execute", "converge", "first_ack", "sustained", "total")
        return {name: getattr(self, name) for name in names}


UNKNOWN_RTO = Rto(None, None, None, None, None, None, None, "the check crashed")


def of_the_service(history: History) -> History:
    """Without what clients of their own put into object stores and databases: no service acknowledged that."""
    objects = [number for number, stream in enumerate(history.streams) if stream.objects or stream.store]
    apart = np.isin(history.stream, objects)
    return history if not objects or apart.all() else evolve(history, ack_ns=np.where(apart, NEVER, history.ack_ns))


def rto(
    timeline: Mapping[Milestone, int],
    history: History,
    new_side: Sequence[str] = (),
    rule: Sustained = Sustained(),
) -> Rto:
    """``timeline``: monotonic ns of each milestone; any but the fault may be missing, and its part is then zero.

    ``new_side``: networks of the endpoints that traffic was moved to, such as ``127.2.0.0/24``; none for any.
    Raises InputError for a timeline without a fault, or without load before it.
    """
    if Milestone.FAULT not in timeline:
        raise InputError.at("timeline", "it records no fault", "the drill ended before its fault: run it again")
    fault_ns, history = timeline[Milestone.FAULT], of_the_service(history)
    before_per_s = rate_before(history, fault_ns, rule)
    first_ns = first_acknowledged(history, fault_ns, new_side)
    back_ns = None if first_ns is None else sustained_from(history, first_ns, before_per_s, rule)
    marks = [fault_ns, *_milestones(timeline, fault_ns), first_ns, back_ns]
    clipped = _clipped(marks)
    parts = [
        None if end is None or start is None else (end - start) / 1e9 for start, end in itertools.pairwise(clipped)
    ]
    detect, decide, execute, converge, first_ack, sustained = parts
    total = None if back_ns is None else sum(part for part in parts if part is not None)
    why = ""
    if first_ns is None:
        why = "no write was acknowledged by the new side after the fault"
    elif back_ns is None:
        why = f"never again {rule.share:.0%} of {before_per_s:.0f} acknowledged writes a second for {rule.window_s} s"
    return Rto(detect, decide, execute, converge, first_ack, sustained, total, why)


def rate_before(history: History, fault_ns: int, rule: Sustained) -> float:
    """Acknowledged writes a second before the fault."""
    earliest_ns = fault_ns - round(rule.before_s * _SECOND_NS)
    # Some writes may have been made long before the load, to be old enough.
    begin_ns = int(history.intent_ns[history.intent_ns >= earliest_ns].min(initial=fault_ns))
    count = np.count_nonzero((history.ack_ns >= begin_ns) & (history.ack_ns < fault_ns))
    if not count or begin_ns >= fault_ns:
        raise InputError.at("ledger", "no write was acknowledged before the fault", "run the load before the fault")
    return float(count) * _SECOND_NS / (fault_ns - begin_ns)


def first_acknowledged(history: History, fault_ns: int, new_side: Sequence[str]) -> int | None:
    """When the first write that was sent after the fault was acknowledged by the new side; None for never."""
    acknowledged = (history.intent_ns > fault_ns) & (history.ack_ns != NEVER) & reached(history.endpoint, new_side)
    return int(history.ack_ns[acknowledged].min()) if acknowledged.any() else None


def sustained_from(history: History, first_ns: int, before_per_s: float, rule: Sustained) -> int | None:
    """The earliest moment from ``first_ns`` on, to 0.1 s, that begins a window at the rate; None for never.

    No second counts for more than the rate before, so that a burst of retries does not hide a lasting lack.
    """
    acks_ns = history.ack_ns[(history.ack_ns >= first_ns) & (history.ack_ns != NEVER)]
    step_ns = _SECOND_NS // 10
    bins = np.bincount((acks_ns - first_ns) // step_ns)
    if len(bins) < rule.window_s * 10:
        return None
    a_second = np.minimum(np.convolve(bins, np.ones(10, np.int64), "valid"), before_per_s)
    seconds = np.zeros(rule.window_s * 10 - 9)
    seconds[::10] = 1
    good = np.convolve(a_second, seconds, "valid") >= rule.share * before_per_s * rule.window_s
    return first_ns + int(np.argmax(good)) * step_ns if good.any() else None


def reached(endpoints: NDArray[np.uint32], networks: Sequence[str]) -> NDArray[np.bool_]:
    """Which endpoints lie in one of the networks; all of them where none is named."""
    if not networks:
        return np.ones(len(endpoints), bool)
    inside = np.zeros(len(endpoints), bool)
    for text in networks:
        network = ipaddress.IPv4Network(text)
        mask = np.uint32(int(network.netmask))
        inside |= (endpoints & mask) == np.uint32(int(network.network_address))
    return inside


def _milestones(timeline: Mapping[Milestone, int], fault_ns: int) -> list[int]:
    """Those between fault and first write, each at its predecessor where it is missing or was noted before it."""
    marks, latest = [], fault_ns
    for milestone in list(Milestone)[1:]:
        latest = max(latest, timeline.get(milestone, latest))
        marks.append(latest)
    return marks


def _clipped(marks: Sequence[int | None]) -> list[int | None]:
    """No mark after a later one."""
    clipped: list[int | None] = []
    least: int | None = None
    for mark in reversed(marks):
        least = mark if least is None or (mark is not None and mark < least) else least
        clipped.append(None if mark is None else least)
    return clipped[::-1]
