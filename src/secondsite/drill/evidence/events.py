"""The timeline of an evidence folder, read: when steps began and ended, which milestones were reached, what stopped it.

The milestones of the RTO clock are events of their own, or follow from the ends of the procedure's steps. Only the
monotonic clock is compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.model.errors import InputError
from secondsite.model.procedure import Verb
from secondsite.operate.journal import EntryKind, JournalEntry, StepState


class Milestone(StrEnum):
    """The events that a drill's timeline notes, in their order."""

    FAULT = "fault"
    DETECTED = "detected"
    DECIDED = "decided"
    EXECUTED = "executed"
    CONVERGED = "converged"


class EventName(StrEnum):
    """Events beside the milestones. ``stopped``: the procedure cannot go on, ``why`` says what refused it."""

    STEP_BEGIN = "step-begin"
    STEP_END = "step-end"
    LOST_AGAIN = "lost-again"
    STOPPED = "stopped"
    OBSERVATION = "observation"
    MONITORED = "monitored"
    NOT_REHEARSED = "not-rehearsed"
    CACHE_LOST = "cache-lost"


@frozen
class TimelineEvent:
    """``data`` is what else the event said; steps have ``step``, and their ends ``state`` and ``why``."""

    name: str
    monotonic_ns: int
    wall_ns: int
    data: Mapping[str, Any] = field(factory=dict)

    def line(self) -> str:
        body = {"monotonic_ns": self.monotonic_ns, "wall_ns": self.wall_ns, "event": self.name, **self.data}
        return json.dumps(body) + "\n"


@frozen
class StepRun:
    """A step that ended well: from its first beginning, interruptions included, to its end."""

    id: str
    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.begin_ns) / 1e9


def read_events(path: Path) -> tuple[TimelineEvent, ...]:
    """In the order of the clock; raises InputError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise InputError.at(str(path), f"cannot be read: {error}", "give the folder of a finished drill") from None
    events = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(_event(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            what = "this line is not an event"
            raise InputError.at(f"{path}:{number}", what, "the file was changed; run the drill again") from None
    return tuple(sorted(events, key=lambda event: event.monotonic_ns))


def _event(plain: dict[str, Any]) -> TimelineEvent:
    name, monotonic_ns, wall_ns = str(plain.pop("event")), plain.pop("monotonic_ns"), plain.pop("wall_ns")
    return TimelineEvent(name, int(monotonic_ns), int(wall_ns), plain)


def journal_events(entries: Iterable[JournalEntry]) -> tuple[TimelineEvent, ...]:
    """The beginnings and ends of steps that a controller on this machine wrote down."""
    events = []
    for entry in entries:
        if entry.kind not in (EntryKind.INTENT, EntryKind.OUTCOME):
            continue
        data: dict[str, Any] = {"step": entry.step}
        if entry.kind is EntryKind.OUTCOME:
            data["state"] = str(entry.data["state"])
            if why := entry.data.get("why"):
                data["why"] = str(why)
        name = EventName.STEP_BEGIN if entry.kind is EntryKind.INTENT else EventName.STEP_END
        events.append(TimelineEvent(name, round(entry.monotonic * 1e9), round(entry.wall * 1e9), data))
    return tuple(events)


def milestones(events: Sequence[TimelineEvent], manifest: DrillManifest) -> dict[Milestone, int]:
    """Monotonic ns; an event of its own goes before the end of the step that brings it about."""
    ends = {run.id: run.end_ns for run in step_runs(events)}
    derived = {
        Milestone.DETECTED: manifest.step_of(Verb.DETECT),
        Milestone.DECIDED: manifest.step_of(Verb.DECIDE),
        Milestone.EXECUTED: manifest.step_of(Verb.CHANGE_TRAFFIC),
        Milestone.CONVERGED: manifest.step_of(Verb.CONVERGE),
    }
    times = {milestone: ends[step] for milestone, step in derived.items() if step in ends}
    noted = {event.name: event.monotonic_ns for event in reversed(events)}
    return times | {milestone: noted[milestone] for milestone in Milestone if milestone in noted}


def step_runs(events: Sequence[TimelineEvent]) -> tuple[StepRun, ...]:
    begins: dict[str, int] = {}
    runs: dict[str, StepRun] = {}
    for event in events:
        step = str(event.data.get("step", ""))
        if event.name == EventName.STEP_BEGIN:
            begins.setdefault(step, event.monotonic_ns)
        elif event.name == EventName.STEP_END and event.data.get("state") == StepState.DONE and step in begins:
            runs[step] = StepRun(step, begins[step], event.monotonic_ns)
    return tuple(runs.values())


def stopped(events: Sequence[TimelineEvent]) -> str:
    """Why the procedure did not complete, in the words of what refused it; empty where it did not stop."""
    for event in reversed(events):
        if event.name == EventName.STOPPED:
            return str(event.data.get("why", "the procedure stopped"))
    done = {run.id for run in step_runs(events)}
    for event in reversed(events):
        step = str(event.data.get("step", ""))
        if event.name == EventName.STEP_END and event.data.get("state") == StepState.FAILED and step not in done:
            return f"{step}: {event.data.get('why') or 'failed'}"
    return ""
