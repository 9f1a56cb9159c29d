"""What one drill looked like from outside, second by second: a noun for the report, and its reader from evidence."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen


@frozen
class Second:
    """Of the drill's clock, which is 0 at the fault: writes acknowledged, not acknowledged, and later not found."""

    at_s: int
    acknowledged: int
    refused: int
    lost: int


@frozen
class Moment:
    """``end_s`` is None for what has no length, such as the fault."""

    name: str
    begin_s: float
    end_s: float | None = None


@frozen
class DrillTimeline:
    seconds: tuple[Second, ...]
    moments: tuple[Moment, ...]


def read_drill_timeline(folder: Path) -> DrillTimeline:
    """Raises InputError for a folder that no drill wrote, or that was changed."""
    import numpy as np

    from secondsite.drill.checker import check
    from secondsite.drill.events import milestones, step_runs
    from secondsite.drill.evidence import read_evidence
    from secondsite.drill.finals import read_finals
    from secondsite.drill.findings import Fate
    from secondsite.drill.history import read_history
    from secondsite.drill.record import NEVER
    from secondsite.drill.rto import Milestone

    evidence = read_evidence(folder)
    history = read_history(evidence.ledgers)
    marks = milestones(evidence.events, evidence.manifest)
    fault_ns = marks[Milestone.FAULT]
    lost = check(history, read_finals(evidence.finals)).marks.fate == Fate.ACKNOWLEDGED_LOST
    acknowledged = history.ack_ns != NEVER
    first, last = int(history.intent_ns.min(initial=fault_ns)), int(history.intent_ns.max(initial=fault_ns))
    low, high = (first - fault_ns) // 10**9, (last - fault_ns) // 10**9
    edges = np.arange(low, high + 2) * 10**9 + fault_ns

    def per_second(times: object, which: object) -> list[int]:
        return [int(count) for count in np.histogram(times[which], edges)[0]]  # type: ignore[index] # arrays of one length

    rows = zip(
        per_second(history.ack_ns, acknowledged),
        per_second(history.intent_ns, ~acknowledged),
        per_second(history.intent_ns, lost),
        strict=True,
    )
    seconds = tuple(Second(low + number, *row) for number, row in enumerate(rows))
    steps = tuple(
        Moment(run.id, (run.begin_ns - fault_ns) / 1e9, (run.end_ns - fault_ns) / 1e9)
        for run in step_runs(evidence.events)
    )
    points = tuple(Moment(str(mark), (at - fault_ns) / 1e9) for mark, at in marks.items())
    return DrillTimeline(seconds, tuple(sorted((*points, *steps), key=lambda one: one.begin_s)))
