"""What one drill looked like from outside, slice by slice: a noun for the report, and its reader from evidence."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

_SLICES = 150
"""As many as a chart can show; a slice is as long as it has to be, and never longer than a second."""


@frozen
class Slice:
    """From ``at_s`` on, on the drill's clock, which is 0 at the fault: writes acknowledged, not acknowledged, lost."""

    at_s: float
    acknowledged: int
    refused: int
    lost: int


@frozen
class TimelineSpan:
    """``end_s`` is None for what has no length, such as the fault."""

    name: str
    begin_s: float
    end_s: float | None = None


@frozen
class DrillTimeline:
    """``slices`` are ``slice_s`` long. ``replaced``: what ran in the place of what the system runs, in words."""

    slices: tuple[Slice, ...]
    moments: tuple[TimelineSpan, ...]
    slice_s: float = 1.0
    replaced: tuple[str, ...] = ()


def read_drill_timeline(folder: Path) -> DrillTimeline:
    """Raises InputError for a folder that no drill wrote, or that was changed."""
    import numpy as np

    from secondsite.drill.check.checker import check
    from secondsite.drill.check.findings import Fate
    from secondsite.drill.evidence.events import Milestone, milestones, step_runs
    from secondsite.drill.evidence.folder import read_evidence
    from secondsite.drill.ledger.finals import read_finals
    from secondsite.drill.ledger.history import read_history
    from secondsite.drill.ledger.record import NEVER

    evidence = read_evidence(folder)
    history = read_history(evidence.ledgers)
    marks = milestones(evidence.events, evidence.manifest)
    fault_ns = marks[Milestone.FAULT]
    lost = check(history, read_finals(evidence.finals)).marks.fate == Fate.ACKNOWLEDGED_LOST
    acknowledged = history.ack_ns != NEVER
    # Writes that were made long before, to be old, are no part of the picture.
    begin_ns = next((event.monotonic_ns for event in evidence.events if event.name == "load"), 0)
    first = int(history.intent_ns[history.intent_ns >= begin_ns].min(initial=fault_ns))
    last = int(history.intent_ns.max(initial=fault_ns))
    size_ns = _slice_ns(last - first)
    low, high = (first - fault_ns) // size_ns, (last - fault_ns) // size_ns
    edges = np.arange(low, high + 2) * size_ns + fault_ns

    def per_slice(times: object, which: object) -> list[int]:
        return [int(count) for count in np.histogram(times[which], edges)[0]]  # type: ignore[index] # arrays of one length

    rows = zip(
        per_slice(history.ack_ns, acknowledged),
        per_slice(history.intent_ns, ~acknowledged),
        per_slice(history.intent_ns, lost),
        strict=True,
    )
    slices = tuple(Slice((low + number) * size_ns / 1e9, *row) for number, row in enumerate(rows))
    steps = tuple(
        TimelineSpan(run.id, (run.begin_ns - fault_ns) / 1e9, (run.end_ns - fault_ns) / 1e9)
        for run in step_runs(evidence.events)
    )
    points = tuple(TimelineSpan(str(mark), (at - fault_ns) / 1e9) for mark, at in marks.items())
    moments = tuple(sorted((*points, *steps), key=lambda one: one.begin_s))
    replaced = (event.data.get("servers_replaced", ()) for event in evidence.events if event.name == "load")
    return DrillTimeline(slices, moments, size_ns / 1e9, tuple(str(line) for line in next(replaced, ())))


def _slice_ns(whole_ns: int) -> int:
    """A quarter, a half or a whole second, whichever gives a readable number of slices."""
    sizes = (250_000_000, 500_000_000)
    return next((size for size in sizes if whole_ns / size <= _SLICES), 10**9)
