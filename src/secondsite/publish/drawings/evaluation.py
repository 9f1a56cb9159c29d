"""The charts of an evaluation: which numbers are drawn, what they are called, what is left out and why."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from secondsite.evaluate.evaluation import Assessment, Evaluation
from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step
from secondsite.model.wording import dollars, number
from secondsite.publish.content.comparison import ComparedStrategy, by_category, category
from secondsite.publish.content.timeline import Phase, StepBar, phases, timeline
from secondsite.publish.drawings import charts
from secondsite.publish.text.figure import Figure, figure, made_of
from secondsite.publish.text.nonbreaking import duration

_WIDE, _NARROW = 1230, 350


@frozen
class Tradeoff:
    """The same points for wide and for narrow screens; ``left_out`` are strategies without a finite figure."""

    wide: str
    narrow: str
    left_out: tuple[str, ...]


@frozen
class WaterfallStep:
    """A step of the waterfall: its bar over the whole recovery, when it starts and ends; a blocked one does not."""

    step: Step
    phase: Phase
    drawing: str
    duration: Figure
    ends: Figure | None
    critical: bool
    brings_back: tuple[str, ...]


@frozen
class Waterfall:
    """``parts`` are the phases on the critical path of the API; ``limit`` is what its contract allows, if drawn."""

    name: str
    stages: tuple[WaterfallStep, ...]
    parts: Mapping[Phase, Figure]
    strip: str
    total: Figure
    limit: str


@frozen
class Stack:
    row: ComparedStrategy
    drawing: str
    amounts: Mapping[str, Figure]
    total: Figure


def tradeoff(rows: Sequence[ComparedStrategy], provider: str) -> Tradeoff | None:
    """Monthly cost against mean downtime; None when no strategy has both."""
    shown = [row for row in rows if math.isfinite(row.monthly[provider].order) and math.isfinite(row.downtime.order)]
    if not shown:
        return None
    x_name, y_name = f"USD a month, {provider}", "downtime, minutes a year"
    title = f"{len(shown)} strategies by monthly cost and mean downtime; the figures are in the table above"
    return Tradeoff(
        wide=charts.scatter(
            [_point(row, provider, f"{row.number}  {row.id}") for row in shown],
            x_name,
            y_name,
            width=_WIDE,
            gutter=385,
            title=title,
        ),
        narrow=charts.scatter(
            [_point(row, provider, str(row.number)) for row in shown],
            x_name,
            y_name,
            width=_NARROW,
            gutter=44,
            title=title,
        ),
        left_out=tuple(row.id for row in rows if row not in shown),
    )


def _point(row: ComparedStrategy, provider: str, label: str) -> charts.Point:
    cost, downtime = row.monthly[provider], row.downtime
    title = f"{row.id}: {cost.text} a month, {number(downtime.order)} minutes a year"
    return charts.Point(label, cost.order, downtime.order, row.standing, row.front, row.recommended, title)


def waterfall(assessment: Assessment) -> Waterfall | None:
    """The failover of the region at median durations; None where the strategy has no procedure for it."""
    procedure = assessment.procedures.get(Fault.REGION)
    if procedure is None or not procedure.steps:
        return None
    bars = timeline(procedure)
    ends = [bar.end_s for bar in bars if math.isfinite(bar.end_s)]
    span = max(ends, default=0.0) or 1.0
    outcome = assessment.outcome(Subject.API)
    limit_s = outcome.contract.rto_s if outcome else None
    shown_limit = limit_s if limit_s is not None and limit_s <= 2.5 * span else None
    width = max(span, (shown_limit or 0.0) * 1.02)
    parts = {phase: spent for phase, spent in phases(bars).items() if phase is not Phase.AFTERWARDS}
    at = None if shown_limit is None else shown_limit / width
    stages = tuple(
        WaterfallStep(
            step=bar.step,
            phase=bar.phase,
            drawing=charts.bar(_piece(bar.start_s, bar.end_s, width, _kind(bar.phase, bar.critical)), at),
            duration=figure(bar.step.duration),
            ends=None if bar.step.blocked else ended(procedure, bar),
            critical=bar.critical,
            brings_back=tuple(str(subject) for subject in bar.brings_back),
        )
        for bar in bars
    )
    finite = [(_kind(phase, True), spent, str(phase)) for phase, spent in parts.items() if math.isfinite(spent)]
    return Waterfall(
        name=procedure.name,
        stages=stages,
        parts={phase: _spent(spent, (bar for bar in bars if bar.phase is phase)) for phase, spent in parts.items()},
        strip=charts.stacked(finite, sum(spent for _, spent, _ in finite)),
        total=_spent(sum(parts.values()), bars),
        limit="" if shown_limit is None else duration(shown_limit),
    )


def ended(procedure: Procedure, bar: StepBar) -> Figure:
    """When a step is over, at median durations."""
    before = (step.duration for step in procedure.leading_to(bar.step.id))
    shown = "never" if math.isinf(bar.end_s) else duration(bar.end_s)
    return made_of(shown, "the medians of the steps that lead to it", bar.end_s, *before)


def _spent(spent_s: float, bars: Iterable[StepBar]) -> Figure:
    on_path = (bar.step.duration for bar in bars if bar.critical)
    return made_of(duration(spent_s), "the medians of its steps on the path", spent_s, *on_path)


def _kind(phase: Phase, critical: bool) -> str:
    return f"phase-{phase.name.lower().replace('_', '-')}{'' if critical else ' slack'}"


def _piece(start: float, end: float, width: float, kind: str) -> list[charts.Segment]:
    """To the edge where it has no end; nothing where it never starts."""
    if math.isinf(start):
        return []
    last = width if math.isinf(end) else end
    return [charts.Segment(start / width, (last - start) / width, "never" if math.isinf(end) else kind)]


def influences(evaluation: Evaluation) -> tuple[str, ...]:
    """A bar for each influence, over 0 to 1 (or to the largest, where an index exceeds 1)."""
    drawn = evaluation.recommendation.influences
    whole = max([1.0, *(influence.index for influence in drawn)])
    return tuple(charts.stacked([("influence", influence.index, "")], whole) for influence in drawn)


def _items(row: ComparedStrategy, provider: str, kind: str) -> tuple[Estimate, ...]:
    return tuple(one.monthly_usd for one in row.assessment.bills[provider] if category(one.name) == kind)


def stacks(rows: Sequence[ComparedStrategy], provider: str) -> tuple[Stack, ...]:
    """Cheapest first; one scale for all."""
    spent = {row.number: by_category(row.assessment.bills[provider]) for row in rows}
    finite = [sum(parts.values()) for parts in spent.values() if math.isfinite(sum(parts.values()))]
    whole = max(finite, default=1.0)
    return tuple(
        Stack(
            row=row,
            drawing=charts.stacked(
                [
                    (f"cost-{name}", usd, f"{name}: {dollars(usd)}")
                    for name, usd in spent[row.number].items()
                    if math.isfinite(usd)
                ],
                whole,
            ),
            amounts={
                name: made_of(dollars(usd), f"items of the bill for {name}", usd, *_items(row, provider, name))
                for name, usd in spent[row.number].items()
            },
            total=row.monthly[provider],
        )
        for row in sorted(rows, key=lambda row: (row.monthly[provider].order, row.number))
    )
