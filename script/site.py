"""Builds the documentation as plain pages: README, docs/ and CONTRIBUTING, without a script or a request to elsewhere.

`make site` writes them to build/site. A link to a page of the repository leads to the page here; one to any other file
leads to the forge, by SITE_SOURCE, or stays text.
"""

from __future__ import annotations

import html
import os
import posixpath
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"
GROUPS = (
    (
        "Start",
        ("README.md", "docs/glossary.md", "docs/init.md", "docs/audit.md", "docs/evaluate.md", "docs/strategies.md"),
    ),
    ("Prove", ("docs/drill.md", "docs/verify.md", "docs/game-day.md", "docs/publish.md", "docs/ci.md")),
    (
        "Deploy",
        ("docs/render.md", "docs/rights.md", "docs/kube.md", "docs/dns.md", "docs/secrets.md", "docs/stores.md"),
    ),
    ("Operate", ("docs/operate.md", "docs/watch.md", "docs/backup.md", "docs/archive.md")),
    ("Trust", ("docs/threat-model.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md")),
)
FOLDED = (("Published documents", "docs/publish/"), ("Decisions", "docs/adr/"))
"""Folders whose pages are listed below the others, closed at first."""
STYLE = Path(__file__).with_suffix(".css")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; img-src 'self'">
<title>{title} - secondsite</title><link rel="stylesheet" href="{up}site.css"></head>
<body><a class="skip" href="#content">Skip to the content</a><div class="page">
<nav aria-label="Pages">{nav}</nav><main id="content">
{body}</main></div></body></html>
"""


def sources() -> dict[str, str]:
    """Every page by its path in the repository, and where it goes."""
    named = [name for _, names in GROUPS for name in names]
    more = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
    return {name: target(name) for name in dict.fromkeys([*named, *more])}


def target(name: str) -> str:
    if name == "README.md":
        return "index.html"
    return name.removeprefix("docs/").removesuffix(".md").lower() + ".html"


def slug(text: str) -> str:
    """As forges make it of a heading, so that anchors work in both places."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def rendered(name: str, pages: dict[str, str], source: str) -> tuple[str, str]:
    """Title and body."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    text = (ROOT / name).read_text("utf-8")
    tokens = markdown.parse(re.sub(r"\A<!--.*?-->\s*", "", text, flags=re.DOTALL))
    title, used = name, set()
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(
                child.content for child in tokens[at + 1].children or () if child.type in ("text", "code_inline")
            )
            title = text if token.tag == "h1" and title == name else title
            anchor = slug(text)
            token.attrSet("id", anchor if anchor not in used else f"{anchor}-{len(used)}")
            used.add(anchor)
        if token.type == "inline":
            for child in token.children or ():
                relink(child, name, pages, source)
    body = markdown.renderer.render(tokens, markdown.options, {})
    return title, body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


def relink(token: Token, name: str, pages: dict[str, str], source: str) -> None:
    href = str(token.attrGet("href") or "")
    if token.type != "link_open" or not href or re.match(r"[a-z]+:|#", href):
        return
    path, _, anchor = href.partition("#")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    if wanted in pages:
        led = posixpath.relpath(pages[wanted], posixpath.dirname(pages[name]) or ".")
        token.attrSet("href", led + (f"#{anchor}" if anchor else ""))
    else:
        token.attrSet("href", f"{source}/{wanted}" if source else "#")


def nav(current: str, pages: dict[str, str], titles: dict[str, str]) -> str:
    folder = posixpath.dirname(pages[current]) or "."

    def links(names: Iterable[str]) -> str:
        listed = "".join(
            f'<li><a href="{posixpath.relpath(pages[name], folder)}"{" aria-current=page" if name == current else ""}>'
            f"{html.escape(titles[name])}</a></li>"
            for name in names
        )
        return f"<ul>{listed}</ul>"

    parts = [f"<h2>{group}</h2>{links(names)}" for group, names in GROUPS]
    for group, below in FOLDED:
        is_open = " open" if current.startswith(below) else ""
        names = [name for name in pages if name.startswith(below)]
        parts.append(f"<details{is_open}><summary>{group}</summary>{links(names)}</details>")
    return "".join(parts)


def build(site: Path = SITE, source: str = "") -> dict[str, str]:
    pages = sources()
    shutil.rmtree(site, ignore_errors=True)
    made = {name: rendered(name, pages, source) for name in pages}
    titles = {name: "secondsite" if name == "README.md" else title for name, (title, _) in made.items()}
    for name, (title, body) in made.items():
        path = site / pages[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * pages[name].count("/")
        page = PAGE.format(title=html.escape(title), up=up, nav=nav(name, pages, titles), body=body)
        path.write_text(page, "utf-8")
    shutil.copyfile(STYLE, site / "site.css")
    return pages


if __name__ == "__main__":
    written = build(source=os.environ.get("SITE_SOURCE", ""))
    sys.stdout.write(f"{len(written)} pages in {SITE}\nopen: {SITE / 'index.html'}\n")
