"""A procedure as a timeline at median durations: when each step starts and ends, and which of them decide the RTO.

Medians do not add up to the median of the sum: the simulated RTO is the figure to quote, the timeline explains it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from secondsite.model.contract import Subject
from secondsite.model.procedure import Procedure, Step, Verb


class Phase(StrEnum):
    """The parts of one RTO clock, and what is done when everything is back."""

    DETECT = "detect"
    DECIDE = "decide"
    EXECUTE = "execute"
    CONVERGE = "converge"
    FIRST_ACK = "first ack"
    AFTERWARDS = "afterwards"


_PHASES = {
    Verb.DETECT: Phase.DETECT,
    Verb.DECIDE: Phase.DECIDE,
    Verb.CONVERGE: Phase.CONVERGE,
    Verb.VERIFY_PATH: Phase.FIRST_ACK,
}


@frozen
class StepBar:
    """``critical``: the subject waits for it. ``brings_back``: subjects that are back when it ends."""

    step: Step
    phase: Phase
    start_s: float
    end_s: float
    critical: bool
    brings_back: tuple[Subject, ...]

    @property
    def length_s(self) -> float:
        return math.inf if math.isinf(self.end_s) else self.end_s - self.start_s


def timeline(procedure: Procedure, subject: Subject = Subject.API) -> tuple[StepBar, ...]:
    """In the procedure's order. A blocked step never ends, and nothing that waits for it starts."""
    times = _times(procedure)
    critical = _critical(procedure, subject, times)
    needed = {step.id for end in procedure.milestones.values() for step in procedure.leading_to(end)}
    return tuple(
        StepBar(
            step=step,
            phase=_PHASES.get(step.verb, Phase.EXECUTE) if step.id in needed else Phase.AFTERWARDS,
            start_s=times[step.id][0],
            end_s=times[step.id][1],
            critical=step.id in critical,
            brings_back=tuple(s for s, end in procedure.milestones.items() if end == step.id),
        )
        for step in procedure.steps
    )


def phases(bars: tuple[StepBar, ...]) -> Mapping[Phase, float]:
    """Seconds of each phase on the critical path."""
    spent = dict.fromkeys(Phase, 0.0)
    for bar in bars:
        if bar.critical:
            spent[bar.phase] += bar.length_s
    return spent


def ends_s(procedure: Procedure, without: Step | None = None) -> Mapping[str, float]:
    """When each step ends, by its id; ``without`` takes no time."""
    return {name: end for name, (_, end) in _times(procedure, without).items()}


def _times(procedure: Procedure, without: Step | None = None) -> dict[str, tuple[float, float]]:
    times: dict[str, tuple[float, float]] = {}
    for step in procedure.steps:
        start = max((times[name][1] for name in step.after if name in times), default=0.0)
        takes = 0.0 if step is without else step.duration.quantile(0.5)
        times[step.id] = (start, math.inf if step.blocked else start + takes)
    return times


def _critical(procedure: Procedure, subject: Subject, times: Mapping[str, tuple[float, float]]) -> set[str]:
    """From the subject's milestone backwards along whatever ended last."""
    critical: set[str] = set()
    name = procedure.milestones.get(subject)
    while name is not None:
        critical.add(name)
        name = max(procedure.step(name).after, key=lambda before: times[before][1], default=None)
    return critical
