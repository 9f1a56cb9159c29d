"""The page of a watch: made on the server from the same plain data as everything else, brought up to date by a few
lines of script, and whole without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from secondsite.watch.http_server import HttpAnswer

_TEMPLATES = Path(__file__).parent / "templates"
_FILES = {"/watch.css": "text/css; charset=utf-8", "/watch.js": "text/javascript; charset=utf-8"}


def page(path: str, status: Mapping[str, Any], may_approve: bool, headers: tuple[tuple[str, str], ...]) -> HttpAnswer:
    if path in _FILES:
        return HttpAnswer(200, (_TEMPLATES / path.removeprefix("/")).read_bytes(), _FILES[path], headers)
    if path != "/":
        return HttpAnswer(404, b"the page is at /\n", headers=headers)
    if not status:
        return HttpAnswer(503, b"the watch begins\n", headers=headers)
    text = _template().render(status=status, may_approve=may_approve)
    return HttpAnswer(200, text.encode(), "text/html; charset=utf-8", headers)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["time"] = _time
    return environment.get_template("watch.html.j2")


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
