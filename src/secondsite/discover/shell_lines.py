"""The commands of a shell script, with its own variables, loops and functions written out as far as they can be known.

No shell: words, assignments of plain values, ``for NAME in WORDS`` and functions with their parameters are understood.
A word with a variable that only the run knows keeps its ``$``, and whoever asks sees that.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from secondsite.model.place import Place

MAX_COMMANDS = 20_000
"""Of a script with everything written out: loops and functions within each other have no other end."""

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*|[1-9@*])|\{([A-Za-z_]\w*|[1-9@*])(?::?-([^}$]*))?\})")
_ALL_PARAMETERS = re.compile(r"\$(?:[@*]|\{[@*](?::([1-9]))?\})")
_ENDS = frozenset({";", "&&", "||", "|", "&", ";;"})
_OPENERS = frozenset({"do", "then", "else", "{", "(", "!", "exec", "time", "if", "elif"})
_ASSIGNING = (["export"], ["local"], ["readonly"])
_MAX_DEPTH = 20


@frozen
class Command:
    place: Place
    words: tuple[str, ...]


@define
class _Loop:
    name: str
    values: tuple[str, ...]
    body: list[Command] = field(factory=list)


@define
class _Function:
    name: str
    body: list[Command] = field(factory=list)
    open_braces: int = 0
    called: bool = False


def logical_lines(text: str, first: Place) -> Iterator[tuple[Place, str]]:
    """Lines without comments, those that end in a backslash joined, each with the place of its first part."""
    held, start = "", 0
    for number, line in enumerate(text.splitlines()):
        if not held:
            start = number
        if line.lstrip().startswith("#"):
            continue
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        yield Place(first.file, first.line + start), held + line
        held = ""
    if held:
        yield Place(first.file, first.line + start), held


def commands(text: str, first: Place, given: Mapping[str, str]) -> Iterator[Command]:
    """In order, those of functions that nobody calls last. ``given``: variables of the environment."""
    script = _Script(dict(given))
    for place, line in logical_lines(text, first):
        for words in _split(line):
            yield from script.take(Command(place, words))
    for function in list(script.functions.values()):
        if not function.called:
            yield from script.call(function, None)


@define
class _Script:
    known: dict[str, str]
    loops: list[_Loop] = field(factory=list)
    functions: dict[str, _Function] = field(factory=dict)
    defining: _Function | None = None
    parameters: tuple[str, ...] | None = None
    left: int = MAX_COMMANDS
    depth: int = 0

    def take(self, command: Command) -> Iterator[Command]:
        """What the words come to: an assignment is noted, a loop or a function kept for later, a command given."""
        self.left -= 1
        if self.left < 0 or self._defined(command):
            return
        words = command.words
        while words and words[0] in _OPENERS:
            words = words[1:]
        if not words:
            return
        if words[0] == "for" and len(words) > 3 and words[2] == "in":
            values = tuple(one for word in words[3:] for part in self._parts(word) for one in part.split())
            self.loops.append(_Loop(words[1], values))
        elif words[0] in ("while", "until"):
            self.loops.append(_Loop("", ("",)))
        elif words[0] == "done":
            yield from self._closed()
        elif self.loops:
            self.loops[-1].body.append(Command(command.place, words))
        else:
            yield from self._run(Command(command.place, words))

    def call(self, function: _Function, parameters: tuple[str, ...] | None) -> Iterator[Command]:
        """The commands of a function; the parameters are unknown where nobody calls it."""
        function.called = True
        if self.depth >= _MAX_DEPTH:
            return
        before, self.parameters = self.parameters, parameters
        self.depth += 1
        for command in function.body:
            yield from self.take(command)
        self.depth -= 1
        self.parameters = before

    def _defined(self, command: Command) -> bool:
        """Whether the command belongs to the definition of a function."""
        words = command.words
        if self.defining is None:
            name, rest = _definition(words)
            if not name:
                return False
            self.defining = _Function(name)
            return not rest or self._defined(Command(command.place, rest))
        if words[0] == "{":
            self.defining.open_braces += 1
        elif words[0] == "}":
            self.defining.open_braces -= 1
        if not self.defining.open_braces:
            ended, self.defining = self.defining, None
            if words[0] == "}":
                self.functions[ended.name] = ended
            return words[0] == "}"
        self.defining.body.append(command)
        return True

    def _closed(self) -> Iterator[Command]:
        if not self.loops:
            return
        loop = self.loops.pop()
        known = all("$" not in value and "*" not in value for value in loop.values)
        outside = self.known.pop(loop.name, None)
        for value in (loop.values if known else ()) or (f"${loop.name}",):
            if known:
                self.known[loop.name] = value
            for command in loop.body:
                self.left -= 1
                if self.left < 0:
                    return
                if self.loops:
                    words = tuple(_one(word, loop.name, value) for word in command.words)
                    self.loops[-1].body.append(Command(command.place, words))
                else:
                    yield from self._run(command)
        self.known.pop(loop.name, None)
        if outside is not None:
            self.known[loop.name] = outside

    def _run(self, command: Command) -> Iterator[Command]:
        words = [part for word in command.words for part in self._parts(word)]
        while words and (match := _ASSIGNED.fullmatch(words[0])):
            self._assign(match[1], match[2])
            words = words[1:]
        if words[:1] in _ASSIGNING:
            for word in words[1:]:
                if match := _ASSIGNED.fullmatch(word):
                    self._assign(match[1], match[2])
        elif words[:1] == ["shift"]:
            count = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 1
            self.parameters = self.parameters[count:] if self.parameters else self.parameters
        elif words and words[0] in self.functions:
            yield from self.call(self.functions[words[0]], tuple(words[1:]))
        elif words:
            yield Command(command.place, tuple(words))

    def _assign(self, name: str, value: str) -> None:
        if "$" in value or "`" in value:
            self.known.pop(name, None)
        else:
            self.known[name] = value

    def _parts(self, word: str) -> tuple[str, ...]:
        match = _ALL_PARAMETERS.fullmatch(word)
        if match and self.parameters is not None:
            return self.parameters[int(match[1] or 1) - 1 :]
        return (self._expanded(word),)

    def _expanded(self, word: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            otherwise = match[3] if match[3] is not None else match[0]
            if not (name.isdecimal() or name in "@*"):
                return self.known.get(name, otherwise)
            if self.parameters is None:
                return otherwise
            given = self.parameters if name in "@*" else self.parameters[int(name) - 1 : int(name)]
            return " ".join(given) or match[3] or ""

        return _VARIABLE.sub(value, word)


def _definition(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The name of the function that the words begin to define, and what follows; an empty name for none."""
    if words[0] == "function" and len(words) > 1:
        return words[1], words[3:] if words[2:3] == ("()",) else words[2:]
    return (words[0], words[2:]) if words[1:2] == ("()",) else ("", ())


def _one(word: str, name: str, value: str) -> str:
    return _VARIABLE.sub(lambda match: value if name in (match[1], match[2]) else match[0], word)


def _split(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line; a quoted word stays whole."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&()<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    parts: list[str] = []
    try:
        words = list(lexer)
    except ValueError:
        words = line.split()
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _ENDS or word in ("(", ")"):
            if parts:
                yield tuple(parts)
            parts = []
        elif set(word) <= {"<", ">", "&"}:
            skip = True
            if parts and parts[-1].isdecimal():
                parts.pop()
        else:
            parts.append(word)
    if parts:
        yield tuple(parts)
