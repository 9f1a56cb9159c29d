"""When whoever is on duty saw the service again: by what the Prometheus of the other region answered, second by second.

Two things count: the alert that the region is gone fires there, and writes that the other region's API acknowledged are
counted there, more than at the fault. An alert that fired before the loss tells nothing by firing after it.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from secondsite.drill.evidence.events import EventName, TimelineEvent


@frozen
class MonitoringSample:
    """``writes``: acknowledged by the other region's API so far, None where its Prometheus has no such series."""

    at_ns: int
    writes: float | None
    firing: bool


@frozen
class Visibility:
    """``back_ns`` is None where it never was; ``why`` says what was missing. ``blind``: nothing can be said at all."""

    back_ns: int | None
    why: str = ""
    blind: bool = False


def samples(events: Iterable[TimelineEvent]) -> tuple[MonitoringSample, ...]:
    """Those that were answered."""
    answered = [event for event in events if event.name == EventName.MONITORED and "firing" in event.data]
    return tuple(
        MonitoringSample(each.monotonic_ns, each.data.get("writes"), bool(each.data["firing"])) for each in answered
    )


def visibility(every: tuple[MonitoringSample, ...], fault_ns: int) -> Visibility:
    before = [each for each in every if each.at_ns <= fault_ns]
    after = [each for each in every if each.at_ns > fault_ns]
    if not before:
        return Visibility(None, "its Prometheus was not queried before the fault", blind=True)
    if any(each.firing for each in before):
        return Visibility(None, "the alert fired before the region was lost, and so proves nothing", blind=True)
    begun = max((each.writes for each in before if each.writes is not None), default=0.0)
    counted = next((each.at_ns for each in after if each.writes is not None and each.writes > begun), None)
    alerted = next((each.at_ns for each in after if each.firing), None)
    if counted is not None and alerted is not None:
        return Visibility(max(counted, alerted))
    missing = [
        *(["it counts no acknowledged writes"] if counted is None else []),
        *(["no alert says that the region is gone"] if alerted is None else []),
    ]
    return Visibility(None, " and ".join(missing))
