"""Templates of Markdown: they print what they are given and compute nothing; what is no Markdown is escaped."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from secondsite.publish.text.kept_sections import section
from secondsite.publish.text.markdown import escape

if TYPE_CHECKING:
    from jinja2 import Environment

_GAP = re.compile(r"\n{3,}")


def render(template: str, **values: object) -> str:
    """A document, with one newline at its end and at most one empty line between its parts."""
    filled = _environment().get_template(f"documents/{template}").render(**values)
    return _GAP.sub("\n\n", filled).strip("\n") + "\n"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("secondsite.publish"),
        autoescape=False,  # noqa: S701 # Markdown, escaped by `finalize`
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["team"] = section
    return environment
