"""The documents where they are read: tables beside a repository's files, and the report on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import Browser
from markdown_it import MarkdownIt

pytestmark = pytest.mark.slow

COLUMN_PX = 1012
"""The width of a Markdown page on GitHub."""
_SAMPLE = "What the recommendation depends on, in us-east-1: 16.8 min a year, 97.7 %"
_SAMPLE_PX = 546
"""Of the sample in Arial and its likes at 16 px: where another font is installed, the column is as much wider."""
_STYLE = """
body { margin: 0; font: 16px/1.5 Arial, "Liberation Sans", sans-serif; }
table { border-collapse: collapse; display: block; width: max-content; max-width: 100%; overflow: auto; }
th, td { padding: 6px 13px; border: 1px solid; }
th { font-weight: 600; }
code { font-size: 85%; padding: .2em .4em; white-space: break-spaces; }
"""


def _shown(text: str) -> str:
    parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
    marks = re.sub(r"\[\[([a-z]\d+)\]\]", r"[\1]", text)
    page = f"<style>{_STYLE}</style><span id=sample>{_SAMPLE}</span><div id=page>{parser.render(marks)}</div>"
    return f"<!doctype html><meta charset=utf-8>{page}"


def test_no_table_of_the_documents_is_wider_than_its_column(
    browser: Browser, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    documents = sorted((pytestconfig.rootpath / "examples/kgents/docs/saas").glob("*.md"))
    browser.show(width=1600)
    too_wide = []
    for document in documents:
        page = tmp_path / f"{document.stem}.html"
        page.write_text(_shown(document.read_text("utf-8")))
        browser.open(page.as_uri())
        too_wide += [
            f"{document.name}: {wide}"
            for wide in browser.run(
                """
                const stretch = document.getElementById('sample').getBoundingClientRect().width / arguments[1];
                document.getElementById('page').style.width = `${arguments[0] * stretch}px`;
                return [...document.querySelectorAll('table')]
                    .filter(table => table.scrollWidth > table.clientWidth + 1)
                    .map(table => `${table.scrollWidth} of ${table.clientWidth} px: ${table.innerText.slice(0, 60)}`);
                """,
                COLUMN_PX,
                _SAMPLE_PX,
            )
        ]
    assert len(documents) == 10
    assert too_wide == []


def test_the_report_wastes_no_paper_and_says_of_when_it_is(browser: Browser, pytestconfig: pytest.Config) -> None:
    """With pages left half empty it took 34; a sheet without a date is believed for years."""
    report = pytestconfig.rootpath / "examples/kgents/docs/saas/report.html"
    browser.open(report.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page\b", browser.pdf()))
    assert 20 < pages <= 31
    style = re.findall(r'@bottom-left \{ content: "As of (\d{4}-\d\d-\d\d)"', report.read_text("utf-8"))
    head = browser.run("return document.querySelector('header').innerText")
    assert style == re.findall(r"as of (\d{4}-\d\d-\d\d)", head)
    assert len(style) == 1


def test_a_heading_of_columns_is_printed_on_each_page_of_its_table(
    browser: Browser, pytestconfig: pytest.Config
) -> None:
    """Chromium repeats none that holds a box of its own, as a button to sort by is."""
    browser.open((pytestconfig.rootpath / "examples/kgents/docs/saas/report.html").as_uri())
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    try:
        found = browser.run("return [...document.querySelectorAll('th button')].map(b => getComputedStyle(b).display)")
    finally:
        browser.cdp("Emulation.setEmulatedMedia", media="")
    assert set(found) == {"contents"}


def test_a_third_region_is_not_cut_off_on_a_laptop(browser: Browser, pytestconfig: pytest.Config) -> None:
    """Three regions side by side are 1,288 px: the third began beyond the edge of a page of 1,012 px."""
    browser.show(width=COLUMN_PX)
    browser.open((pytestconfig.rootpath / "examples/kgents/docs/saas/report.html").as_uri())
    hidden = browser.run(
        """
        const drawing = document.querySelector('.topology');
        drawing.setAttribute('width', 1288);
        return drawing.getBoundingClientRect().right - drawing.parentElement.getBoundingClientRect().right;
        """
    )
    assert hidden <= 1
