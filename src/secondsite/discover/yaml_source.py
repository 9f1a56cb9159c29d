"""YAML as a tree of nodes that know where they stand, from text that may be hostile.

Every value that is read can be shown with file and line, and every error too. What always holds: the answer is
a list of documents or an `InputError`; never a hang, never another exception. Aliases are kept shared in memory
and counted as if they were written out, so that a small file cannot unfold into a large one. Merge keys (``<<``) are
applied.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from attrs import define, field, frozen
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.events import Event

from secondsite.discover import yaml_scalars
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

MAX_FILE_BYTES = 20_000_000
MAX_NODES = 500_000
MAX_ALIAS_EXPANSION = 200_000
MAX_DEPTH = 100
MAX_PROBLEMS = 50

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

# The scanner of the library meets some malformed input with these instead of its own errors.
_SCANNER_ERRORS = (ValueError, OverflowError, IndexError, AttributeError, TypeError, KeyError, AssertionError)


@frozen(eq=False)
class ScalarNode:
    """``value`` is resolved, ``text`` as written; ``block`` is true for ``|`` and ``>``, whose lines are indented.

    ``merges``: as a key it is YAML's merge key, which a quoted ``"<<"`` is not.
    """

    value: str | int | float | bool | None
    text: str
    place: Place
    block: bool = False
    indent: int = 0
    merges: bool = False

    @property
    def first_line(self) -> int:
        """The line of the file where the text's own first line stands."""
        return self.place.line + 1 if self.block else self.place.line


@frozen(eq=False)
class ListNode:
    items: tuple[Node, ...]
    place: Place


@frozen(eq=False)
class MapNode:
    """``keys`` says where each key stands."""

    entries: dict[str, Node]
    keys: dict[str, Place]
    place: Place

    def get(self, key: str) -> Node | None:
        return self.entries.get(key)


Node: TypeAlias = ScalarNode | ListNode | MapNode


def read_text(path: Path, file: str) -> str:
    """The file's text, within the limits. ``file`` is how it is named in errors. Raises `InputError`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError.at(
                file,
                f"the file has {size:,} bytes, more than the {MAX_FILE_BYTES:,} that are read",
                "split it, or name the files that matter",
            )
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError.at(file, f"cannot be read: {reason}", "name a readable file or folder") from None
    return decoded(data, file)


def decoded(data: bytes, file: str) -> str:
    """Raises `InputError` for what is no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError.at(file, "is UTF-16 text, as PowerShell writes it", "save it as UTF-8")
    if b"\0" in data:
        raise InputError.at(
            file, "is binary, not YAML text", "name only manifests, or give the file another ending than .yaml"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError.at(Place(file, line), "is not UTF-8 text", "save the file as UTF-8") from None


def load_documents(
    text: str, file: str, *, first_line: int = 1, see: Callable[[Event], None] | None = None
) -> list[Node]:
    """All documents of the text, empty ones left out. Raises `InputError` with every problem of the text.

    ``first_line`` is where the text begins when it is embedded in a larger file; columns are then unknown.
    ``see`` is told each event of the parser, which is most of the work: nobody has to parse twice.
    """
    if len(text) > MAX_FILE_BYTES:
        raise InputError.at(
            file, f"the text has more than {MAX_FILE_BYTES:,} characters", "split it, or name the files that matter"
        )
    composer = _Composer(file, first_line, first_line == 1, yaml_scalars.core, text, see)
    return _composed(composer, lambda: YAML(typ="safe", pure=True).parse(text), text)


_VARIABLE = re.compile(r"\$\{([^{}\n]*)\}")
_PRIVATE = range(0xE000, 0xF8FF)
"""Two of these stand for the braces of ``${NAME}`` while a parser reads: within a flow collection, ``{size: ${SIZE}}``,
they are YAML's own until `envsubst` replaced them. A text may hold such characters itself."""


def load_manifests(text: str, file: str, *, first_line: int = 1, columns: bool = True) -> list[Node]:
    """All documents as kubectl and Helm read them, ten times as fast. ``columns``: the text is a part of the file, not
    embedded in it. Raises `InputError`.
    """

    def read(text: str, braces: tuple[str, ...] = ()) -> list[Node]:
        composer = _Composer(file, first_line, columns, yaml_scalars.kubectl, text, braces=braces)
        return _composed(composer, lambda: _fast_events(text), text)

    try:
        return read(text)
    except InputError:
        unused = tuple(islice((chr(code) for code in _PRIVATE if chr(code) not in text), 2))
        if not _VARIABLE.search(text) or len(unused) < 2:
            raise
        opened, closed = unused
        with suppress(InputError):
            return read(_VARIABLE.sub(rf"${opened}\1{closed}", text), (opened, closed))
        raise


def _fast_events(text: str) -> Iterator[Any]:
    """The events of libyaml, where Python was built with it."""
    parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _composed(composer: _Composer, events: Callable[[], Iterable[Any]], text: str) -> list[Node]:
    file, first_line = composer.file, composer.first_line
    try:
        documents = composer.compose(events())
    except (MarkedYAMLError, yaml.MarkedYAMLError) as error:
        raise InputError([_syntax_problem(error, text, file, first_line)]) from None
    except (YAMLError, YAMLStreamError, yaml.YAMLError) as error:
        reason = str(error).split("\n", 1)[0]
        raise InputError.at(
            file, f"is not YAML: {reason}", "correct it; YAML is text of printable characters"
        ) from None
    except _SCANNER_ERRORS as error:
        raise InputError.at(
            file, f"is not YAML ({type(error).__name__}: {error})", "correct the escape, tag or directive in it"
        ) from None
    if composer.problems:
        raise InputError(composer.problems)
    return documents


def to_plain(node: Node | None) -> Plain:
    """The values without their places, as a YAML library would have loaded them."""
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [to_plain(item) for item in node.items]
    return {key: to_plain(value) for key, value in node.entries.items()}


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the order of the text."""
    yield node
    children = node.items if isinstance(node, ListNode) else node.entries.values() if isinstance(node, MapNode) else ()
    for child in children:
        yield from walk(child)


def _syntax_problem(error: MarkedYAMLError | yaml.MarkedYAMLError, text: str, file: str, first_line: int) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + first_line, mark.column + 1) if mark else Place(file)
    what = " ".join(str(part) for part in (error.context, error.problem) if part) or "cannot be parsed"
    first = error.context_mark.line if error.context_mark else place.line - first_line
    if any("{{" in line for line in text.splitlines()[first : place.line - first_line + 1]):
        return Problem(place, f"is a template, not YAML: {what}", "render it first, as with `helm template`")
    return Problem(place, f"is not YAML: {what}", "correct the indentation or quoting there")


@define(eq=False)
class _Open:
    """A collection that is still being read; in a mapping ``key`` is the key that waits for its value.

    ``merges``: what it waits for is taken into the mapping itself.
    """

    place: Place
    anchor: str | None
    mapping: bool
    items: list[Node] = field(factory=list)
    entries: dict[str, Node] = field(factory=dict)
    keys: dict[str, Place] = field(factory=dict)
    merged: list[Node] = field(factory=list)
    key: str | None = None
    merges: bool = False
    size: int = 1


@define(eq=False)
class _Composer:
    """Builds nodes from events without recursion; ``sizes`` counts each anchored node as if written out."""

    file: str
    first_line: int
    columns: bool
    resolve: yaml_scalars.Resolver
    text: str = ""
    see: Callable[[Event], None] | None = None
    lines: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    documents: list[Node] = field(factory=list)
    stack: list[_Open] = field(factory=list)
    anchors: dict[str, tuple[Node, int] | None] = field(factory=dict)
    nodes: int = 0
    expanded: int = 0
    braces: tuple[str, ...] = ()
    """What stands for `{` and `}` in the text; empty where nothing does."""

    def compose(self, events: Iterable[Any]) -> list[Node]:
        """Events of either library: their classes have the same names."""
        for event in events:
            if self.see:
                self.see(event)
            kind = type(event).__name__
            if kind == "ScalarEvent":
                self._add(self._scalar(event), 1, event.anchor)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self._open(event, mapping=kind == "MappingStartEvent")
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self._close()
            elif kind == "AliasEvent":
                self._alias(event)
            elif kind in ("DocumentStartEvent", "DocumentEndEvent"):
                self.anchors.clear()
                self.stack.clear()
        return self.documents

    def _place(self, event: Any) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + self.first_line, mark.column + 1 if self.columns else 0)

    def _scalar(self, event: Any) -> ScalarNode:
        tag = str(event.tag) if event.tag is not None else ""
        plain = not event.style and not tag
        text = event.value
        for brace, hidden in zip("{}", self.braces, strict=False):
            text = text.replace(hidden, brace)
        value = self.resolve(text) if plain or tag in _SCHEMA_TAGS else text
        if event.style in ("|", ">"):
            return ScalarNode(value, text, self._place(event), block=True, indent=self._indent(event))
        return ScalarNode(value, text, self._place(event), merges=plain and text == "<<")

    def _indent(self, event: Any) -> int:
        """How far the lines of a block stand in, by the first one with something on it."""
        self.lines = self.lines or self.text.splitlines()
        for number, line in enumerate(event.value.splitlines()):
            if line.strip():
                at = event.start_mark.line + 1 + number
                source = self.lines[at] if at < len(self.lines) else ""
                return max(_blanks(source) - _blanks(line), 0)
        return 0

    def _open(self, event: Any, *, mapping: bool) -> None:
        place = self._place(event)
        if len(self.stack) >= MAX_DEPTH:
            raise InputError.at(place, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
        if event.anchor:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(place, event.anchor, mapping))

    def _close(self) -> None:
        done = self.stack.pop()
        node: Node
        if done.mapping:
            self._merge(done)
            node = MapNode(done.entries, done.keys, done.place)
        else:
            node = ListNode(tuple(done.items), done.place)
        self._add(node, done.size, done.anchor)

    def _alias(self, event: Any) -> None:
        place = self._place(event)
        if event.anchor not in self.anchors:
            raise InputError.at(place, f"*{event.anchor} refers to no anchor before it", f"define &{event.anchor}")
        known = self.anchors[event.anchor]
        if known is None:
            raise InputError.at(place, f"*{event.anchor} contains itself", "write the value out")
        node, size = known
        self.expanded += size
        if self.expanded > MAX_ALIAS_EXPANSION:
            raise InputError.at(
                place,
                f"aliases unfold to more than {MAX_ALIAS_EXPANSION:,} values",
                "write the values out, or use fewer aliases",
            )
        self._add(node, size, None)

    def _add(self, node: Node, size: int, anchor: str | None) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise InputError.at(node.place, f"the file has more than {MAX_NODES:,} values", "split it")
        if anchor:
            self.anchors[anchor] = (node, size)
        if not self.stack:
            if not (isinstance(node, ScalarNode) and node.value is None):
                self.documents.append(node)
            return
        parent = self.stack[-1]
        parent.size += size
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is None:
            self._take_key(parent, node)
        else:
            self._take_value(parent, parent.key, node)

    def _take_key(self, parent: _Open, node: Node) -> None:
        if not isinstance(node, ScalarNode):
            remedy = "write a plain key; if this is a template ({{ … }}), render it first, as with `helm template`"
            raise InputError.at(node.place, "a mapping's key is itself a collection", remedy)
        if node.text in parent.keys:
            self._report(
                Problem(
                    node.place,
                    f"{node.text!r} is written twice, first at line {parent.keys[node.text].line}",
                    "keep one of the two",
                )
            )
        parent.key, parent.merges = node.text, node.merges
        if not node.merges:
            parent.keys[node.text] = node.place

    def _take_value(self, parent: _Open, key: str, node: Node) -> None:
        parent.key = None
        if not parent.merges:
            parent.entries[key] = node
            return
        parent.merged.extend(node.items if isinstance(node, ListNode) else (node,))

    def _merge(self, done: _Open) -> None:
        for source in done.merged:
            if not isinstance(source, MapNode):
                self._report(Problem(source.place, "<< takes a mapping or a list of them", "name an anchored mapping"))
                continue
            for key, value in source.entries.items():
                if key not in done.entries:
                    done.entries[key] = value
                    done.keys[key] = source.keys[key]

    def _report(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


_SCHEMA_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
