"""System -> text: the parts that `editing` puts into a file that exists, and the whole of one that does not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs
from attrs import frozen

from secondsite.discover.system_file.comments import comment_of
from secondsite.discover.system_file.scalars import flow_list, scalar
from secondsite.discover.system_file.schema import (
    SCHEMA,
    Field,
    FieldShape,
    Noun,
    canonical,
    fields_of,
    identity,
    join,
    paths,
)
from secondsite.discover.system_file.teaching import EDITORS, EXAMPLES, HEADER, SECTIONS, commented
from secondsite.model.contract import Contract
from secondsite.model.load import Population
from secondsite.model.mark import Mark
from secondsite.model.settings import Settings
from secondsite.model.system import System

WIDTH = 110
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON may hold as it is and YAML may not."""
# Items of these lists have no page of their own: one line each, like a table.
_ROWS: tuple[type[Noun], ...] = (Contract, Population)
_SECTION_LISTS = frozenset(field.noun for field in fields_of(System) if field.kind is FieldShape.NOUNS)


def write_system(system: System, *, edited: bool = False) -> str:
    """The file of a system that has none yet. ``edited``: by people, whose editors find its schema."""
    writer = Writer(canonical(system).marks)
    lines = [f"{HEADER}{EDITORS if edited else ''}", f"schema: {SCHEMA}"]
    for field in fields_of(System):
        section = writer.entry(field, system, "", 0)
        if field.key in EXAMPLES and not section:
            lines += ["", *commented(SECTIONS.get(field.key, "")), *commented(EXAMPLES[field.key])]
        elif section:
            lines += ["", *commented(SECTIONS[field.key])] if field.key in SECTIONS else []
            lines += section
    return "\n".join(lines) + "\n"


@frozen
class Writer:
    """Lines without their ends, indented by ``indent`` blanks. Paths are those of the marks."""

    marks: Mapping[str, Mark]

    def entry(self, field: Field, noun: Noun, path: str, indent: int) -> list[str]:
        """The lines of one key; none where the default says the same and no mark asks for it."""
        value, below = field.value(noun), join(path, field.key)
        return self.lines_of(field, value, below, indent) if self.is_written(field, value, below) else []

    def lines_of(self, field: Field, value: Noun, below: str, indent: int) -> list[str]:
        """The lines of one key, whatever its value."""
        pad = " " * indent + f"{field.key}:"
        if field.kind is FieldShape.LEAF or value is None:
            return [self.with_comment(f"{pad} {self.leaf(field, value)}", below)]
        if field.kind is FieldShape.NOUNS:
            return self._list(pad, value, below, indent)
        row = self.row(value, below)
        if row is not None and len(pad) + len(row) < WIDTH:
            return [self.with_comment(f"{pad} {row}", below)]
        return [self.with_comment(pad, below), *self.block(value, below, indent + 2)]

    def is_written(self, field: Field, value: object, path: str) -> bool:
        if field.required or value != default_of(field) or path in self.marks:
            return True
        return (
            field.kind is FieldShape.NOUN
            and value is not None
            and any(below in self.marks for below in paths(value, path))
        )

    def leaf(self, field: Field, value: Noun) -> str:
        """A value that takes no lines of its own: a leaf, no noun, an empty list."""
        if isinstance(value, Settings):
            return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", value.text)
        plain = field.format(value) if field.kind is FieldShape.LEAF else value
        return flow_list(plain) if isinstance(plain, (list, tuple)) else scalar(plain)

    def block(self, noun: Noun, path: str, indent: int) -> list[str]:
        lines = [line for field in fields_of(type(noun)) for line in self.entry(field, noun, path, indent)]
        return lines or [" " * indent + "{}"]

    def item(self, noun: Noun, path: str, indent: int) -> list[str]:
        """An item of a list; its mark stands on its first line, where that of its first value would."""
        row = self.row(noun, path) if type(noun) in _ROWS or type(noun) not in _SECTION_LISTS else None
        if row is not None and indent + len(row) < WIDTH:
            return [self.with_comment(" " * indent + f"- {row}", path)]
        first, *rest = fields_of(type(noun))
        head = " " * indent + f"- {first.key}: {self.leaf(first, first.value(noun))}"
        lines = [self.with_comment(head, path)]
        for field in rest:
            lines += self.entry(field, noun, path, indent + 2)
        return lines

    def row(self, noun: Noun, path: str) -> str | None:
        """The noun on one line, if there is nothing to be said about its parts."""
        if self._marked_below(noun, path):
            return None
        parts = []
        for field in fields_of(type(noun)):
            value = field.value(noun)
            below = join(path, field.key)
            if not self.is_written(field, value, below):
                continue
            if field.kind is FieldShape.NOUNS and value:
                return None
            inner = (
                self.row(value, below)
                if field.kind is FieldShape.NOUN and value is not None
                else self.leaf(field, value)
            )
            if inner is None:
                return None
            parts.append(f"{field.key}: {inner}")
        return f"{{{', '.join(parts)}}}"

    def with_comment(self, line: str, path: str) -> str:
        comment = comment_of(self.marks.get(path))
        return f"{line}  # {comment}" if comment else line

    def _list(self, pad: str, items: Sequence[Noun], path: str, indent: int) -> list[str]:
        if not items:
            return [self.with_comment(f"{pad} []", path)]
        lines = [self.with_comment(pad, path)]
        for position, item in enumerate(items):
            if position and indent == 0 and len(lines) > 2 and type(item) not in _ROWS:
                lines.append("")
            lines += self.item(item, join(path, identity(item)), indent + 2)
        return lines

    def _marked_below(self, noun: Noun, path: str) -> bool:
        return any(comment_of(self.marks.get(below)) for below in paths(noun, path) if below != path)


def default_of(field: Field) -> object:
    default = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type] # a class at run time
