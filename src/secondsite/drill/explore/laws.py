"""The laws that hold after every step: what was acknowledged is somewhere, and of each stream one region writes. Pure.

A promise is an acknowledgement that a client got. What a copy holds is told by message ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen


@frozen
class Promise:
    """One acknowledged write: when it was sent, when it was acknowledged, in seconds of one clock."""

    stream: str
    region: str
    message_id: str
    sequence: int
    sent_s: float
    acknowledged_s: float


@frozen
class Breach:
    """A law that did not hold, and where it was seen."""

    law: str
    what: str

    @property
    def text(self) -> str:
        return f"{self.law}: {self.what}"


CONSERVATION, ONE_WRITER, SOMEBODY_WRITES, ENDS = "conservation", "one writer", "somebody writes", "completes"
_SHOWN = 3


def lost(promises: Iterable[Promise], held: Mapping[str, set[str]]) -> list[Promise]:
    """Promises that no copy holds; ``held``: by stream, the ids in all of its copies together."""
    return [one for one in promises if one.message_id not in held.get(one.stream, set())]


def conservation(missing: Sequence[Promise], after: str) -> tuple[Breach, ...]:
    if not missing:
        return ()
    shown = ", ".join(f"{one.stream} {one.sequence} of {one.region}" for one in missing[:_SHOWN])
    return (Breach(CONSERVATION, f"{len(missing)} acknowledged writes are missing everywhere after {after}: {shown}"),)


def overlap(promises: Iterable[Promise], left: str, taken_by: str, since_s: float) -> list[Promise]:
    """What the region that was left took of a stream after the other had begun to; both since a move began."""
    moved = [one for one in promises if one.acknowledged_s >= since_s]
    begun: dict[str, float] = {}
    for one in moved:
        if one.region == taken_by:
            begun[one.stream] = min(one.acknowledged_s, begun.get(one.stream, one.acknowledged_s))
    return [one for one in moved if one.region == left and one.stream in begun and one.sent_s > begun[one.stream]]


def lasted_s(both: Sequence[Promise]) -> float:
    """For how long both sides took writes, from the first of an overlap to its last."""
    times = [one.sent_s for one in both]
    return max(times) - min(times) if times else 0.0


def silence_s(promises: Iterable[Promise], from_s: float, to_s: float) -> float:
    """The longest time within which nobody was acknowledged anything."""
    times = sorted(one.acknowledged_s for one in promises if from_s <= one.acknowledged_s <= to_s)
    ends = [from_s, *times, to_s]
    return max((after - before for before, after in itertools.pairwise(ends)), default=0.0)
