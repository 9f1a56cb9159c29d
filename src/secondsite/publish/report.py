"""What the report shows beside the evaluation: contracts, drills and where everything runs, before any markup."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import frozen

from secondsite.model.errors import SecondsiteError
from secondsite.model.measurement import RTO_PARTS, Measurement
from secondsite.publish import charts
from secondsite.publish.board import Standing, board
from secondsite.publish.documents.contracts import versions_told
from secondsite.publish.drill_timeline import DrillTimeline, Moment
from secondsite.publish.figure import Figure, duration, figure, percent
from secondsite.publish.inputs import Inputs
from secondsite.publish.topology import topology

ReadTimeline = Callable[[Path], DrillTimeline]
_KINDS = dict(zip(RTO_PARTS, ("detect", "decide", "execute", "converge", "first-ack", "afterwards"), strict=True))
_HEIGHT, _WIDE, _LEFT = 190, 1000, 46


@frozen
class BoardRow:
    """``verdict`` is met, breached or unproven; ``note`` says until when, or why not."""

    name: str
    rto_limit: str
    rto: Figure
    rpo_limit: str
    rpo: Figure
    chance: str
    measured: str
    verdict: str
    note: str
    command: str
    owner: str


@frozen
class DrillShown:
    """One drill of one strategy; ``parts`` are name, duration, drawing class. ``timeline`` is an SVG, or empty."""

    title: str
    told: str
    verdicts: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str, str], ...]
    strip: str
    total: str
    why: str
    loss: str
    timeline: str
    moments: tuple[tuple[str, str, str], ...]
    missing: str


@frozen
class Report:
    rows: tuple[BoardRow, ...]
    drills: tuple[DrillShown, ...]
    command: str
    before: str
    after: str


def report(inputs: Inputs, read: ReadTimeline | None = None) -> Report:
    """``read`` gets the evidence folder of a drill; a folder that cannot be read is named, not hidden."""
    rows = tuple(_row(standing) for standing in board(inputs))
    return Report(
        rows=rows,
        drills=tuple(_drill(group, read) for group in _grouped(inputs.measurements)),
        command=next((row.command for row in rows if row.command), "secondsite drill region-loss"),
        before=topology(inputs.evaluation.assessments[0].deployment, "today"),
        after=topology(inputs.chosen.deployment, inputs.chosen.strategy.id),
    )


def _row(standing: Standing) -> BoardRow:
    outcome, contract, measured = standing.outcome, standing.contract, standing.measured
    until = f"counts until {standing.until.isoformat()}" if standing.until and not standing.stale else ""
    return BoardRow(
        name=contract.name,
        rto_limit="" if contract.rto_s is None else duration(contract.rto_s),
        rto=figure(outcome.rto),
        rpo_limit="" if contract.rpo_s is None else duration(contract.rpo_s),
        rpo=figure(outcome.rpo),
        chance=percent(outcome.probability_met or 0.0),
        measured="never" if measured is None else told(measured),
        verdict=str(standing.verdict),
        note=f"stale: {standing.stale}" if standing.stale else until or standing.expectation,
        command=standing.command,
        owner=contract.owner,
    )


def told(one: Measurement) -> str:
    """``RTO 2 min 11 s, RPO 41 ms, 7 messages``."""
    parts = [f"RTO {duration(one.rto_s['total'])}" if one.rto_s else "RTO unbounded"]
    if one.loss is not None:
        parts.append(f"RPO {duration(one.loss.seconds)}, {one.loss.messages:,} messages")
    return ", ".join(parts) + (", projected" if one.projected else "")


def _grouped(measurements: Sequence[Measurement]) -> list[list[Measurement]]:
    """By the drill that they were measured in, the newest first."""
    found: dict[tuple[str, str, str, str], list[Measurement]] = {}
    for one in measurements:
        found.setdefault((one.at, one.drill, one.strategy, one.evidence), []).append(one)
    return [found[key] for key in sorted(found, reverse=True)]


def _drill(group: Sequence[Measurement], read: ReadTimeline | None) -> DrillShown:
    longest = max(group, key=lambda one: one.rto_s["total"] if one.rto_s else -1.0)
    seen, missing = _timeline(longest, read)
    runs = f"{longest.runs} run{'s' if longest.runs != 1 else ''}"
    how = f"{longest.at[:10]}, {longest.profile}, {runs}, seed {longest.seed}; {versions_told(longest)}"
    scaled = "; RTO projected to the strategy's own intervals, the timeline is as it ran" if longest.projected else ""
    return DrillShown(
        title=f"{longest.drill}, {longest.strategy}",
        told=f"{how}; {longest.evidence}{scaled}",
        verdicts=tuple((f"{one.subject}/{one.fault}", str(one.verdict)) for one in group),
        parts=_parts(longest.rto_s),
        strip=_strip(longest.rto_s),
        total=duration(longest.rto_s["total"]) if longest.rto_s else "unbounded",
        why=longest.why,
        loss="" if longest.loss is None else told(longest).partition(", ")[2],
        timeline="" if seen is None else timeline_chart(seen),
        moments=() if seen is None else tuple(_moment(one) for one in seen.moments),
        missing=missing,
    )


def _timeline(one: Measurement, read: ReadTimeline | None) -> tuple[DrillTimeline | None, str]:
    if read is None:
        return None, "no evidence folder was read for this page"
    try:
        return read(Path(one.evidence)), ""
    except SecondsiteError as error:
        return None, str(error)


def _parts(parts: Mapping[str, float] | None) -> tuple[tuple[str, str, str], ...]:
    known = parts or {}
    return tuple(
        (part.replace("_", " "), duration(known[part]), kind) for part, kind in _KINDS.items() if part in known
    )


def _strip(parts: Mapping[str, float] | None) -> str:
    if not parts:
        return ""
    found = [(kind, name, parts[name]) for name, kind in _KINDS.items() if name in parts]
    pieces = [(f"phase-{kind}", spent, f"{name}: {duration(spent)}") for kind, name, spent in found]
    return charts.stacked(pieces, sum(amount for _, amount, _ in pieces))


def _moment(one: Moment) -> tuple[str, str, str]:
    took = "" if one.end_s is None else duration(max(0.0, one.end_s - one.begin_s))
    return one.name, _clock(one.begin_s), took


def _clock(seconds: float) -> str:
    return f"{'−' if seconds < 0 else '+'}{duration(abs(seconds))}"


def timeline_chart(seen: DrillTimeline) -> str:
    """Acknowledged writes each second, those refused and those lost, with the steps of the procedure above them."""
    steps = [moment for moment in seen.moments if moment.end_s is not None]
    ends = [second.at_s + 1 for second in seen.seconds] + [math.ceil(one.end_s or 0.0) for one in steps]
    low, high = min([second.at_s for second in seen.seconds] + [0]), max([*ends, 1])
    top = 22 + 15 * len(steps)
    height = top + _HEIGHT + 40
    most = max([second.acknowledged + second.refused for second in seen.seconds] + [1])
    x = charts.Axis(low, high, _LEFT, _WIDE - 10, False)
    y = charts.Axis(0.0, most * 1.05, top + _HEIGHT, top, False)
    svg = Element("svg", {"class": "timeline", "viewBox": f"0 0 {_WIDE} {height}", "role": "img"})
    svg.set("aria-label", f"writes a second from {low} s to {high} s around the fault; steps are in the table below")
    _axes(svg, x, y, top, height)
    for second in seen.seconds:
        _column(svg, second.at_s, 0, second.acknowledged, "acked", x, y)
        _column(svg, second.at_s, second.acknowledged, second.refused, "refused", x, y)
        _column(svg, second.at_s, 0, second.lost, "lost", x, y)
    for number, step in enumerate(steps):
        start, end = x.px(step.begin_s), x.px(step.end_s or step.begin_s)
        where = {"class": "step", "x": f"{start:.1f}", "y": f"{8 + 15 * number}", "height": "9", "rx": "2"}
        SubElement(svg, "rect", {**where, "width": f"{max(end - start, 2):.1f}"})
        beside = (end + 6, "start") if end < _WIDE * 0.7 else (start - 6, "end")
        _label(svg, "tick", *beside, 16 + 15 * number, step.name)
    at = f"{x.px(0):.1f}"
    SubElement(svg, "line", {"class": "fault", "x1": at, "x2": at, "y1": "2", "y2": f"{top + _HEIGHT}"})
    return tostring(svg, encoding="unicode")


def _axes(svg: Element, x: charts.Axis, y: charts.Axis, top: float, height: float) -> None:
    for tick in x.ticks(10):
        _label(svg, "tick", x.px(tick), "middle", top + _HEIGHT + 15, f"{tick:g}")
    for tick in y.ticks(4):
        at = f"{y.px(tick):.1f}"
        SubElement(svg, "line", {"class": "grid", "x1": str(_LEFT), "x2": str(_WIDE - 10), "y1": at, "y2": at})
        _label(svg, "tick", _LEFT - 6, "end", y.px(tick) + 4, f"{tick:,g}")
    _label(svg, "axis", _WIDE / 2, "middle", height - 6, "seconds since the fault; writes a second upwards")


def _column(svg: Element, at_s: int, below: int, count: int, kind: str, x: charts.Axis, y: charts.Axis) -> None:
    if count <= 0:
        return
    left, right = x.px(at_s), x.px(at_s + 1)
    upper, lower = y.px(below + count), y.px(below)
    shape = {"x": f"{left:.1f}", "y": f"{upper:.1f}", "width": f"{max(right - left - 0.4, 0.6):.1f}"}
    SubElement(svg, "rect", {"class": kind, **shape, "height": f"{max(lower - upper, 1):.1f}"})


def _label(svg: Element, kind: str, x: float, anchor: str, y: float, shown: str) -> None:
    where = {"class": kind, "x": f"{x:.1f}", "y": f"{y:g}", "text-anchor": anchor}
    SubElement(svg, "text", where).text = shown
