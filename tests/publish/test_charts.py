"""Charts: scales, labels, markup."""

from __future__ import annotations

from itertools import combinations, pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secondsite.publish.drawings.charts import Point, Scale, Segment, bar, marker, scatter, spread, stacked, uncrossed

VALUES = st.lists(st.floats(0, 1e9).map(lambda v: round(v, 3)), min_size=1, max_size=20)


@given(VALUES)
def test_every_value_falls_within_its_axis(values: list[float]) -> None:
    axis = Scale.over(values, 50, 650)
    assert all(50 <= axis.px(value) <= 650 for value in values)
    placed = [axis.px(value) for value in sorted(values)]
    assert placed == sorted(placed)


@given(VALUES)
@example([0.001, 1e9])
def test_ticks_stand_within_the_axis_and_are_not_too_many(values: list[float]) -> None:
    axis = Scale.over(values, 50, 650)
    ticks = axis.ticks()
    assert len(ticks) <= 8
    assert all(axis.low - 1e-9 <= tick <= axis.high * (1 + 1e-9) for tick in ticks)


@pytest.mark.parametrize(("values", "logarithmic"), [([15, 198], True), ([522, 1838], False), ([0, 500], False)])
def test_a_wide_spread_of_positive_values_is_logarithmic(values: list[float], logarithmic: bool) -> None:
    assert Scale.over(values, 0, 100).logarithmic is logarithmic


@given(st.lists(st.floats(0, 300), max_size=17))
def test_labels_keep_their_order_and_distance(wanted: list[float]) -> None:
    placed = spread(sorted(wanted), 18, 0, 306)
    assert all(b - a >= 18 - 1e-6 for a, b in pairwise(placed))
    assert all(-1e-6 <= value <= 306 for value in placed)


def test_labels_that_do_not_collide_stay_where_they_are() -> None:
    assert spread([10, 50, 200], 18, 0, 306) == (10, 50, 200)


def parse(svg: str) -> Element:
    return ElementTree.fromstring(svg)  # noqa: S314 # drawn here


def points(count: int, label: str = "strategy") -> list[Point]:
    kinds = ("holds", "breaches", "excluded")
    return [Point(f"{label} {i}", 500 + i, 20 + i, kinds[i % 3], i == 0, i == 1, f"title {i}") for i in range(count)]


def texts(svg: Element) -> list[str]:
    return [element.text or "" for element in svg.iter("text")]


PLACES = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 300)), min_size=2, max_size=20, unique=True)


@given(PLACES)
@example([(10, 100), (400, 110), (200, 50), (300, 290)])
def test_no_leader_crosses_another(places: list[tuple[int, int]]) -> None:
    ends = sorted(((float(x), float(y)) for x, y in places), key=lambda end: (end[1], end[0]))
    rows = spread([y for _, y in ends], 18.0, 0.0, 400.0)
    dealt = uncrossed(ends, rows, 520.0)
    assert sorted(dealt) == sorted(rows)
    lines = [(end, (520.0, row)) for end, row in zip(ends, dealt, strict=True)]
    assert not [(one, other) for one, other in combinations(lines, 2) if _cross(*one, *other)]


def _cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]) -> bool:
    """Whether the two pieces of a line meet within both."""

    def side(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < -1e-3 and side(c, d, a) * side(c, d, b) < -1e-3


def test_a_scatter_labels_every_point_and_says_what_it_is() -> None:
    svg = parse(scatter(points(9), "USD", "minutes", width=900, gutter=200, title="nine points"))
    assert {f"strategy {i}" for i in range(9)} <= set(texts(svg))
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "nine points")


def test_standing_is_told_by_shape_and_not_by_colour_alone() -> None:
    def shape(kind: str) -> list[tuple[str, str | None]]:
        return [(element.tag, element.get("d")) for element in parse(marker(kind, front=False, chosen=False)).iter()]

    assert len({str(shape(kind)) for kind in ("holds", "breaches", "excluded")}) == 3
    assert marker("holds", front=False, chosen=True).count("circle") == 2


def test_a_single_point_is_drawn() -> None:
    assert "strategy 0" in texts(parse(scatter(points(1), "x", "y", width=350, gutter=40, title="one")))


def test_labels_are_text_whatever_they_hold() -> None:
    drawn = scatter(points(1, '</text><script>"&'), "x", "y", width=350, gutter=40, title='"><b>')
    assert '</text><script>"& 0' in texts(parse(drawn))


def test_a_bar_has_its_pieces_and_its_limit() -> None:
    svg = parse(bar([Segment(0.25, 0.5, "phase-detect", "detect")], limit=0.9))
    piece, line = svg.findall("rect")[1], svg.find("line")
    assert (piece.get("x"), piece.get("width"), piece.findtext("title")) == ("25.000%", "50.000%", "detect")
    assert line is not None
    assert line.get("x1") == "90.000%"


def test_stacked_pieces_follow_each_other_and_leave_out_nothing_but_zeroes() -> None:
    svg = parse(stacked([("a", 30, "a"), ("b", 0, "b"), ("c", 50, "c")], 100))
    assert [(p.findtext("title"), p.get("x"), p.get("width")) for p in svg.findall("rect")[1:]] == [
        ("a", "0.000%", "30.000%"),
        ("c", "30.000%", "50.000%"),
    ]
