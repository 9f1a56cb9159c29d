"""The documentation as pages: every link leads to a page or an anchor that is there, and nothing is fetched."""

from __future__ import annotations

import importlib.util
import posixpath
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "site"
    builder().build(folder, "https://forge.example/tree")
    return folder


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_builder", ROOT / "script" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_of_docs_is_there_and_none_fetches_anything(site: Path) -> None:
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    wanted = {str(path.relative_to(ROOT / "docs")).lower() for path in (ROOT / "docs").rglob("*.md")}
    assert {name.removesuffix(".md") + ".html" for name in wanted} | {"index.html"} <= pages
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert "<script" not in text
        assert not re.search(r'(?:src|href)="(?:https?:)?//(?!forge\.example)[^"]*\.(?:css|js|png|svg|woff2?)"', text)


def test_every_page_is_reached_from_the_first(site: Path) -> None:
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    found, new = set(), {"index.html"}
    while new:
        found |= new
        links = ((name, re.findall(r'<a [^>]*href="([^":#]+\.html)', (site / name).read_text("utf-8"))) for name in new)
        new = {posixpath.normpath(posixpath.join(posixpath.dirname(name), to)) for name, each in links for to in each}
        new -= found
    assert pages - found == set()
    shown = re.findall(r'<li><a href="([^"]+)"', (site / "index.html").read_text("utf-8"))
    assert {page for page in pages if "/" not in page} - set(shown) == set(), "in the list of pages"


def test_every_link_leads_somewhere(site: Path) -> None:
    anchors = {
        str(page.relative_to(site)): set(re.findall(r'id="([^"]+)"', page.read_text("utf-8")))
        for page in site.rglob("*.html")
    }
    lost = []
    for page in site.rglob("*.html"):
        name = str(page.relative_to(site))
        for href in re.findall(r'<a [^>]*href="([^"]+)"', page.read_text("utf-8")):
            if re.match(r"[a-z]+:", href):
                continue
            path, _, anchor = href.partition("#")
            led = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            if led not in anchors or (anchor and anchor not in anchors[led]):
                lost.append((name, href))
    assert not lost


def test_a_comment_of_a_page_is_not_shown(site: Path) -> None:
    assert [page.name for page in site.rglob("*.html") if "&lt;!-- Written" in page.read_text("utf-8")] == []
