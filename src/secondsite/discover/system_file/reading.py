"""Text -> System, with the mark of every value; or an error with every problem of the file at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from secondsite.discover.system_file import structure
from secondsite.discover.system_file.comments import mark_of
from secondsite.discover.system_file.document import Document, parse
from secondsite.discover.system_file.schema import SCHEMA, Field, FieldShape, Noun, fields_of, identity, join, keys_of
from secondsite.discover.yaml_source import ListNode, MapNode, Node, read_text, to_plain
from secondsite.model.errors import InputError, Problem
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place
from secondsite.model.system import System
from secondsite.model.validate import flaws

MAX_BYTES = 8_000_000


def load_system(path: Path) -> System:
    """The system of a file. Raises `InputError`."""
    return read_system(load_text(path), str(path))


def load_text(path: Path) -> str:
    """The text of a system file, within the limits. Raises `InputError`."""
    file = str(path)
    if not path.exists():
        raise InputError.at(file, "no such file", "write it with `secondsite init PATH`")
    if path.is_dir():
        raise InputError.at(file, "is a folder", f"name the file in it: {path / 'secondsite.yaml'}")
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        size = path.stat().st_size
        raise InputError.at(
            file,
            f"has {size:,} bytes; a system takes at most {MAX_BYTES:,}",
            "name the right file, or split the system",
        )
    return read_text(path, file)


def read_system(text: str, file: str) -> System:
    """Raises `InputError` with all problems, in the order of the file."""
    return system_of(parse(text, file))


def system_of(document: Document) -> System:
    plain = to_plain(document.root)
    if not isinstance(plain, dict):
        raise TypeError("a document's root is a mapping")
    problems = list(_schema_problems(document, plain.pop("schema", None)))
    system, faults = structure.structure(plain)
    problems += [_problem(document, fault) for fault in faults]
    for flaw in flaws(system):
        path = _keys(flaw.path)
        if not any(_related(path, fault.path) for fault in faults):
            problems.append(_problem(document, structure.FileProblem(path, flaw.what, flaw.remedy)))
    if problems:
        raise InputError(sorted(problems, key=lambda problem: (problem.place.line, problem.place.column)))
    return evolve(system, marks=dict(_marks(document, document.root, system, "")))


def _related(one: structure.Path, other: structure.Path) -> bool:
    """Whether one lies inside the other: what is wrong with a mended value is not told again."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def _schema_problems(document: Document, schema: object) -> Iterator[Problem]:
    if schema == SCHEMA:
        return
    node = document.root.get("schema")
    if node is None:
        yield Problem(Place(document.file, 1, 1), "'schema' is missing", f"begin with `schema: {SCHEMA}`")
        return
    what = f"schema {schema!r} is not one that this version reads"
    yield Problem(node.place, what, f"write `schema: {SCHEMA}`, or use the version of secondsite that wrote it")


def _keys(path: tuple[str | int, ...]) -> structure.Path:
    """A path of attributes as one of keys."""
    noun: type[Noun] | None = System
    keys: list[str | int] = []
    for part in path:
        if isinstance(part, str) and noun:
            field = next(field for field in fields_of(noun) if field.attribute == part)
            keys.append(field.key)
            noun = field.noun
        else:
            keys.append(part)
    return tuple(keys)


def _problem(document: Document, fault: structure.FileProblem) -> Problem:
    node: Node = document.root
    place = node.place
    for part in fault.path:
        if isinstance(node, MapNode) and part in node.entries:
            key = str(part)
            block = isinstance(node.entries[key], (MapNode, ListNode))
            place = node.keys[key] if fault.of_key or block else node.entries[key].place
            node = node.entries[key]
        elif isinstance(node, ListNode) and isinstance(part, int):
            node = node.items[part]
            place = node.place
        else:
            break
    return Problem(place, fault.what, fault.remedy)


def _marks(
    document: Document, node: MapNode, noun: Noun, path: str, *, item: bool = False
) -> Iterator[tuple[str, Mark]]:
    """Marks of all entries; the comment behind an item's first entry speaks of the item."""
    first = next(iter(node.entries), None) if item else None
    for key, field in keys_of(type(noun)).items():
        value = node.get(key)
        if value is None:
            continue
        below, what = join(path, key), getattr(noun, field.attribute)
        if key != first:
            yield below, _mark(document, node.keys[key], value)
        yield from _marks_below(document, field, value, what, below)


def _marks_below(document: Document, field: Field, value: Node, what: Noun, path: str) -> Iterator[tuple[str, Mark]]:
    if field.kind is FieldShape.NOUN and isinstance(value, MapNode):
        yield from _marks(document, value, what, path)
    elif field.kind is FieldShape.NOUNS and isinstance(value, ListNode):
        for item, noun in zip(value.items, what, strict=True):
            if isinstance(item, MapNode):
                below = join(path, identity(noun))
                yield below, _item_mark(document, item, value)
                yield from _marks(document, item, noun, below, item=True)


def _item_mark(document: Document, item: MapNode, within: ListNode) -> Mark:
    if document.is_flow(within):
        return Mark(Knowledge.WRITTEN, item.place)
    if document.is_flow(item) or not item.entries:
        return _mark(document, None, item)
    key, value = next(iter(item.entries.items()))
    return _mark(document, item.keys[key], value)


def _mark(document: Document, key: Place | None, value: Node) -> Mark:
    """Inside braces there is no room for a comment of one's own; what is behind the last one speaks of the whole."""
    here = key or value.place
    if key and document.inside_flow(key):
        return Mark(Knowledge.WRITTEN, here)
    comment = document.comment_at(document.comment_start(key, value))
    return (comment and mark_of(comment[2], here)) or Mark(Knowledge.WRITTEN, here)
