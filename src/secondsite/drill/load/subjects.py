"""Subjects of the load: by the grammar of what a stream listens on, so that every write of it is taken.

A template holds ``{key}`` where the key of a write goes; one without is used as it is, for each of its keys.
"""

from __future__ import annotations

from collections.abc import Iterable

KEY = "{key}"
_WORD = "load"


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
