"""The report's own sections, in a real browser: contracts, architecture and drills, with and without evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import attrs
import pytest
from browser import Browser
from reported import BREACHED, PARTS, SEEN, drilled, read

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.contract import Subject, Verdict
from secondsite.model.measurement import DataLoss
from secondsite.publish.content.drill_timeline import DrillTimeline, Slice, TimelineSpan
from secondsite.publish.content.inputs import Inputs, StoreVerdict
from secondsite.publish.drawings.drill import rto_waterfall, timeline_chart
from secondsite.publish.page.evaluation import render_html
from secondsite.publish.page.report import report

pytestmark = pytest.mark.slow

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]


@pytest.fixture(scope="module")
def none(evaluation: Evaluation) -> Inputs:
    return Inputs(evaluation, (), (), date(2026, 11, 23))


@pytest.fixture(scope="module")
def some(none: Inputs) -> Inputs:
    return attrs.evolve(none, measurements=(drilled(), BREACHED))


def drawn(svg: str) -> Element:
    return fromstring(svg)  # noqa: S314 # drawn by the code under test


def page(inputs: Inputs) -> str:
    return render_html(inputs.evaluation, report(inputs, read))


def test_without_evidence_the_page_says_unproven_and_names_the_command(none: Inputs) -> None:
    found = page(none)
    assert "Unproven: no drill has left evidence." in found
    assert (
        "<code>secondsite drill region-loss --strategy warm-standby/leafnode-mirror/failover-record --runs 22</code>"
        in found
    )
    assert "verdict met" not in found


def test_what_a_drill_has_shown_is_said_first(none: Inputs, some: Inputs) -> None:
    """The tiles and the notice above them tell what the board tells, not what was expected."""
    promised = len(report(some, read).rows)
    first = page(some).partition('id="contracts"')[0]
    assert first.count('class="verdict met"') == 1
    assert "met</span> of a design, in the lab" in first, "never met of what runs today"
    assert f"{promised - 1} of {promised} contracts are unproven." in first
    assert "Every contract is unproven." in page(none)


def test_each_drill_is_shown_with_its_verdict_parts_and_origin(some: Inputs) -> None:
    shown = report(some, read)
    assert [drill.title for drill in shown.drills] == [
        "region-loss, warm-standby/supercluster-mirror",
        "region-loss, warm-standby/leafnode-mirror/failover-record",
    ]
    refuted, held = shown.drills
    assert refuted.verdicts == (("nats/region", "breached"),)
    assert (refuted.total, refuted.why, refuted.waterfall) == ("RTO unbounded", "503/10008: no meta leader", None)
    assert "is not an evidence folder" in refuted.missing
    assert held.waterfall is not None
    assert held.total == "RTO 2\u00a0min\u00a014\u00a0s"
    assert held.origin == "of a design, in the lab; 2026-11-20, quick, 1 run, seed 11; nats-server 2.15.1; evidence/one"
    assert held.moments[1] == ("promote-streams", "+51\u00a0s", "10\u00a0ms")
    rows = {row.name: (row.verdict, row.scope, row.note) for row in shown.rows}
    assert rows["api/region"] == ("met", "of a design, in the lab", "counts until 2026-12-25")
    assert rows["nats/region"] == ("unproven", "", "expected to hold"), "the other strategy's drill says nothing of it"


def _given(seen: DrillTimeline, _folder: Path) -> DrillTimeline:
    return seen


def test_what_ran_in_the_place_of_something_else_is_said_beside_the_drill(some: Inputs) -> None:
    instead = "PostgreSQL 15 of orders is not installed (apt-get install postgresql-15): 18.6 is used instead"
    for lines, there in (((), 0), ((instead,), 2)):
        seen = attrs.evolve(SEEN, replaced=lines)
        found = render_html(some.evaluation, report(some, partial(_given, seen)))
        assert found.count(f"In the lab: {instead}.") == there


def test_a_store_that_ran_alone_stands_beneath_its_contract(none: Inputs) -> None:
    (whole,) = (one.contract for one in none.chosen.outcomes if one.contract.subject is Subject.STATE)
    one = attrs.evolve(whole, part="orders-db")
    ran = drilled(subject=Subject.STATE, part=one.part, loss=DataLoss(2, 512, 0.0613))
    proven = StoreVerdict(one, ran.strategy, Verdict.MET, "", ran)
    stale = attrs.evolve(proven, verdict=Verdict.UNPROVEN, why="stale: older than its shelf life of 35 days")
    for store, said in ((proven, "2 commits, 512 bytes"), (stale, "stale: older than its shelf life of 35 days")):
        found = page(attrs.evolve(none, stores=(store,))).replace("\u00a0", " ")
        beneath = found.partition("orders-db ")[2].partition("</td>")[0]
        assert f'class="verdict {store.verdict}"' in beneath
        assert said in beneath
        assert ("of a design, in the lab" in beneath) is (store is proven)


def test_the_waterfall_puts_each_phase_after_the_one_before_and_the_limit_in_its_place() -> None:
    found = rto_waterfall(drilled(), 300.0)
    assert found is not None
    assert [bar.name for bar in found.bars] == ["detect", "decide", "execute", "converge", "first ack", "sustained"]
    assert "the 5\u00a0min that api/region allows, 44.7\u00a0% used." in found.limit
    edge = 0.0
    for bar, spent in zip(found.bars, PARTS.values(), strict=True):
        svg = drawn(bar.drawing)
        (piece,) = [rect for rect in svg.iter("rect") if "piece" in rect.attrib["class"]]
        start, width = (float(piece.attrib[name].rstrip("%")) for name in ("x", "width"))
        assert start == pytest.approx(edge, abs=0.01)
        assert width == pytest.approx(max(spent / 306 * 100, 0.2), abs=0.01)
        edge += spent / 306 * 100
        (line,) = svg.iter("line")
        assert float(line.attrib["x1"].rstrip("%")) == pytest.approx(300 / 306 * 100, abs=0.01)


def test_a_limit_out_of_all_proportion_stands_at_the_edge_and_says_so() -> None:
    found = rto_waterfall(drilled(), 86_400.0)
    assert found is not None
    assert "beyond the edge of the chart" in found.limit
    assert next(drawn(found.bars[0].drawing).iter("line")).attrib["x1"] == "99.800%"
    unlimited = rto_waterfall(drilled(), None)
    assert unlimited is not None
    assert not list(drawn(unlimited.bars[0].drawing).iter("line"))
    assert rto_waterfall(BREACHED, 300.0) is None


def test_short_slices_are_drawn_as_rates() -> None:
    quarters = DrillTimeline(tuple(Slice(at / 4, 25, 0, 0) for at in range(8)), (), 0.25)
    seconds = DrillTimeline(tuple(Slice(at, 100, 0, 0) for at in range(2)), ())
    tops = [{rect.attrib["y"] for rect in drawn(timeline_chart(one)).iter("rect")} for one in (quarters, seconds)]
    assert tops[0] == tops[1]


def test_the_timeline_draws_what_was_acknowledged_refused_and_lost() -> None:
    svg = drawn(timeline_chart(SEEN))
    heights: dict[str, float] = {}
    for rect in svg.iter("rect"):
        kind = rect.attrib["class"]
        heights[kind] = heights.get(kind, 0.0) + float(rect.attrib["height"])
    acknowledged = sum(second.acknowledged for second in SEEN.slices)
    refused = sum(second.refused for second in SEEN.slices)
    assert heights["acked"] / heights["refused"] == pytest.approx(acknowledged / refused, rel=0.01)
    assert heights["lost"] / heights["acked"] == pytest.approx(7 / acknowledged, rel=0.05)


@pytest.mark.parametrize(
    "seen", [DrillTimeline((), ()), DrillTimeline((Slice(0, 0, 0, 0),), (TimelineSpan("fault", 0),))]
)
def test_a_timeline_of_nothing_is_drawn_as_nothing(seen: DrillTimeline) -> None:
    assert not list(drawn(timeline_chart(seen)).iter("rect"))


def test_the_drawing_of_the_recommendation_holds_both_regions(none: Inputs) -> None:
    after = "".join(drawn(report(none).after).itertext())
    assert "us-east-1" in after
    assert "us-west-2" in after
    assert "2 mirrors" in after
    assert "us-west-2" not in "".join(drawn(report(none).before).itertext())


@pytest.mark.parametrize(("width", "dark"), [(320, False), (390, True), (768, False), (1280, True), (1600, False)])
def test_the_page_fits_and_asks_for_nothing(
    browser: Browser, some: Inputs, tmp_path: Path, width: int, dark: bool
) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(some), encoding="utf-8")
    browser.show(width=width, dark=dark)
    browser.console()  # what it complained of for other tests is not of this page
    browser.open(path.as_uri())
    assert browser.console() == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    for section in ("contracts", "architecture", "drills"):
        assert browser.run("return document.getElementById(arguments[0]).getBoundingClientRect().height > 80", section)
    unnamed = browser.run(
        "return [...document.querySelectorAll('svg[role=img]')].filter(s => !s.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
    headings = browser.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_hostile_names_do_not_come_alive(
    browser: Browser, evaluation: Evaluation, rename: Rename, tmp_path: Path
) -> None:
    bite = "<script>document.title='bitten'</script><img src=x onerror=\"document.title='bitten'\">"
    hostile = rename(evaluation, lambda text: text + bite)
    one = attrs.evolve(BREACHED, drill=f"x{bite}", why=bite, evidence=f"y{bite}", versions={bite: bite})
    path = tmp_path / "report.html"
    path.write_text(page(Inputs(hostile, (), (one,), date(2026, 11, 23))), encoding="utf-8")
    browser.open(path.as_uri())
    assert "bitten" not in browser.run("return document.title").replace(bite, "")
    assert browser.run("return document.querySelectorAll('img, main script').length") == 0
    assert re.search("Refused|Content Security", " ".join(browser.console())) is None
