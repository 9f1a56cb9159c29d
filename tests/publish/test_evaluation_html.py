"""The page of an evaluation: what it says, that it stays text, offline and the same."""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import define, evolve, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondsite.evaluate.bill import CostItem
from secondsite.evaluate.evaluation import Assessment, Evaluation, RunnerUp
from secondsite.model.contract import Verdict
from secondsite.model.estimate import Estimate, Fixed, Provenance, unbounded
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.place import Place
from secondsite.model.wording import number, percent
from secondsite.publish.content.comparison import (
    NumberedSources,
    bill_lines,
    by_category,
    category,
)
from secondsite.publish.content.confidence import firm_words, firmness
from secondsite.publish.page.evaluation import render_html

pytestmark = pytest.mark.slow

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]
Found = list[tuple[str, dict[str, str]]]


@define
class Page(HTMLParser):
    """Elements with their attributes in document order, and the text outside style and script."""

    elements: Found = field(factory=list)
    spoken: list[str] = field(factory=list)
    inside: str = ""

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("style", "script"):
            self.spoken.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.spoken).replace("\u00a0", " ").split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def parse(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


@pytest.fixture(scope="module")
def html(evaluation: Evaluation) -> str:
    return render_html(evaluation)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return parse(html)


def test_the_headline_says_what_to_run_and_what_it_buys(page: Page, evaluation: Evaluation) -> None:
    chosen = evaluation.recommended
    cost = (
        f"${chosen.provider_usd['aws'].mean:,.0f} to aws and {number(chosen.people_hours.mean)} hours of people's time"
    )
    assert f"Recommended: {chosen.strategy.id}" in page.text
    assert "if us-east-1 is lost, the API is expected back in" in page.text
    assert f"for {cost} a month." in page.text
    assert f"{percent(evaluation.recommendation.stability)} of simulations".replace("\u00a0", " ") in page.text


def test_every_contract_strategy_step_and_need_is_there(page: Page, evaluation: Evaluation) -> None:
    rows = [a for a in page.all("th") if "data-order" in a]
    assert len(rows) == len(evaluation.assessments)
    chosen = evaluation.recommended
    for outcome in chosen.outcomes:
        assert outcome.contract.name in page.text
    for need in chosen.deployment.requirements:
        assert need.what.replace("`", "") in page.text
        assert need.without.replace("`", "") in page.text
    for procedure in chosen.procedures.values():
        for step in procedure.steps:
            assert step.title in page.text
    for influence in evaluation.recommendation.influences:
        assert influence.settle in page.text
    for step_of_way in evaluation.recommendation.migration:
        assert step_of_way.name in page.text


def test_every_source_of_a_price_is_listed_and_led_to(page: Page, evaluation: Evaluation) -> None:
    listed = {a["id"] for a in page.all("li") if a.get("id", "").startswith("source-")}
    led_to = {a["href"].removeprefix("#") for a in page.all("a") if a.get("class") == "ref"}
    assert led_to == listed
    sources = {item.source for a in evaluation.assessments for bill in a.bills.values() for item in bill}
    assert len(listed) == len(sources)
    assert all(source in page.text for source in sources)


def test_nothing_is_called_met_before_a_drill(page: Page) -> None:
    verdicts = {a["class"] for a in page.all("span") if a.get("class", "").startswith("verdict")}
    assert verdicts == {"verdict breached", "verdict unproven"}
    assert "Every contract is unproven." in page.text


def test_assumed_figures_are_marked_and_explained(page: Page) -> None:
    assumed = [a for a in page.all("span") if a.get("class") == "figure assumed" and "title" in a]
    assert len(assumed) > 100
    assert all("assumed" in a["title"] for a in assumed)


def test_unbounded_has_its_reason_beside_it_and_no_figure_is_infinite(page: Page, evaluation: Evaluation) -> None:
    baseline = evaluation.assessments[0]
    assert f"excluded: {baseline.excluded}" in page.text
    assert not re.search(r"(?<![\w-])(inf|infinity|nan|None)(?![\w-])", page.text)


def test_a_price_that_only_a_quote_tells_is_unbounded_with_the_reason(short: Evaluation) -> None:
    def quoted(assessment: Assessment) -> Assessment:
        bill = unbounded("bill", "USD/month", "by quote only")
        bills = dict.fromkeys(assessment.bills, (CostItem("managed NATS", bill),))
        return evolve(assessment, bills=bills, monthly_usd=dict.fromkeys(assessment.bills, bill), owning_usd=bill)

    page = parse(render_html(evolve(short, assessments=tuple(quoted(a) for a in short.assessments))))
    assert "cost unbounded: by quote only" in page.text
    assert "No strategy has a bounded cost and downtime to draw." in page.text


def test_a_recommendation_that_breaches_says_so_first(short: Evaluation) -> None:
    baseline = short.assessments[0]
    worst = evolve(short.recommendation, strategy=baseline.strategy)
    page = parse(render_html(evolve(short, recommendation=worst)))
    assert "No strategy is expected to hold every contract." in page.text
    assert "no step restores the API and no copy of the streams survives" in page.text


def test_without_contracts_nothing_is_judged(short: Evaluation) -> None:
    def unpromised(assessment: Assessment) -> Assessment:
        outcomes = tuple(evolve(o, probability_met=None, verdict=None) for o in assessment.outcomes)
        return evolve(assessment, outcomes=outcomes, excluded="")

    system = evolve(short.system, contracts=())
    page = parse(render_html(evolve(short, system=system, assessments=tuple(map(unpromised, short.assessments)))))
    assert "secondsite.yaml has no contracts" in page.text
    assert not any(a.get("class", "").startswith("verdict") for a in page.all("span"))


def test_a_drilled_contract_is_met(short: Evaluation) -> None:
    def drilled(assessment: Assessment) -> Assessment:
        return evolve(assessment, outcomes=tuple(evolve(o, verdict=Verdict.MET) for o in assessment.outcomes))

    page = parse(render_html(evolve(short, assessments=tuple(map(drilled, short.assessments)))))
    assert "✓ met" in page.text
    assert "unproven." not in page.text


def test_contracts_still_to_drill_are_counted(short: Evaluation) -> None:
    def drilled(assessment: Assessment) -> Assessment:
        first, *rest = assessment.outcomes
        return evolve(assessment, outcomes=(evolve(first, verdict=Verdict.MET), *rest))

    page = parse(render_html(evolve(short, assessments=tuple(map(drilled, short.assessments)))))
    assert "3 of 4 contracts are unproven." in page.text


def test_hazards_are_counted_by_severity_with_the_waived_left_out(short: Evaluation) -> None:
    def hazard(severity: Severity, waived: str = "") -> Hazard:
        return Hazard("R1", severity, Place("a.yaml", 3), "nats", "one zone", "api/region", "s", "spread", waived)

    found = (hazard(Severity.FATAL), hazard(Severity.HIGH), hazard(Severity.HIGH), hazard(Severity.LOW, "accepted it"))
    page = parse(render_html(evolve(short, assessments=tuple(evolve(a, hazards=found) for a in short.assessments))))
    assert "1 fatal 2 high" in page.text
    assert "1 low" not in page.text
    assert "accepted: accepted it" in page.text
    assert "a.yaml:3" in page.text


def test_the_document_asks_for_nothing(page: Page, html: str) -> None:
    assert not [a for a in page.all("a") if not a["href"].startswith("#")]
    assert not {"link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in page.elements}
    assert not [a for _, a in page.elements if "src" in a or "style" in a or any(name.startswith("on") for name in a)]
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_only_the_shipped_style_and_script_may_apply(page: Page, html: str) -> None:
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        text = html.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"].removeprefix("#") for a in page.all("a")} <= set(ids)
    named = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    assert named <= set(ids)


def test_tables_have_captions_and_scoped_headings(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table")) > 10
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))


def test_landmarks_and_headings_are_in_order(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main", "footer", "h1")] == [1, 1, 1, 1, 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_the_same_evaluation_gives_the_same_bytes_in_any_process(
    short: Evaluation, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kept = tmp_path / "evaluation.pickle"
    kept.write_bytes(pickle.dumps(short))
    code = (
        "import pickle, sys; from pathlib import Path; from secondsite.publish.page.evaluation import render_html;"
        "sys.stdout.buffer.write(render_html(pickle.loads(Path(sys.argv[1]).read_bytes())).encode())"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(request.config.rootpath / "src")}
        again = subprocess.run([sys.executable, "-c", code, kept], capture_output=True, check=True, env=environment)
        assert again.stdout.decode() == render_html(short)


def test_jinja_is_loaded_only_to_render() -> None:
    code = "import sys, secondsite.publish.page.evaluation; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


BITING = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "</style></script></title><img src=x onerror=alert(1)>",
            "\"'><svg onload=alert(1)>",
            "<!--",
            "-->",
            "]]>",
            "{{ 7 * 7 }}{% raw %}",
            "&lt;b&gt;&#60;",
            "a\nb\r\n\tc",
            "\x00\x07\ufffe\u202e",
            "\ud800",
            "w" * 5000,
            "ÿ" * 300,
            "javascript:alert(1)",
        ]
    ),
    st.text("<>&\"'`=/ \n\x00{}%#-!ab", min_size=1, max_size=40),
    st.text(min_size=1, max_size=40),
)


INERT: list[tuple[str, dict[str, str | None]]] = [("code", {}), ("wbr", {})]
"""What a name may bring about: letters of one width between its backticks, the end of a line after its dots."""


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BITING)
def test_names_stay_text_whatever_they_hold(short: Evaluation, rename: Rename, name: str) -> None:
    def skeleton(text: str) -> list[tuple[str, list[str]]]:
        page = parse(render_html(rename(short, lambda known: known + text)))
        return [(tag, sorted(attributes)) for tag, attributes in page.elements if (tag, attributes) not in INERT]

    assert skeleton(name) == skeleton("x")


def test_a_name_is_shown_as_it_is_written(short: Evaluation) -> None:
    page = parse(render_html(evolve(short, system=evolve(short.system, name="<b>Q&A</b> {{ 7*7 }}"))))
    assert "<b>Q&A</b> {{ 7*7 }}: which multi-region strategy?" in page.text


def test_what_no_document_may_hold_is_replaced(short: Evaluation) -> None:
    html = render_html(evolve(short, system=evolve(short.system, name="a\x00b\ud800c")))
    assert "a\ufffdb\ufffdc" in html.encode().decode()


def test_the_ways_of_each_database_stand_side_by_side(html: str, short: Evaluation) -> None:
    section = html.partition('id="databases"')[2].partition("</section>")[0]
    rows = [parse(row) for row in re.findall(r"<tr.*?</tr>", section, re.DOTALL)[1:]]
    ways = re.findall(r'<code class="name">(\w+)</code>', section)
    assert ways == ["replica", "synchronous", "archive", "none"]
    assert [way for way, one in zip(ways, rows, strict=True) if "as laid out" in one.text] == ["replica"]
    assert [one.all("tr")[0].get("class") for one in rows] == ["chosen", None, None, None]
    assert rows[1].text.split("other region")[1].lstrip().startswith("0 s")
    assert all(len(one.all("td")) == 5 for one in rows)
    assert '<a href="#databases">' in html
    alone = evolve(short, recommendation=evolve(short.recommendation, stores=()))
    assert 'id="databases"' not in render_html(alone)


def test_a_commit_that_waits_for_the_other_region_is_told_and_no_other(short: Evaluation) -> None:
    one = short.recommended
    waits, tail = (
        Estimate(name, "ms", Fixed(value), Provenance.ASSUMED, "a test")
        for name, value in (("commit, p50", 66.1), ("commit, p99", 161.0))
    )
    slow = evolve(one, latency=evolve(one.latency, commit_p50_ms=waits, commit_p99_ms=tail))
    found = parse(render_html(evolve(short, assessments=(short.assessments[0], slow)))).text
    assert found.count("A COMMIT takes 66.1 ms (p99 161 ms), as it waits for the other region.") == 1
    assert "A COMMIT takes" not in parse(render_html(short)).text


def test_bills_of_all_providers_stand_side_by_side(evaluation: Evaluation) -> None:
    chosen = evaluation.recommended
    lines = bill_lines(chosen, NumberedSources())
    for provider, items in chosen.bills.items():
        shown = sum(paid[0].order for line in lines if (paid := line.amounts[provider]))
        assert shown == pytest.approx(sum(item.monthly_usd.mean for item in items))


def test_every_item_has_a_category_and_the_categories_sum_up(evaluation: Evaluation) -> None:
    for assessment in evaluation.assessments:
        for provider, items in assessment.bills.items():
            assert {category(item.name) for item in items} <= {"compute", "storage", "traffic", "services", "people"}
            assert sum(by_category(items).values()) == pytest.approx(assessment.monthly_usd[provider].mean)


def test_colours_have_contrast_in_light_dark_and_print(html: str) -> None:
    style = html.partition("<style>")[2].partition("</style>")[0]
    palettes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(palettes) == 3
    for palette in palettes:
        for ground in ("page", "panel", "chosen"):
            for ink in ("text", "muted", "link", "good", "bad", "warn"):
                assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
            for ink in ("c1", "c2", "c3", "c4", "c5", "c6"):
                assert contrast(palette[ink], palette[ground]) >= 3, (ink, ground)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_how_firm_it_is_stands_in_words_before_any_share(evaluation: Evaluation) -> None:
    text = render_html(evaluation)
    tile = text.split("<dt>How sure this is</dt>")[1].split("</div>")[0]
    recommendation = evaluation.recommendation
    assert tile.index(firmness(recommendation.stability)) < tile.index("of simulations")
    for line in firm_words(recommendation)[1:]:
        assert str(escape(line)) in tile, "what wins instead, and what a wrong choice costs"
    for one in recommendation.influences[:2]:
        assert f"measure {one.name}" in tile


def test_what_wins_more_often_than_the_recommendation_is_said(evaluation: Evaluation) -> None:
    rival = RunnerUp(evaluation.assessments[1].strategy, 0.5)
    said = firm_words(evolve(evaluation.recommendation, stability=0.2, runners_up=(rival,)))
    assert any(line.startswith(f"{rival.strategy} wins more often") for line in said)
    firm = firm_words(evolve(evaluation.recommendation, stability=0.6, runners_up=(evolve(rival, share=0.4),)))
    assert not any("wins more often" in line for line in firm)
