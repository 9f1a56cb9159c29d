"""Every diagram of the documents is drawn by Mermaid itself, in a real browser, with all that it should show."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from browser import Browser, browser_tool

from secondsite.evaluate.evaluation import Evaluation
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.documents.document_set import files
from secondsite.publish.text.mermaid import Edge, Node, flowchart

pytestmark = pytest.mark.slow

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]
_DRAW = """
const [source, done] = arguments, here = document.getElementById("here");
mermaid.initialize({startOnLoad: false, securityLevel: "strict"});
mermaid.render("drawn", source).then(
  ({svg}) => { here.innerHTML = svg; done(["", here.textContent]); },
  (error) => done([String(error), ""]),
);
"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Browser:
    path = tmp_path_factory.mktemp("mermaid") / "page.html"
    script = browser_tool("mermaid", pytestconfig.rootpath)
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><div id="here"></div><script src="{script.as_uri()}"></script>',
        encoding="utf-8",
    )
    browser.show(width=1280)
    browser.open(path.as_uri())
    return browser


def draw(page: Browser, source: str) -> str:
    """What can be read in the drawing."""
    failed, shown = page.post("execute/async", {"script": _DRAW, "args": [source]})
    assert not failed, f"{failed}\n{source}"
    return str(shown)


def diagrams(text: str) -> list[str]:
    return re.findall(r"^```mermaid\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)


def labels(source: str) -> set[str]:
    """Every line of every node, as a reader sees it."""
    quoted = re.findall(r'"(.*?)"', source)
    coded = re.sub(r"#(\d+);", r"&#\1;", re.sub(r"#([a-z]+);", r"&\1;", "<br/>".join(quoted)))
    return {html.unescape(line) for line in coded.split("<br/>")}


def test_every_diagram_of_the_example_is_drawn_with_every_label(page: Browser, pytestconfig: pytest.Config) -> None:
    folder = pytestconfig.rootpath / "examples/kgents/docs/saas"
    found = [(path.name, one) for path in sorted(folder.glob("*.md")) for one in diagrams(path.read_text("utf-8"))]
    assert {name for name, _ in found} == {"architecture-current.md", "multi-region-roadmap.md"}
    for name, source in found:
        shown = draw(page, source)
        assert not [label for label in labels(source) if label not in shown], name


@pytest.mark.parametrize(
    "bite",
    [
        '"]; click n1 "javascript:alert(1)" %%',
        "<script>window.bitten = 1</script><img src=x onerror='window.bitten = 1'>",
        "%%{init: {'securityLevel': 'loose'}}%%",
        "end\nsubgraph x|y|z --> `*_[(#quot;)]",
        "w" * 500,
        "```\nflowchart",
        "#35; &amp; \\ \u202e",
    ],
)
def test_names_stay_labels(page: Browser, evaluation: Evaluation, rename: Rename, bite: str) -> None:
    hostile = rename(evaluation, lambda known: known + bite)
    texts = files(Inputs(hostile, (), (), date(2026, 11, 1)))
    found = [one for name, text in texts.items() if name.endswith(".md") for one in diagrams(text)]
    assert len(found) == 2
    for source in found:
        draw(page, source)
        assert page.run("return window.bitten === undefined && !document.querySelector('#here img, #here script')")
        assert not page.run("return [...document.querySelectorAll('#here a')].some((a) => a.href)")


def test_a_label_reads_as_it_was_written(page: Browser) -> None:
    said = 'a "b" <c> & `d` #e; [f](g) {h} |i| *j* _k_ end'
    source = flowchart([Node("x", (said,)), Node("y", ("y",))], [Edge("x", "y", said)]).split("\n", 1)[1][:-4]
    assert draw(page, source).count(said) == 2


def test_a_diagram_that_is_none_is_refused(page: Browser) -> None:
    """The check can turn red."""
    with pytest.raises(AssertionError, match=r"[Pp]arse error"):
        draw(page, 'flowchart LR\n  n1["never closed')


def test_where_the_script_is_not_the_test_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"script/browser_tools\.py"):
        browser_tool("mermaid", tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"script/browser_tools\.py"):
        browser_tool("mermaid", tmp_path)
