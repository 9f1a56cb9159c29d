"""What a drill is there to show beside its contracts, as the timeline keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.drill.evidence.events import EventName, TimelineEvent

_OF_A_CACHE = ("keys", "before", "again", "seconds")


@frozen
class Observation:
    """Whether it was shown; None for what is neither right nor wrong, or ``unproven``."""

    what: str
    holds: bool | None
    unproven: bool = False


def lost_caches(events: Iterable[TimelineEvent]) -> dict[str, Mapping[str, Any]]:
    """What was counted of each, by its store."""
    noted = [event.data for event in events if event.name == EventName.CACHE_LOST]
    return {str(data["store"]): {name: data.get(name) for name in _OF_A_CACHE} for data in noted}


def observations(events: Iterable[TimelineEvent]) -> tuple[Observation, ...]:
    return tuple(
        Observation(str(event.data.get("what", "")), event.data.get("holds"), bool(event.data.get("unproven")))
        for event in events
        if event.name == EventName.OBSERVATION
    )


def not_rehearsed(events: Iterable[TimelineEvent]) -> tuple[str, ...]:
    """Steps that the lab has nothing for: they were carried out by nobody."""
    steps_named = (event.data.get("steps", ()) for event in events if event.name == EventName.NOT_REHEARSED)
    return tuple(dict.fromkeys(str(step) for steps in steps_named for step in steps))
