"""NATS's own configuration grammar, read as nats-server reads it, with the place of every value.

A System is read on a machine that is not the server: variables of the pod's environment and included files
that are not at hand are therefore no error but a note, and the value is `Unresolved`. Whatever the text,
parsing ends: text, nesting, includes and the values that variables repeat are bounded.

Differences from nats-server 2.15.1, all on purpose: the official Helm chart's ``<< $NAME >>`` is understood;
NUL characters, unclosed quotes at the very end, a map key without a value, unknown units after a number and
numbers beyond 64 bits are errors here, where the server drops or wraps the value; an empty text is a Conf.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping

from attrs import Factory, define, field, frozen

from secondsite.discover.nats_text import Cursor, Reference
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

Path = tuple[str | int, ...]
Include = Callable[[str], tuple[str, str]]

MAX_CHARACTERS = 4 * 2**20  # a ConfigMap holds 1 MiB; includes add up
MAX_DEPTH = 64
MAX_FILES_DEEP = 16
MAX_VALUES = 200_000

_HELM = re.compile(r"<<([^<>\n]*)>>")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # anything else may be a secret that lacks its quotes
_BCRYPT = "2a$"
_CLOSE = {
    "map": "write } at its end",
    "array": "write ] at its end (after a number only with a space between: 1] is a string to the server)",
}
_SPLIT_REMEDY = "split the file, or point secondsite at the part that matters"


@frozen
class Unresolved:
    """A variable that only the server's own environment knows."""

    name: str


@frozen
class Conf:
    """``values`` nests dict, list, str, int, float, bool, datetime and Unresolved. It may hold secrets: no repr.

    ``missing`` are included files that were not at hand: what is not set may be set there.
    """

    file: str
    values: dict[str, object] = field(repr=False)
    places: Mapping[Path, Place] = field(repr=False, factory=dict)
    notes: tuple[Problem, ...] = ()
    missing: tuple[str, ...] = ()

    def place(self, path: Path) -> Place:
        """Where the value at ``path`` stands (its key), or the nearest value around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return Place(self.file)


def parse_conf(
    text: str,
    file: str,
    *,
    first_line: int = 1,
    indent: int = 0,
    include: Include | None = None,
    environment: Mapping[str, str] | None = None,
) -> Conf:
    """Parse ``text``, which stands in ``file`` from ``first_line`` on, indented by ``indent`` columns.

    ``include(name)`` gives the text and the file of an include, its name normalised and relative to ``file``;
    it raises KeyError for one it does not have. Raises InputError.
    """
    shared = _Shared(include, environment or {})
    parser = _Parser(Cursor(text, file, first_line, indent), shared)
    parser.file()
    return Conf(file, parser.values, shared.places, tuple(shared.notes), tuple(shared.missing))


@define
class _Shared:
    """What a file, its includes and the values from the environment have in common."""

    include: Include | None
    environment: Mapping[str, str]
    places: dict[Path, Place] = Factory(dict)
    notes: list[Problem] = Factory(list)
    missing: list[str] = Factory(list)
    characters: int = 0
    values: int = 0


@define
class _Parser:
    cursor: Cursor
    shared: _Shared
    path: Path = ()
    files: tuple[str, ...] = ()
    values: dict[str, object] = Factory(dict)
    scopes: list[dict[str, object]] = Factory(list)

    def file(self) -> None:
        """The whole text, with or without braces around it."""
        self._check_text()
        cursor, blocks = self.cursor, 0
        self.scopes.append(self.values)
        while True:
            cursor.skip_blank()
            if not cursor.here:
                return
            if cursor.take("{"):
                blocks += 1
            elif cursor.take("}"):
                blocks = self._close_block(blocks)
            elif cursor.here == "/":
                raise cursor.error("'/' where a key should be", "write // or # before a comment")
            else:
                self._statement(self.values, self.path)
                blocks = self._end_statement(blocks)

    def _check_text(self) -> None:
        text = self.cursor.text
        self.shared.characters += len(text)
        if self.shared.characters > MAX_CHARACTERS:
            raise self.cursor.error(f"the configuration is longer than {MAX_CHARACTERS} characters", _SPLIT_REMEDY)
        if "\0" in text:
            at = text.index("\0")
            raise self.cursor.error("a NUL character: this is not a text file", "give a NATS configuration file", at)

    def _close_block(self, blocks: int) -> int:
        if not blocks and self.cursor.text[self.cursor.at :].strip():
            raise self.cursor.error("'}' closes nothing", "delete it", self.cursor.at - 1)
        return max(blocks - 1, 0)

    def _end_statement(self, blocks: int) -> int:
        cursor = self.cursor
        cursor.skip_inline()
        if cursor.take("}"):
            return max(blocks - 1, 0)
        if cursor.skip_comment() or cursor.take("\n\r;,") or not (cursor.here or blocks):
            return blocks
        if not cursor.here:
            raise cursor.error("the text ends inside braces", "write } at the end")
        raise cursor.error("more text after a value", "begin a new line, or quote the value if this belongs to it")

    def _statement(self, scope: dict[str, object], path: Path) -> None:
        """``key value`` or ``include file``."""
        cursor, place = self.cursor, self.cursor.place()
        key, spaced = cursor.key()
        if spaced and key.lower() == "include":
            self._include(scope, path, place)
            return
        at = (*path, key)
        self._separator(in_map=scope is not self.values)
        scope[key] = self._value(at)
        self.shared.places[at] = place

    def _separator(self, *, in_map: bool) -> None:
        """``=``, ``:`` or white space between key and value; only inside a map may a line end after it."""
        cursor = self.cursor
        cursor.skip_gap()
        if cursor.take("=:"):
            cursor.skip_inline()
            if in_map:
                cursor.skip_gap()
        elif not cursor.here:
            raise cursor.error("a key without a value", "write a value after it, or delete the key")
        if cursor.here in ("\n", "\r"):
            raise cursor.error("a line ends before the value", "write the value on the same line as its key")
        if in_map and (not cursor.here or cursor.here in ",}"):
            raise cursor.error("a key without a value", "write a value after it, or delete the key")

    def _value(self, path: Path) -> object:
        """The value at the cursor, with what variables stand for."""
        cursor = self.cursor
        self._count(1)
        start = cursor.at
        if cursor.here in ("{", "["):
            if len(path) > MAX_DEPTH:
                raise cursor.error(f"nested more than {MAX_DEPTH} deep", "flatten it: no NATS option is that deep")
            cursor.at += 1
            return self._map(path) if cursor.text[start] == "{" else self._array(path)
        helm = _HELM.match(cursor.text, start)
        if helm:
            cursor.at = helm.end()
            return self._fragment(helm[1].strip(), start)
        value = cursor.scalar()
        if isinstance(value, Reference):
            return self._variable(value.name, start)
        helm = _HELM.fullmatch(value) if isinstance(value, str) and cursor.text.startswith('"', start) else None
        return self._fragment(helm[1].strip(), start) if helm else value

    def _map(self, path: Path) -> dict[str, object]:
        cursor, start = self.cursor, self.cursor.at - 1
        entries: dict[str, object] = {}
        self.scopes.append(entries)
        while True:
            cursor.skip_blank()
            if cursor.take("}"):
                break
            if not cursor.here:
                raise cursor.error("a map is not closed", _CLOSE["map"], start)
            if cursor.here in "],;":
                raise cursor.error(f"'{cursor.here}' where a key should be", "delete it, or write a key before it")
            self._statement(entries, path)
            if self._end_item("}", "map", start):
                break
        self.scopes.pop()
        return entries

    def _array(self, path: Path) -> list[object]:
        cursor, start = self.cursor, self.cursor.at - 1
        items: list[object] = []
        while True:
            cursor.skip_blank()
            if cursor.take("]"):
                return items
            if not cursor.here:
                raise cursor.error("an array is not closed", _CLOSE["array"], start)
            if cursor.here == ",":
                raise cursor.error("',' without a value before it", "delete it, or write a value before it")
            at = (*path, len(items))
            self.shared.places[at] = cursor.place()
            items.append(self._value(at))
            if self._end_item("]", "array", start):
                return items

    def _end_item(self, closing: str, kind: str, start: int) -> bool:
        """Step over what separates items; whether the map or array ends instead."""
        cursor = self.cursor
        cursor.skip_inline()
        while cursor.skip_comment():
            cursor.skip_inline()
        if cursor.take(closing):
            return True
        if cursor.take("\n\r," if kind == "array" else "\n\r,;"):
            return False
        if cursor.here:
            remedy = f"write a comma or a new line before it, or {closing} to end the {kind}"
            raise cursor.error(f"more text after a value in {_article(kind)}", remedy)
        raise cursor.error(f"{_article(kind)} is not closed", _CLOSE[kind], start)

    def _variable(self, name: str, start: int) -> object:
        """Scopes from the inside out, then the environment; bcrypt hashes need no quotes."""
        if name.startswith(_BCRYPT):
            return f"${name}"
        for scope in reversed(self.scopes):
            if name in scope:
                self._count(_size(scope[name], MAX_VALUES - self.shared.values))
                return scope[name]
        if name in self.shared.environment:
            return self._fragment(self.shared.environment[name], start, f"${name}")
        plain = name.removeprefix("{")  # as in the environment of a pod that is a template itself
        shown = plain if _NAME.fullmatch(plain) else "…"
        what = f"${shown} is not known here"
        remedy = f"set {shown} in the environment if what it stands for matters"
        if shown == "…":
            what, remedy = "this value is not known here: it begins with a variable", "quote it if it is meant as text"
        self.shared.notes.append(Problem(self.cursor.place(start), what, remedy))
        return Unresolved(shown)

    def _fragment(self, text: str, start: int, file: str = "") -> object:
        """A value that stands elsewhere as text: in the environment, or between Helm's angle brackets."""
        if len(self.files) >= MAX_FILES_DEEP:
            raise self.cursor.error("a variable refers to itself", "set it to a plain value", start)
        place = self.cursor.place(start)
        cursor = Cursor(f"value={text}", file or place.file, 1 if file else place.line)
        shared = _Shared(None, self.shared.environment)
        scopes = [] if file else list(self.scopes)
        parser = _Parser(cursor, shared, (), (*self.files, file), scopes=scopes)
        shared.characters, shared.values = self.shared.characters, self.shared.values
        parser.file()
        self.shared.characters, self.shared.values = shared.characters, shared.values
        self.shared.notes += [Problem(place, note.what, note.remedy) for note in shared.notes]
        if len(parser.values) != 1 or "value" not in parser.values:
            raise self.cursor.error("a variable that does not hold one value", "set it to a plain value", start)
        return parser.values["value"]

    def _include(self, scope: dict[str, object], path: Path, place: Place) -> None:
        written = self.cursor.include_name()
        name = posixpath.normpath(posixpath.join(posixpath.dirname(self.files[-1]) if self.files else "", written))
        if name in self.files or len(self.files) >= MAX_FILES_DEEP:
            what = "includes itself" if name in self.files else f"includes are nested more than {MAX_FILES_DEEP} deep"
            raise InputError([Problem(place, f"'{name}': {what}", "remove one of the includes")])
        try:
            text, file = self.shared.include(name) if self.shared.include else _missing(name)
        except KeyError:
            what = f"the included '{name}' is not among the files read"
            self.shared.notes.append(Problem(place, what, "add it to the paths if what is in it matters"))
            self.shared.missing.append(name)
            return
        parser = _Parser(Cursor(text, file), self.shared, path, (*self.files, name))
        parser.file()
        scope.update(parser.values)

    def _count(self, values: int) -> None:
        self.shared.values += values
        if self.shared.values >= MAX_VALUES:
            raise self.cursor.error(f"more than {MAX_VALUES} values", _SPLIT_REMEDY)


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "array" else f"a {kind}"


def _missing(name: str) -> tuple[str, str]:
    raise KeyError(name)


def _size(value: object, limit: int) -> int:
    """How many values there are in ``value``; counting stops soon after ``limit``."""
    count, waiting = 0, [value]
    while waiting and count <= limit:
        count += 1
        waiting.extend(_inside(waiting.pop()))
    return count


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
