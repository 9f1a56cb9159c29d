"""The page in a real browser: it sorts, asks for nothing, fits, and nothing that a name holds comes alive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import Browser

from secondsite.evaluate.evaluation import Evaluation
from secondsite.publish.page.evaluation import render_html

pytestmark = pytest.mark.slow

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]
ENTER, TAB = "\ue007", "\ue004"


@pytest.fixture(scope="module")
def url(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "evaluation.html"
    path.write_text(render_html(evaluation), encoding="utf-8")
    return path.as_uri()


def column(browser: Browser, key: str) -> list[float]:
    """What the rows of the comparison sort by, in the order shown."""
    found: list[Any] = browser.run(
        """const table = document.getElementById("strategies-table");
        const at = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.key === arguments[0]);
        return [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.order);""",
        key,
    )
    return [float(text) for text in found]


def sorted_by(browser: Browser) -> list[list[str]]:
    found: list[list[str]] = browser.run(
        """return [...document.querySelectorAll("th[aria-sort]")]
        .map((head) => [head.dataset.key, head.getAttribute("aria-sort")]);"""
    )
    return found


def click(browser: Browser, key: str) -> None:
    browser.run("document.querySelector(`th[data-key=${arguments[0]}] button`).click()", key)


def test_a_heading_sorts_both_ways_and_the_address_keeps_it(browser: Browser, url: str) -> None:
    browser.open(url)
    assert sorted_by(browser) == []
    before = column(browser, "downtime")
    assert before != sorted(before)
    click(browser, "downtime")
    assert column(browser, "downtime") == sorted(before)
    assert sorted_by(browser) == [["downtime", "ascending"]]
    click(browser, "downtime")
    assert column(browser, "downtime") == sorted(before, reverse=True)
    assert browser.run("return location.hash") == "#sort=downtime:descending"
    assert "descending" in browser.run("return document.getElementById('sorted').textContent")


def test_an_address_with_an_order_opens_in_it(browser: Browser, url: str) -> None:
    browser.open("about:blank")
    browser.open(f"{url}#sort=usd-gcp:ascending")
    shown = column(browser, "usd-gcp")
    assert shown == sorted(shown)
    assert sorted_by(browser) == [["usd-gcp", "ascending"]]


@pytest.mark.parametrize("fragment", ["sort=nothing:ascending", "sort=downtime:sideways", "%22%3E%3Cimg%3E"])
def test_an_address_that_makes_no_sense_changes_nothing(browser: Browser, url: str, fragment: str) -> None:
    browser.open("about:blank")
    browser.open(f"{url}#{fragment}")
    assert sorted_by(browser) == []
    assert column(browser, "strategy") == sorted(column(browser, "strategy"))
    assert browser.console() == []


def test_unbounded_comes_last(browser: Browser, url: str) -> None:
    browser.open(url)
    click(browser, "rto")
    assert column(browser, "rto")[-1] == float("inf")


def test_the_keyboard_sorts(browser: Browser, url: str) -> None:
    browser.open("about:blank")
    browser.open(url)
    browser.run("document.querySelector('th[data-key=strategy] button').focus()")
    browser.press(TAB)
    assert browser.run("return document.activeElement.parentElement.dataset.key") == "rto"
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(ENTER)
    assert sorted_by(browser) == [["rto", "ascending"]]


def test_a_link_to_a_strategy_opens_its_details(browser: Browser, url: str) -> None:
    browser.open(url)
    assert not browser.run("return document.getElementById('strategy-1').open")
    browser.run("document.querySelector('#strategies-table a[href=\"#strategy-1\"]').click()")
    browser.post("execute/async", {"script": "setTimeout(arguments[0], 50)", "args": []})
    assert browser.run("return document.getElementById('strategy-1').open")


def test_it_asks_for_nothing_and_has_nothing_to_complain_of(browser: Browser, url: str) -> None:
    browser.console()
    browser.open(url)
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.console() == []


def test_the_console_is_heard(browser: Browser, url: str) -> None:
    browser.open(url)
    browser.run(
        "const image = new Image(); image.src = 'https://secondsite.invalid/x.png'; document.body.append(image)"
    )
    assert any("Content Security Policy" in line for line in browser.console())


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_the_screen_and_can_be_read(browser: Browser, url: str, width: int, dark: bool) -> None:
    browser.show(width=width, dark=dark)
    browser.open(url)
    assert browser.run("return document.documentElement.scrollWidth") <= width
    smallest = browser.run(
        """const seen = [...document.querySelectorAll("svg text")].filter((text) => text.checkVisibility());
        return Math.min(...seen.map((text) => text.getBoundingClientRect().height));"""
    )
    assert smallest >= 12
    assert browser.run(
        """const chart = [...document.querySelectorAll("svg.scatter")].find((svg) => svg.checkVisibility());
        const edge = chart.getBoundingClientRect();
        return [...chart.querySelectorAll("text")].every((text) => {
          const box = text.getBoundingClientRect();
          return box.left >= edge.left - 1 && box.right <= edge.right + 1;
        });"""
    )
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(18, 22, 28)" if dark else "rgb(255, 255, 255)")
    assert browser.screenshot().startswith(b"\x89PNG")


def test_at_1280_no_column_of_the_comparison_is_hidden(browser: Browser, url: str) -> None:
    browser.show(width=1280)
    browser.open(url)
    hidden = "const t = document.getElementById('strategies-table'); return t.offsetWidth - t.parentElement.clientWidth"
    assert browser.run(hidden) <= 0


def test_every_figure_of_the_accessibility_tree_has_a_name(browser: Browser, url: str) -> None:
    browser.show(width=390)
    browser.open(url)
    browser.cdp("Accessibility.enable")
    nodes = browser.cdp("Accessibility.getFullAXTree")["nodes"]
    kept = [node for node in nodes if not node["ignored"]]
    by_role: dict[str, list[str]] = {}
    for node in kept:
        by_role.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("table", "region", "image", "button", "link", "rowheader", "columnheader"):
        assert by_role.get(role), role
        assert all(by_role[role]), role
    assert "failover of warm-standby/leafnode-mirror/failover-record: steps in time" in by_role["table"]


def test_it_prints(browser: Browser, url: str) -> None:
    browser.show(width=1280)
    browser.open(url)
    assert browser.pdf().startswith(b"%PDF-")


def test_nothing_in_a_name_comes_alive(browser: Browser, short: Evaluation, rename: Rename, tmp_path: Path) -> None:
    biting = "</style></script></title><script>window.bitten=1</script><img src=x onerror='window.bitten=1'>\n\"'>"
    path = tmp_path / "biting.html"
    path.write_text(render_html(rename(short, lambda known: known + biting + "w" * 300)), encoding="utf-8")
    browser.show(width=390)
    browser.console()
    browser.open(path.as_uri())
    assert browser.run("return window.bitten === undefined")
    assert browser.run("return document.querySelectorAll('img, script').length") == 1
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    assert browser.console() == []
