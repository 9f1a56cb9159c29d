"""The report in a real browser by the rules that axe-core knows (WCAG 2.1 A and AA, good practice); and by keyboard."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, browser_tool
from reported import BREACHED, drilled, read

from secondsite.evaluate.evaluation import Evaluation
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.page.evaluation import render_html
from secondsite.publish.page.report import report

pytestmark = pytest.mark.slow

TAB, ENTER = "\ue004", "\ue007"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
_RUN = """
const [rules, done] = arguments;
axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then(
  (found) => done(found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes[0].html}`)),
  (error) => done([String(error)]),
);
"""


@pytest.fixture(scope="module")
def url(short: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two strategies, so that axe is done in seconds; every kind of section is there, the details are open."""
    inputs = Inputs(short, (), (drilled(), drilled(evidence="evidence/one-more"), BREACHED), date(2026, 11, 23))
    path = tmp_path_factory.mktemp("report") / "report.html"
    text = render_html(short, report(inputs, read)).replace("<details", "<details open")
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def broken(browser: Browser, root: Path) -> list[Any]:
    """Axe comes by the debugger's door: the page's own policy lets no foreign script run."""
    browser.cdp("Runtime.evaluate", expression=browser_tool("axe-core", root).read_text(encoding="utf-8"))
    found: list[Any] = browser.post("execute/async", {"script": _RUN, "args": [_RULES]})
    return found


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (320, False)])
def test_axe_finds_nothing(browser: Browser, url: str, pytestconfig: pytest.Config, width: int, dark: bool) -> None:
    browser.show(width=width, dark=dark)
    browser.open(url)
    assert broken(browser, pytestconfig.rootpath) == []


def test_axe_would_find_something(browser: Browser, url: str, pytestconfig: pytest.Config) -> None:
    """The check can turn red: faint letters, and a drawing without a name."""
    browser.show(width=1280)
    browser.open(url)
    browser.run(
        "document.querySelector('main p').style.color = '#eee';"
        "document.querySelector('svg[role=img]').removeAttribute('aria-label')"
    )
    found = "\n".join(broken(browser, pytestconfig.rootpath))
    assert "color-contrast" in found
    assert "svg-img-alt" in found


def test_tab_walks_the_page_from_top_to_bottom_and_shows_where_it_is(browser: Browser, url: str) -> None:
    browser.show(width=1280)
    browser.open("about:blank")
    browser.open(url)
    seen = []
    for _ in range(60):
        browser.press(TAB)
        seen.append(
            browser.run(
                "const e = document.activeElement, r = e.getBoundingClientRect();"
                "return [e === document.body, getComputedStyle(e).outlineStyle, r.top + scrollY, r.width * r.height,"
                " e.className === 'skip']"
            )
        )
    assert seen[0][4], "first of all, the way past the navigation"
    walked = [one for one in seen if not one[0] and not one[4]]
    assert len(walked) > 40
    assert all(outline == "solid" and area > 0 for _, outline, _, area, _ in walked)
    tops = [top for _, _, top, _, _ in walked]
    assert all(after >= before - 400 for before, after in pairwise(tops)), "never far back up"
    assert tops[-1] > tops[0] + 900
