"""The text of the file as nodes that know where they begin (yaml_source) and, here, also where they end.

Ends are what comments are found behind and what edits replace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import define, field, frozen
from ruamel.yaml.events import (
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode, load_documents
from secondsite.model.errors import InputError
from secondsite.model.place import Place

_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_COMMENT = re.compile(r"[ \t]*(?:#(?P<comment>[^\r\n]*))?(?=\r?\n|\Z)")

Spans = Mapping[tuple[int, int], tuple[int, int]]


@frozen
class Document:
    """Indices count characters of ``text``. Scalars and flow collections have spans; block collections do not."""

    text: str
    file: str
    root: MapNode
    scalars: Spans
    flows: Spans
    starts: tuple[int, ...]
    braced: frozenset[tuple[int, int]]

    def is_flow(self, node: Node) -> bool:
        return not isinstance(node, ScalarNode) and _at(node.place) in self.flows

    def is_block(self, node: Node) -> bool:
        """True for a collection that has lines of its own, each with room for a comment."""
        return not isinstance(node, ScalarNode) and not self.is_flow(node)

    def inside_flow(self, key: Place) -> bool:
        return _at(key) in self.braced

    def start(self, node: Node) -> int:
        return self.index(node.place)

    def index(self, place: Place) -> int:
        return self.starts[place.line - 1] + place.column - 1

    def end(self, node: Node) -> int:
        """Behind the last character of the node, comments and blank lines left out."""
        while True:
            span = (self.scalars if isinstance(node, ScalarNode) else self.flows).get(_at(node.place))
            if span:
                return span[0] + len(self.text[span[0] : span[1]].rstrip())
            children = node.items if isinstance(node, ListNode) else tuple(node.entries.values())  # type: ignore[union-attr] # a scalar has a span
            node = children[-1]

    def key_end(self, key: Place) -> int:
        """Behind the colon of a key."""
        return self.text.index(":", self.scalars[_at(key)][1]) + 1

    def comment_start(self, key: Place | None, value: Node) -> int:
        """Where an end-of-line comment on the value may begin: behind it, or behind its key when it is a block."""
        if isinstance(value, ScalarNode) and value.block:
            header = _BLOCK_HEADER.match(self.text, self.start(value))
            return header.end() if header else self.start(value)
        if key is not None and self.is_block(value):
            return self.key_end(key)
        return self.end(value)

    def comment_at(self, index: int) -> tuple[int, int, str] | None:
        """Start, end and words of the comment behind ``index``; empty words where none stands; None: no room."""
        match = _COMMENT.match(self.text, index)
        return (match.start(), match.end(), match["comment"] or "") if match else None


def parse(text: str, file: str) -> Document:
    """Raises `InputError` with all problems of the text that are problems of YAML, not of what it says."""
    ends = _Ends()
    documents = load_documents(text, file, see=ends.see)
    if not documents:
        raise InputError.at(file, "is empty", "write one with `secondsite init`, or begin with `schema: ...`")
    if len(documents) > 1:
        raise InputError.at(documents[1].place, "a second document begins here", "keep one system in one file")
    root = documents[0]
    if not isinstance(root, MapNode):
        kind = "a list" if isinstance(root, ListNode) else "a single value"
        raise InputError.at(root.place, f"holds {kind}, not a system", "begin with `schema: secondsite/system/1`")
    starts = (0, *(match.end() for match in _LINE_END.finditer(text)))
    return Document(text, file, root, ends.scalars, ends.flows, starts, frozenset(ends.braced))


@define(eq=False)
class _Ends:
    """Where scalars and flow collections end; and where the scalars inside those stand."""

    scalars: dict[tuple[int, int], tuple[int, int]] = field(factory=dict)
    flows: dict[tuple[int, int], tuple[int, int]] = field(factory=dict)
    braced: set[tuple[int, int]] = field(factory=set)
    _open: list[tuple[tuple[int, int], int] | None] = field(factory=list)

    def see(self, event: Event) -> None:
        start = event.start_mark
        if isinstance(event, ScalarEvent):
            at = (start.line + 1, start.column + 1)
            self.scalars[at] = (start.index, event.end_mark.index)
            if self._open and self._open[-1]:
                self.braced.add(at)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._open.append(((start.line + 1, start.column + 1), start.index) if event.flow_style else None)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            flow = self._open.pop()
            if flow:
                self.flows[flow[0]] = (flow[1], event.end_mark.index)


def _at(place: Place) -> tuple[int, int]:
    return place.line, place.column
