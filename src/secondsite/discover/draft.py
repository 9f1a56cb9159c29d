"""The attributes of a noun as they are found, each with its mark.

Nouns are frozen; what manifests say about one lies in several objects. A draft collects it, and the marks come
out keyed as the System wants them.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from attrs import define, field

from secondsite.discover.resources import YamlNode
from secondsite.model.errors import InputError, Problem
from secondsite.model.mark import Knowledge, Mark, key_of
from secondsite.model.place import Place

Quantity: TypeAlias = Literal["whole", "seconds", "size", "cores"]


@define
class Draft:
    """``values`` are keyword arguments of the noun; ``marks`` are keyed relative to it (empty: the noun itself).

    ``unread`` is what stands there and cannot be understood: the value is unknown, and told.
    """

    values: dict[str, Any] = field(factory=dict)
    marks: dict[str, Mark] = field(factory=dict)
    unread: list[Problem] = field(factory=list)

    def read(self, attribute: str, value: object, where: YamlNode | Place | None, why: str = "") -> None:
        """Take a value that was read; None is not found, and leaves what the noun has."""
        if value is None:
            return
        self.values[attribute] = value
        self.mark(key_of(attribute), where, why)

    def take(self, attribute: str, kind: Quantity, at: YamlNode) -> None:
        """Take a number or quantity; one that cannot be read is unknown at its place."""
        try:
            self.read(attribute, getattr(at, kind), at)
        except InputError as error:
            self.unknown(attribute, error)

    def unknown(self, attribute: str, error: InputError) -> None:
        """What the noun has stays, marked as assumed with the reason."""
        problem = error.problems[0]
        self.marks[key_of(attribute)] = Mark(Knowledge.ASSUMED, problem.place, problem.what)
        self.unread.extend(error.problems)

    def mark(self, key: str, where: YamlNode | Place | None, why: str = "") -> None:
        place = where.place if isinstance(where, YamlNode) else where
        if place is not None:
            self.marks[key] = Mark(Knowledge.READ, place, why)

    def assume(self, attribute: str, value: object, why: str) -> None:
        if value is not None:
            self.values[attribute] = value
        self.marks[key_of(attribute)] = Mark(Knowledge.ASSUMED, why=why)

    def nest(self, key: str, inner: Draft) -> None:
        """Take over the marks of a noun inside this one."""
        self.marks.update(under(key, inner.marks))
        self.unread += inner.unread


def under(prefix: str, marks: dict[str, Mark]) -> dict[str, Mark]:
    return {".".join(filter(None, (prefix, key))): mark for key, mark in marks.items()}
