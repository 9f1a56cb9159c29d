"""A drill drawn: its RTO as a waterfall of phases, and its writes second by second with steps, fault and losses."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import frozen

from secondsite.model.measurement import RTO_PARTS, Measurement
from secondsite.publish.content.drill_timeline import DrillTimeline, TimelineSpan
from secondsite.publish.drawings import charts
from secondsite.publish.text.nonbreaking import duration, percent

_KINDS = dict(zip(RTO_PARTS, ("detect", "decide", "execute", "converge", "first-ack", "afterwards"), strict=True))
_MEANS = {
    "detect": "fault to alarm",
    "decide": "alarm to declaration",
    "execute": "declaration to changed record",
    "converge": "until clients have moved",
    "first_ack": "to the first acknowledged write",
    "sustained": "until as much is acknowledged as before",
}
_FAR = 8.0
"""A limit up to so many times the RTO is drawn in its place; a longer axis would hide the phases."""
_EDGE = 0.998
_ROW = 15
_HEIGHT, _WIDE, _LEFT = 190, 1000, 46


@frozen
class PhaseBar:
    """One phase of the RTO: how long it took, when it was over, and its bar at its place in the whole."""

    name: str
    means: str
    kind: str
    took: str
    over: str
    drawing: str


@frozen
class RtoWaterfall:
    """``limit`` says what the line in each bar is; at the right edge, where the limit is out of all proportion."""

    bars: tuple[PhaseBar, ...]
    limit: str


def rto_waterfall(one: Measurement, limit_s: float | None) -> RtoWaterfall | None:
    """Phases one after another on one scale, with the limit as a line; None where the service did not come back."""
    if one.rto_s is None:
        return None
    total = one.rto_s["total"]
    near = limit_s is not None and limit_s <= _FAR * total
    whole = max(total, limit_s if near and limit_s is not None else 0.0) * 1.02 or 1.0
    line = None if limit_s is None else limit_s / whole if near else _EDGE
    bars, start = [], 0.0
    for part in (name for name in RTO_PARTS if name in one.rto_s):
        end = start + one.rto_s[part]
        piece = charts.Segment(start / whole, (end - start) / whole, f"phase-{_KINDS[part]}")
        bars.append(
            PhaseBar(
                name=part.replace("_", " "),
                means=_MEANS[part],
                kind=_KINDS[part],
                took=duration(one.rto_s[part]),
                over=duration(end),
                drawing=charts.bar([piece], line),
            )
        )
        start = end
    return RtoWaterfall(tuple(bars), _limit_text(one, total, limit_s, near=near))


def _limit_text(one: Measurement, total: float, limit_s: float | None, *, near: bool) -> str:
    if limit_s is None:
        return f"No RTO is promised for {one.about}/{one.fault}."
    used = f"Dashed line: the {duration(limit_s)} that {one.about}/{one.fault} allows, {percent(total / limit_s)} used"
    return f"{used}." if near else f"{used}; it lies beyond the edge of the chart."


def timeline_chart(timeline: DrillTimeline) -> str:
    """Acknowledged writes over time, those refused and those lost; above them, milestones and steps in their time."""
    steps = [moment for moment in timeline.moments if moment.end_s is not None]
    rows = [*steps, *_lost(timeline), *(moment for moment in timeline.moments if moment.end_s is None)]
    ends = [one.at_s + timeline.slice_s for one in timeline.slices] + [one.end_s or 0.0 for one in steps]
    low, high = min([one.at_s for one in timeline.slices] + [0.0]), max([*ends, 1.0])
    top = 30 + _ROW * len(rows)
    height = top + _HEIGHT + 40
    most = max([(one.acknowledged + one.refused) / timeline.slice_s for one in timeline.slices] + [1.0])
    x = charts.Scale(low, high, _LEFT, _WIDE - 10, False)
    y = charts.Scale(0.0, most * 1.05, top + _HEIGHT, top, False)
    svg = Element("svg", {"class": "timeline", "viewBox": f"0 0 {_WIDE} {height}", "role": "img"})
    svg.set("aria-label", _description(timeline, low, high))
    _axes(svg, x, y, top, height)
    for one in timeline.slices:
        rates = [count / timeline.slice_s for count in (one.acknowledged, one.refused, one.lost)]
        span = (one.at_s, one.at_s + timeline.slice_s)
        _column(svg, span, 0.0, rates[0], "acked", x, y)
        _column(svg, span, rates[0], rates[1], "refused", x, y)
        _column(svg, span, 0.0, rates[2], "lost", x, y)
    for number, moment in enumerate(rows):
        _moment(svg, moment, x, 16 + _ROW * number, top)
    return tostring(svg, encoding="unicode")


def _lost(timeline: DrillTimeline) -> list[TimelineSpan]:
    """When writes were acknowledged that are nowhere, as a milestone: their columns may be too low to be seen."""
    lost = [one for one in timeline.slices if one.lost]
    return [TimelineSpan(f"{sum(one.lost for one in lost):,} lost", lost[0].at_s)] if lost else []


def _description(timeline: DrillTimeline, low: float, high: float) -> str:
    acknowledged, refused, lost = (
        sum(getattr(one, kind) for one in timeline.slices) for kind in ("acknowledged", "refused", "lost")
    )
    return (
        f"writes a second from {low:g} s to {high:.0f} s around the fault: {acknowledged:,} acknowledged, "
        f"{refused:,} not acknowledged, {lost:,} acknowledged and lost; milestones and steps are in the table below"
    )


def _moment(svg: Element, moment: TimelineSpan, x: charts.Scale, line: int, top: float) -> None:
    """A milestone as a line through the plot, a step as a bar; each on a row of its own, its name beside it."""
    start, end = x.px(moment.begin_s), x.px(moment.begin_s if moment.end_s is None else moment.end_s)
    if moment.end_s is None:
        kind = "fault" if moment.name == "fault" else "gone" if moment.name.endswith(" lost") else "milestone"
        at = f"{start:.1f}"
        SubElement(svg, "line", {"class": kind, "x1": at, "x2": at, "y1": f"{line - 8}", "y2": f"{top + _HEIGHT}"})
    else:
        where = {"class": "step", "x": f"{start:.1f}", "y": f"{line - 8}", "height": "9", "rx": "2"}
        SubElement(svg, "rect", {**where, "width": f"{max(end - start, 2):.1f}"})
    beside = (end + 6, "start") if end < _WIDE * 0.7 else (start - 6, "end")
    _label(svg, "tick" if moment.end_s is not None else "tick point", *beside, line, moment.name)


def _axes(svg: Element, x: charts.Scale, y: charts.Scale, top: float, height: float) -> None:
    for tick in x.ticks(10):
        _label(svg, "tick", x.px(tick), "middle", top + _HEIGHT + 15, f"{tick:g}")
    for tick in y.ticks(4):
        at = f"{y.px(tick):.1f}"
        SubElement(svg, "line", {"class": "grid", "x1": str(_LEFT), "x2": str(_WIDE - 10), "y1": at, "y2": at})
        _label(svg, "tick", _LEFT - 6, "end", y.px(tick) + 4, f"{tick:,g}")
    _label(svg, "axis", _WIDE / 2, "middle", height - 6, "seconds since the fault; writes a second")


def _column(
    svg: Element, span: tuple[float, float], below: float, rate: float, kind: str, x: charts.Scale, y: charts.Scale
) -> None:
    if rate <= 0:
        return
    left, right = x.px(span[0]), x.px(span[1])
    upper, lower = y.px(below + rate), y.px(below)
    shape = {"x": f"{left:.1f}", "y": f"{upper:.1f}", "width": f"{max(right - left - 0.4, 0.6):.1f}"}
    SubElement(svg, "rect", {"class": kind, **shape, "height": f"{max(lower - upper, 1):.1f}"})


def _label(svg: Element, kind: str, x: float, anchor: str, y: float, shown: str) -> None:
    where = {"class": kind, "x": f"{x:.1f}", "y": f"{y:g}", "text-anchor": anchor}
    SubElement(svg, "text", where).text = shown
