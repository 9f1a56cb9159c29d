"""Charts as SVG files that documents show: each carries its own style, for light and dark, and loads nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from attrs import frozen

from secondsite.evaluate.evaluation import Assessment
from secondsite.model.fault import Fault
from secondsite.model.wording import dollars, number
from secondsite.publish.content.comparison import ComparedStrategy
from secondsite.publish.content.timeline import Phase, timeline
from secondsite.publish.drawings import charts
from secondsite.publish.drawings.evaluation import ended, tradeoff
from secondsite.publish.drawings.tornado import AssumptionBar, TornadoDrawing
from secondsite.publish.text.markdown import plain

_STYLE = """
svg{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;background:#fff;--ink:#1b1f24;--faint:#6b7280;
--line:#e1e4e8;--holds:#0f766e;--breaches:#b45309;--excluded:#b91c1c;--bar:#2563eb;--soft:#93b4f5;--alt:#0f766e;--high:#c2570c}
@media (prefers-color-scheme:dark){svg{background:#0d1117;--ink:#e6edf3;--faint:#9198a1;--line:#30363d;
--holds:#2dd4bf;--breaches:#f59e0b;--excluded:#f87171;--bar:#60a5fa;--soft:#2b4a80;--alt:#2dd4bf;--high:#f59e0b}}
text{fill:var(--ink);font-size:12px}.tick,.axis{fill:var(--faint)}.tick{font-size:11px}
.grid{stroke:var(--line)}.leader{fill:none;stroke:var(--line)}.leader.chosen{stroke:var(--ink)}.label{fill:var(--faint)}
.label.front,.label.chosen{fill:var(--ink)}.label.chosen{font-weight:700}
.marker *{fill:none;stroke-width:2}.marker.holds *{stroke:var(--holds)}.marker.breaches *{stroke:var(--breaches)}
.marker.excluded *{stroke:var(--excluded)}.marker.holds.front>:not(.ring){fill:var(--holds)}
.marker.breaches.front>:not(.ring){fill:var(--breaches)}.marker .ring{stroke:var(--ink)}
.bar{fill:var(--bar)}.slack{fill:var(--soft)}.alt{fill:var(--alt)}.value{fill:var(--faint)}
.low-end{fill:var(--bar)}.high-end{fill:var(--high)}.base{stroke:var(--ink);stroke-dasharray:3 2}
.limit{stroke:var(--excluded);stroke-width:2;stroke-dasharray:5 3}.limit-text{fill:var(--excluded)}
"""
_WIDTH, _LABELS, _VALUES, _ROW = 900, 340, 110, 22
_LETTERS = 48


@frozen
class Span:
    """A bar in a row of its own. ``kind``: bar, slack or alt."""

    name: str
    start: float
    length: float
    shown: str
    kind: str = "bar"


def pareto(rows: Sequence[ComparedStrategy], provider: str) -> str:
    """Monthly cost against downtime; empty when no strategy has both."""
    drawn = tradeoff(rows, provider)
    return "" if drawn is None else standing(drawn.wide)


def effort(rows: Sequence[ComparedStrategy]) -> str:
    """Upkeep against expected loss: what complexity costs, and what it buys."""
    points = [_point(row) for row in rows]
    shown = [point for point in points if math.isfinite(point.x) and math.isfinite(point.y)]
    if not shown:
        return ""
    title = f"{len(shown)} strategies by upkeep and expected loss"
    names = ("upkeep, hours a month", "expected loss, thousand USD a year")
    return standing(charts.scatter(shown, *names, width=1230, gutter=385, title=title))


def _point(row: ComparedStrategy) -> charts.Point:
    assessment = row.assessment
    hours, loss = assessment.complexity.hours_per_month.mean, assessment.expected_loss_usd.mean
    caption = f"{row.id}: {number(hours)} hours a month, {dollars(loss)} a year"
    return charts.Point(
        f"{row.number}  {row.id}", hours, loss / 1000, row.standing, row.front, row.recommended, caption
    )


def recovery(assessment: Assessment, limit_s: float | None) -> str:
    """The failover of the region in time, at median durations; empty where nothing can be drawn."""
    procedure = assessment.procedures.get(Fault.REGION)
    if procedure is None:
        return ""
    bars = [bar for bar in timeline(procedure) if math.isfinite(bar.end_s)]
    spans = [
        Span(
            bar.step.title,
            bar.start_s,
            bar.length_s,
            ended(procedure, bar).looks,
            "alt" if bar.phase is Phase.AFTERWARDS else "bar" if bar.critical else "slack",
        )
        for bar in bars
    ]
    end = max((span.start + span.length for span in spans), default=0.0)
    shown = limit_s if limit_s is not None and limit_s <= 2.5 * end else None
    return spans_chart(spans, "seconds since the fault", limit=shown, limit_name="RTO limit of the API")


def tornado_chart(shown: TornadoDrawing) -> str:
    """Bars on both sides of what owning costs as taken; each row ends with the range that was tried."""
    ranges, top = 250, 14
    height = _ROW * len(shown.bars) + top + 52
    axis = charts.Scale(shown.low_usd, shown.high_usd, _LABELS, _WIDTH + 160 - ranges, False)
    svg = Element("svg", {"viewBox": f"0 0 {_WIDTH + 160} {height}", "width": str(_WIDTH + 160), "height": str(height)})
    svg.set("role", "img")
    SubElement(svg, "title").text = f"yearly cost of owning: {len(shown.bars)} assumptions, each from low to high"
    for tick in axis.ticks():
        _line(svg, "grid", axis.px(tick), top, height - 40)
        _text(svg, "tick", axis.px(tick), height - 26, f"${tick:,.0f}", "middle")
    name = "USD a year to own; blue: low end of the range, orange: high end"
    _text(svg, "axis", (axis.start_px + axis.end_px) / 2, height - 8, name, "middle")
    base = axis.start_px + (axis.end_px - axis.start_px) * shown.base
    for index, bar in enumerate(shown.bars):
        _swing(svg, bar, axis, base, top + 6 + _ROW * index)
    _line(svg, "base", base, top - 2, height - 40)
    _text(svg, "value", base, 10, f"~{shown.owning} as taken", "middle")
    return standing(tostring(svg, encoding="unicode"))


def _swing(svg: Element, bar: AssumptionBar, axis: charts.Scale, base: float, top: float) -> None:
    ends = [("low-end", bar.at_low), ("high-end", bar.at_high)]
    for kind, share in sorted(
        ends, key=lambda end: -abs(axis.start_px + (axis.end_px - axis.start_px) * end[1] - base)
    ):
        at = axis.start_px + (axis.end_px - axis.start_px) * share
        left, size = min(at, base), max(abs(at - base), 1.0)
        where = {"x": f"{left:.1f}", "y": f"{top:g}", "width": f"{size:.1f}", "height": "14"}
        SubElement(svg, "rect", {"class": kind, **where})
    _text(svg, "name", _LABELS - 10, top + 11, _shortened(bar.name), "end")
    _text(svg, "value", axis.end_px + 10, top + 11, _shortened(bar.between, 38), "start")


def spans_chart(spans: Sequence[Span], x_name: str, *, limit: float | None = None, limit_name: str = "") -> str:
    """Bars below one another on one axis from zero, their value at the right; empty where there is nothing to draw."""
    whole = max([*(span.start + span.length for span in spans), limit or 0.0], default=0.0)
    if whole <= 0:
        return ""
    height = _ROW * len(spans) + 52
    axis = charts.Scale(0.0, whole * 1.03, _LABELS, _WIDTH - _VALUES, False)
    svg = Element("svg", {"viewBox": f"0 0 {_WIDTH} {height}", "width": str(_WIDTH), "height": str(height)})
    svg.set("role", "img")
    SubElement(svg, "title").text = f"{len(spans)} bars, {x_name}"
    for tick in axis.ticks():
        _line(svg, "grid", axis.px(tick), 6, height - 40)
        _text(svg, "tick", axis.px(tick), height - 26, f"{tick:,g}", "middle")
    _text(svg, "axis", (_LABELS + _WIDTH - _VALUES) / 2, height - 8, x_name, "middle")
    for number_, span in enumerate(spans):
        _span(svg, span, axis, 10 + _ROW * number_)
    if limit is not None:
        _line(svg, "limit", axis.px(limit), 2, height - 40)
        _text(svg, "limit-text", axis.px(limit) - 6, height - 46, limit_name, "end")
    return standing(tostring(svg, encoding="unicode"))


def _span(svg: Element, span: Span, axis: charts.Scale, top: float) -> None:
    start = axis.px(span.start)
    size = max(axis.px(span.start + span.length) - start, 1.5)
    shape = {
        "class": span.kind,
        "x": f"{start:.1f}",
        "y": f"{top:g}",
        "width": f"{size:.1f}",
        "height": "14",
        "rx": "2",
    }
    SubElement(svg, "rect", shape)
    _text(svg, "name", _LABELS - 10, top + 11, _shortened(span.name), "end")
    _text(svg, "value", _WIDTH - _VALUES + 8, top + 11, span.shown, "start")


def _shortened(name: str, letters: int = _LETTERS) -> str:
    shown = plain(name)
    return shown if len(shown) <= letters else f"{shown[: letters - 1]}…"


def _line(svg: Element, kind: str, x: float, top: float, bottom: float) -> None:
    SubElement(svg, "line", {"class": kind, "x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{top:g}", "y2": f"{bottom:g}"})


def _text(svg: Element, kind: str, x: float, y: float, shown: str, anchor: str) -> None:
    where = {"class": kind, "x": f"{x:.1f}", "y": f"{y:g}", "text-anchor": anchor}
    SubElement(svg, "text", where).text = shown


def standing(drawing: str) -> str:
    """An inline drawing as a file of its own."""
    svg = fromstring(drawing)  # noqa: S314 # drawn here, by the XML writer
    svg.set("xmlns", "http://www.w3.org/2000/svg")
    style = Element("style")
    style.text = _STYLE
    svg.insert(0, style)
    return tostring(svg, encoding="unicode") + "\n"
