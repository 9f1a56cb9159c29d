"""The documents of a file, told apart before they are parsed: most text in a repository holds no Kubernetes object.

A marker (``---`` at the start of a line) ends a document wherever it stands, so one that cannot be read does not take
the others of its file with it. A CustomResourceDefinition's schema says nothing about a system and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

_MARKER = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_SCHEMA = re.compile(r"^kind:\s*[\"']?CustomResourceDefinition\b", re.MULTILINE)
_SPEC = re.compile(r"^spec:", re.MULTILINE)
_CONTENT = re.compile(r"^\s*[^\s#]", re.MULTILINE)
_TEMPLATE = re.compile(r"\{\{|\{%|<%|^\s*#@", re.MULTILINE)


@frozen
class Part:
    """A document's text and the line where it begins."""

    text: str
    first_line: int

    @property
    def is_object(self) -> bool:
        """Whether it can be one: the words must stand in it."""
        return "apiVersion" in self.text and "kind" in self.text

    @property
    def is_empty(self) -> bool:
        return not _CONTENT.search(_MARKER.sub("", self.text))

    @property
    def is_template(self) -> bool:
        return bool(_TEMPLATE.search(self.text))


def parts_of(text: str) -> Iterator[Part]:
    """The documents in order, without the empty ones."""
    starts = [0] if text.startswith("%") else [0, *(match.start() for match in _MARKER.finditer(text))]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[start:end]
        part = Part(_without_schema(piece), line)
        line += piece.count("\n")
        if not part.is_empty:
            yield part


def _without_schema(text: str) -> str:
    if not _SCHEMA.search(text):
        return text
    spec = _SPEC.search(text)
    return text[: spec.start()] if spec else text
