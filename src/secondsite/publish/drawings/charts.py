"""Charts as inline SVG, from plain numbers to text: no script, no font, no request, the same bytes each time.

Colours are classes that the page's style sheet fills in, so one drawing serves light, dark and paper. Text is
set by the XML writer, which escapes it. Bars are as wide as their cell; a scatter is drawn for a width in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import frozen

_BAR_HEIGHT = 14
_LOG_FROM = 8.0


@frozen
class Segment:
    """A piece of a bar; ``start`` and ``length`` are shares of its width."""

    start: float
    length: float
    kind: str
    title: str = ""


@frozen
class Point:
    """``kind``: holds, breaches or excluded (its shape); ``front`` fills it, ``chosen`` rings it."""

    label: str
    x: float
    y: float
    kind: str
    front: bool
    chosen: bool
    title: str


@frozen
class Scale:
    """From values to pixels; logarithmic where values spread over a factor of eight or more."""

    low: float
    high: float
    start_px: float
    end_px: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float], start_px: float, end_px: float) -> Scale:
        low, high = min(values), max(values)
        logarithmic = low > 0 and high / low >= _LOG_FROM
        if logarithmic:
            return cls(low / 1.15, high * 1.15, start_px, end_px, True)
        margin = (high - low or abs(high) or 1.0) * 0.08
        return cls(max(0.0, low - margin) if low >= 0 else low - margin, high + margin, start_px, end_px, False)

    def px(self, value: float) -> float:
        share = self._scaled(value) - self._scaled(self.low)
        whole = self._scaled(self.high) - self._scaled(self.low)
        return self.start_px + (self.end_px - self.start_px) * share / whole

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value

    def ticks(self, wanted: int = 5) -> tuple[float, ...]:
        """Round values within the axis."""
        return self._decades(wanted) if self.logarithmic else self._steps(wanted)

    def _decades(self, wanted: int) -> tuple[float, ...]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for digits in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            marks = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
            inside = tuple(value for value in marks if self.low <= value <= self.high)
            if len(inside) <= wanted + 2:
                return inside
        return inside[:: math.ceil(len(inside) / (wanted + 2))]

    def _steps(self, wanted: int) -> tuple[float, ...]:
        rough = (self.high - self.low) / wanted
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * digit for digit in (1, 2, 5, 10) if size * digit >= rough)
        first = math.ceil(self.low / step)
        return tuple(index * step for index in range(first, math.floor(self.high / step) + 1))


def bar(segments: Sequence[Segment], limit: float | None = None) -> str:
    """One bar over the full width; ``limit`` is a share of the width at which a line stands."""
    svg = Element("svg", {"class": "bar", "width": "100%", "height": str(_BAR_HEIGHT), "aria-hidden": "true"})
    SubElement(svg, "rect", {"class": "track", "width": "100%", "height": str(_BAR_HEIGHT), "rx": "2"})
    for segment in segments:
        piece = SubElement(
            svg,
            "rect",
            {
                "class": f"piece {segment.kind}",
                "x": _percent(segment.start),
                "y": "2",
                "width": _percent(max(segment.length, 0.002)),
                "height": str(_BAR_HEIGHT - 4),
            },
        )
        if segment.title:
            SubElement(piece, "title").text = segment.title
    if limit is not None:
        at = _percent(limit)
        SubElement(svg, "line", {"class": "limit", "x1": at, "x2": at, "y1": "0", "y2": str(_BAR_HEIGHT)})
    return tostring(svg, encoding="unicode")


def stacked(parts: Sequence[tuple[str, float, str]], whole: float) -> str:
    """Pieces one after another, as (kind, amount, title), on a bar whose full width is ``whole``."""
    segments: list[Segment] = []
    start = 0.0
    for kind, amount, title in parts:
        length = amount / whole if whole else 0.0
        if length > 0:
            segments.append(Segment(start, length, kind, title))
        start += length
    return bar(segments)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> tuple[float, ...]:
    """Near where each is ``wanted`` (ascending), at least ``gap`` apart, between ``low`` and ``high`` if they fit."""
    placed: list[float] = []
    for value in wanted:
        placed.append(max(value, placed[-1] + gap if placed else low))
    ceiling = high
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gap
    return tuple(placed)


def scatter(points: Sequence[Point], x_name: str, y_name: str, *, width: int, gutter: int, title: str) -> str:
    """Labels stand in a gutter on the right, each led to its point, so that crowded points stay readable."""
    gap = 18
    height = max(360, gap * len(points) + 90)
    x = Scale.over([p.x for p in points], 46.0, width - gutter - 16.0)
    y = Scale.over([p.y for p in points], height - 48.0, 14.0)
    svg = Element(
        "svg",
        {
            "class": "scatter",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
            "aria-label": title,
        },
    )
    _grid(svg, x, y, width - gutter, height)
    _axis_names(svg, f"{x_name}{_scale(x)}", f"{y_name}{_scale(y)}", width - gutter, height)
    ordered = sorted(points, key=lambda p: (y.px(p.y), x.px(p.x), p.label))
    rows = spread([y.px(p.y) for p in ordered], gap, 14.0, height - 48.0)
    ends = [(x.px(point.x), y.px(point.y)) for point in ordered]
    for point, row in zip(ordered, uncrossed(ends, rows, width - gutter - 4.0), strict=True):
        _leader(svg, point, x.px(point.x), y.px(point.y), width - gutter, row)
    for point in ordered:
        _marker(svg, point, x.px(point.x), y.px(point.y))
    return tostring(svg, encoding="unicode")


def uncrossed(points: Sequence[tuple[float, float]], rows: Sequence[float], x: float) -> tuple[float, ...]:
    """The same rows, dealt out anew so that no line from a point to its row at ``x`` crosses another.

    Two lines that cross are longer together than the two that lead the other way, so this ends.
    """
    dealt = list(rows)
    changed = True
    while changed:
        changed = False
        for one, other in combinations(range(len(points)), 2):
            now = _length(points[one], dealt[one], x) + _length(points[other], dealt[other], x)
            then = _length(points[one], dealt[other], x) + _length(points[other], dealt[one], x)
            if then < now - 1e-9:
                dealt[one], dealt[other] = dealt[other], dealt[one]
                changed = True
    return tuple(dealt)


def _length(point: tuple[float, float], row: float, x: float) -> float:
    return math.hypot(x - point[0], row - point[1])


def marker(kind: str, *, front: bool, chosen: bool) -> str:
    """A marker alone, for legends and lists."""
    svg = Element("svg", {"class": "key", "viewBox": "-10 -10 20 20", "width": "20", "height": "20"})
    svg.set("aria-hidden", "true")
    _marker(svg, Point("", 0, 0, kind, front, chosen, ""), 0, 0)
    return tostring(svg, encoding="unicode")


def _grid(svg: Element, x: Scale, y: Scale, right: float, height: int) -> None:
    for tick in x.ticks(4 if right < 500 else 6):
        at = _px(x.px(tick))
        SubElement(svg, "line", {"class": "grid", "x1": at, "x2": at, "y1": "8", "y2": str(height - 42)})
        _text(svg, f"{tick:,g}", x.px(tick), height - 27, "tick", "middle")
    for tick in y.ticks():
        at = _px(y.px(tick))
        SubElement(svg, "line", {"class": "grid", "x1": "42", "x2": _px(right - 8), "y1": at, "y2": at})
        _text(svg, f"{tick:,g}", 38, y.px(tick) + 4, "tick", "end")


def _axis_names(svg: Element, x_name: str, y_name: str, right: float, height: int) -> None:
    _text(svg, x_name, (46 + right) / 2, height - 8, "axis", "middle")
    middle = (height - 40) / 2
    _text(svg, y_name, 11, middle, "axis", "middle").set("transform", f"rotate(-90 11 {_px(middle)})")


def _scale(axis: Scale) -> str:
    return " (log)" if axis.logarithmic else ""


def _leader(svg: Element, point: Point, x: float, y: float, gutter_x: float, row: float) -> None:
    path = f"M{_px(x)} {_px(y)} L{_px(gutter_x - 4)} {_px(row)} H{_px(gutter_x + 4)}"
    emphasis = " chosen" if point.chosen else ""
    SubElement(svg, "path", {"class": f"leader{emphasis}", "d": path})
    _text(svg, point.label, gutter_x + 8, row + 4, f"label{emphasis}{' front' if point.front else ''}", "start")


def _marker(svg: Element, point: Point, x: float, y: float) -> None:
    group = SubElement(svg, "g", {"class": f"marker {point.kind}{' front' if point.front else ''}"})
    group.set("transform", f"translate({_px(x)} {_px(y)})")
    if point.title:
        SubElement(group, "title").text = point.title
    if point.chosen:
        SubElement(group, "circle", {"class": "ring", "r": "9"})
    if point.kind == "holds":
        SubElement(group, "circle", {"r": "5"})
    elif point.kind == "breaches":
        SubElement(group, "path", {"d": "M0 -6 L6 5 H-6 Z"})
    else:
        SubElement(group, "path", {"class": "cross", "d": "M-5 -5 L5 5 M5 -5 L-5 5"})


def _text(svg: Element, text: str, x: float, y: float, kind: str, anchor: str) -> Element:
    element = SubElement(svg, "text", {"class": kind, "x": _px(x), "y": _px(y), "text-anchor": anchor})
    element.text = text
    return element


def _percent(share: float) -> str:
    return f"{100 * share:.3f}%"


def _px(value: float) -> str:
    return f"{value:.1f}"
