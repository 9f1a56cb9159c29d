"""The algebra of NATS subjects: ``*`` stands for one token, a final ``>`` for one or more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest


def overlap(left: str, right: str) -> bool:
    """Whether some message could match both."""
    for one, other in zip_longest(left.split("."), right.split(".")):
        if one is None or other is None:
            return False
        if ">" in (one, other):
            return True
        if "*" not in (one, other) and one != other:
            return False
    return True


def covers(wide: str, narrow: str) -> bool:
    """Whether every message that matches ``narrow`` matches ``wide``."""
    for one, other in zip_longest(wide.split("."), narrow.split(".")):
        if one is None or other is None:
            return False
        if one == ">":
            return True
        if other == ">" or (one not in ("*", other)):
            return False
    return True


class SubjectIndex:
    """Many subjects, asked which of them overlap one, without looking at each."""

    def __init__(self, subjects: Iterable[str]) -> None:
        self._by_token: dict[str, list[str]] = defaultdict(list)
        for subject in sorted(subjects):
            self._by_token[_first(subject)].append(subject)

    def overlapping(self, subject: str) -> Iterator[str]:
        token = _first(subject)
        near = chain.from_iterable(self._by_token.values()) if not token else self._near(token)
        return (other for other in near if overlap(subject, other))

    def _near(self, token: str) -> Iterator[str]:
        return chain(self._by_token.get(token, ()), self._by_token.get("", ()))


def _first(subject: str) -> str:
    """The first token; empty for a wildcard, which is near every token."""
    token = subject.split(".", 1)[0]
    return "" if token in ("*", ">") else token
