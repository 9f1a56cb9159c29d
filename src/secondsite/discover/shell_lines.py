"""The commands of a shell script, with its own variables and loops written out as far as they can be known.

No shell: words, assignments of plain values and ``for NAME in WORDS`` are understood. A word with a variable that only
the run knows keeps its ``$``, and whoever asks sees that.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from secondsite.model.place import Place

MAX_COMMANDS = 20_000

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^}$]*))?\})")
_ENDS = frozenset({";", "&&", "||", "|", "&", ";;"})
_OPENERS = frozenset({"do", "then", "else", "{", "(", "!", "exec", "time"})


@frozen
class Command:
    place: Place
    words: tuple[str, ...]


@define
class _Loop:
    name: str
    values: tuple[str, ...]
    body: list[Command] = field(factory=list)


def commands(text: str, first: Place, given: Mapping[str, str]) -> Iterator[Command]:
    """In order. ``given`` are variables of the environment; assignments of the script come on top."""
    from secondsite.discover.stream_calls import logical_lines

    known = dict(given)
    loops: list[_Loop] = []
    count = 0
    for place, line in logical_lines(text, first):
        for words in _split(line):
            for command in _taken(Command(place, words), known, loops):
                count += 1
                if count > MAX_COMMANDS:
                    return
                yield command


def _taken(command: Command, known: dict[str, str], loops: list[_Loop]) -> list[Command]:
    """What the words come to: an assignment is noted, a loop opened or closed, a command kept for its loop or given."""
    words = command.words
    while words and words[0] in _OPENERS:
        words = words[1:]
    if not words:
        return []
    if words[0] == "for" and len(words) > 3 and words[2] == "in":
        values = tuple(part for word in words[3:] for part in _expanded(word, known).split())
        loops.append(_Loop(words[1], values))
        return []
    if words[0] == "done":
        return _closed(loops, known) if loops else []
    if loops:
        loops[-1].body.append(Command(command.place, words))
        return []
    return _run(Command(command.place, words), known)


def _closed(loops: list[_Loop], known: dict[str, str]) -> list[Command]:
    loop = loops.pop()
    commands: list[Command] = []
    values = loop.values if all("$" not in value and "*" not in value for value in loop.values) else ()
    for value in values or (f"${loop.name}",):
        inner = {**known, loop.name: value} if values else {k: v for k, v in known.items() if k != loop.name}
        for command in loop.body:
            if loops:
                loops[-1].body.append(
                    Command(command.place, tuple(_one(word, loop.name, value) for word in command.words))
                )
            else:
                commands += _run(command, inner)
        known |= {key: text for key, text in inner.items() if key != loop.name}
        if len(commands) > MAX_COMMANDS:
            break
    return commands


def _one(word: str, name: str, value: str) -> str:
    return _VARIABLE.sub(lambda match: value if name in (match[1], match[2]) else match[0], word)


def _run(command: Command, known: dict[str, str]) -> list[Command]:
    words = [_expanded(word, known) for word in command.words]
    while words and (match := _ASSIGNED.fullmatch(words[0])):
        if "$" in match[2] or "`" in match[2]:
            known.pop(match[1], None)
        else:
            known[match[1]] = match[2]
        words = words[1:]
    if words[:1] in (["export"], ["local"], ["readonly"]):
        for word in words[1:]:
            if (match := _ASSIGNED.fullmatch(word)) and "$" not in match[2]:
                known[match[1]] = match[2]
        return []
    return [Command(command.place, tuple(words))] if words else []


def _expanded(word: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return known.get(name, match[3] if match[3] is not None else match[0])

    return _VARIABLE.sub(value, word)


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
