"""Subjects of the load: by the grammar of what a stream listens on, so that every write of it is taken.

A template holds ``{key}`` where the key of a write goes; one without is used as it is, for each of its keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from secondsite.drill.ledger.finals import ANY_WORD, ANY_WORDS

KEY = "{key}"
_WORD = "load"
_WILDCARD = re.compile(r"\$(\d+)|\{\{\s*wildcard\(\s*(\d+)\s*\)\s*\}\}", re.IGNORECASE)
_FUNCTION = re.compile(r"\{\{.*?\}\}")
_SEVERAL = ("split", "slice")


def template_of(pattern: str) -> str:
    """``orders.*.created`` is ``orders.{key}.created``, ``orders.>`` is ``orders.load.{key}``; words stay words."""
    words = pattern.split(".")
    if words[-1] == ">":
        return ".".join([*(_WORD if word == "*" else word for word in words[:-1]), _WORD, KEY])
    if "*" not in words:
        return pattern
    last = len(words) - 1 - words[::-1].index("*")
    return ".".join(KEY if place == last else _WORD if word == "*" else word for place, word in enumerate(words))


def templates_of(patterns: Iterable[str]) -> tuple[str, ...]:
    """One for each subject that a stream listens on, so that each of them is written to."""
    return tuple(dict.fromkeys(template_of(pattern) for pattern in patterns))


def transformed(template: str, source: str, target: str) -> str:
    """Where a stream whose subjects are mapped from ``source`` to ``target`` stores what is written to the template.

    What only the server can work out (a partition, a part of a word) is any word, or any words.
    """
    captured = _captured(template.split("."), (source or ">").split("."))
    if captured is None or not target:
        return template
    words, rest = captured
    made = [_made(word, words) for word in _words(target)]
    return ".".join([*made[:-1], *rest] if made[-1] == ">" else made)


def _captured(words: list[str], pattern: list[str]) -> tuple[list[str], list[str]] | None:
    """What the wildcards of the pattern stand for; None where it does not match."""
    tail = pattern[-1] == ">"
    fixed = pattern[:-1] if tail else pattern
    if len(words) < len(fixed) + tail or (not tail and len(words) != len(fixed)):
        return None
    if any(want not in ("*", word) for want, word in zip(fixed, words, strict=False)):
        return None
    return [word for want, word in zip(fixed, words, strict=False) if want == "*"], words[len(fixed) :]


def _words(target: str) -> list[str]:
    """Dots within a function are its own."""
    return re.split(r"\.(?![^{]*\}\})", target)


def _made(word: str, captured: list[str]) -> str:
    def wildcard(found: re.Match[str]) -> str:
        number = int(found[1] or found[2])
        return captured[number - 1] if 0 < number <= len(captured) else found[0]

    def function(found: re.Match[str]) -> str:
        return ANY_WORDS if found[0].strip("{} ").lower().startswith(_SEVERAL) else ANY_WORD

    return _FUNCTION.sub(function, _WILDCARD.sub(wildcard, word))
