"""What was discovered last, what a person made of it and what is discovered now -> one System.

A three-way merge, value by value; lists are keyed by name. What a person wrote stays, always, and is told when
what was discovered disagrees. What only the tool ever wrote follows what is discovered. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field, frozen, has

from secondsite.discover.system_file.schema import (
    Field,
    FieldShape,
    Noun,
    canonical,
    fields_of,
    identity,
    join,
    paths,
)
from secondsite.discover.system_file.writing import Writer, default_of
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.system import System


@frozen
class Merged:
    """``notes``: what a person should hear of, as the merge could not follow both."""

    system: System
    notes: tuple[str, ...]


def merge(base: System | None, yours: System, theirs: System) -> Merged:
    """``base`` is what was discovered last; without it every difference counts as a person's."""
    merger = _Merger(base.marks if base else {}, yours.marks, canonical(theirs).marks)
    system: System = merger.noun(base, yours, theirs, "")
    return Merged(evolve(system, marks=merger.marks), tuple(merger.notes))


def carry_over(base: System, theirs: System) -> System:
    """``theirs`` with what ``base`` had from live servers, for a run that asked none."""
    carrier = _Carrier(base.marks, dict(theirs.marks))
    system: System = carrier.noun(base, theirs, "")
    return evolve(system, marks=carrier.marks)


def is_live(marks: Mapping[str, Mark], path: str) -> bool:
    """Whether a running server said it."""
    mark = marks.get(path)
    return bool(mark and mark.origin is Knowledge.READ and mark.place and "://" in mark.place.file)


@define
class _Merger:
    base_marks: Mapping[str, Mark]
    your_marks: Mapping[str, Mark]
    their_marks: Mapping[str, Mark]
    marks: dict[str, Mark] = field(factory=dict)
    notes: list[str] = field(factory=list)

    def noun(self, base: Noun | None, yours: Noun, theirs: Noun, path: str) -> Noun:
        if path:
            self._mark_agreed(path)
        changes: dict[str, Any] = {}
        for entry in fields_of(type(yours)):
            was = getattr(base, entry.attribute) if base is not None else None
            mine, new = getattr(yours, entry.attribute), getattr(theirs, entry.attribute)
            below = join(path, entry.key)
            if entry.kind is FieldShape.NOUNS:
                changes[entry.attribute] = self._items(was, mine, new, below)
            elif entry.kind is FieldShape.NOUN and mine is not None and new is not None:
                changes[entry.attribute] = self.noun(was, mine, new, below)
            else:
                changes[entry.attribute] = self._value(entry, was, mine, new, below, known=base is not None)
        return evolve(yours, **changes)

    def _value(self, entry: Field, was: Noun, mine: Noun, new: Noun, path: str, *, known: bool) -> Noun:
        """A leaf, or a noun that one side does not have; ``known``: ``was`` is what was discovered last."""
        if mine == new:
            self._mark_agreed(path)
            return mine
        if self._is_theirs(entry, was, mine, path, known=known):
            self._copy(self.their_marks, new, path)
            return new
        self._copy(self.your_marks, mine, path)
        disagreeing = self.their_marks.get(path)
        why = ""
        if disagreeing and disagreeing.origin is Knowledge.READ:
            who = "the server says" if "://" in str(disagreeing.place) else "manifests say"
            shown = Writer({}).leaf(entry, new) if entry.kind is FieldShape.LEAF else "otherwise"
            why = f"{who} {shown} ({disagreeing.place})"
            self.notes.append(f"{path}: kept {self._shown(entry, mine)}; {why}")
        place = self.your_marks[path].place if path in self.your_marks else None
        self.marks[path] = Mark(Knowledge.WRITTEN, place, why)
        return mine

    def _is_theirs(self, entry: Field, was: Noun, mine: Noun, path: str, *, known: bool) -> bool:
        """Whether what the file says came from discovery, so that it follows discovery."""
        if path not in self.your_marks and mine == default_of(entry):
            return not known or bool(was == mine)
        return known and bool(was == mine) and not self._settled(path)

    def _settled(self, path: str) -> bool:
        """Whether a person wrote, or confirmed by removing its comment, what discovery only assumes.

        A value that discovery itself left without a comment (``before`` is read as written) is nobody's.
        """
        mine, before, now = (_origin(marks, path) for marks in (self.your_marks, self.base_marks, self.their_marks))
        return mine is Knowledge.WRITTEN and before is not Knowledge.WRITTEN and Knowledge.ASSUMED in (before, now)

    def _mark_agreed(self, path: str) -> None:
        """Where both say the same, the mark is discovery's, unless a person settled an assumption."""
        mark, theirs = self.your_marks.get(path), self.their_marks.get(path)
        mine, before, now = (_origin(marks, path) for marks in (self.your_marks, self.base_marks, self.their_marks))
        confirmed = mine is Knowledge.WRITTEN and now is Knowledge.ASSUMED and before is not Knowledge.WRITTEN
        if theirs and not confirmed:
            self.marks[path] = theirs
        elif mark and (mine is Knowledge.WRITTEN or before in (None, Knowledge.WRITTEN)):
            self.marks[path] = evolve(mark, why="") if mine is Knowledge.WRITTEN else mark

    def _items(self, was: tuple[Noun, ...] | None, mine: tuple[Noun, ...], new: tuple[Noun, ...], path: str) -> Any:
        before = {identity(item): item for item in was or ()}
        offered = {identity(item): item for item in new}
        present = {identity(item) for item in mine}
        self._mark_agreed(path)
        kept = []
        for item in mine:
            name = identity(item)
            below = join(path, name)
            if name in offered:
                kept.append(self.noun(before.get(name), item, offered[name], below))
            elif name not in before or self._touched(before[name], item, below):
                self._copy(self.your_marks, item, below)
                kept.append(item)
                if name in before:
                    self.notes.append(f"{below}: no longer found; kept, as it was edited by hand")
        for name, item in offered.items():
            below = join(path, name)
            if name in present:
                continue
            if name in before:
                self.notes.append(f"{below}: still found, but was removed by hand; left out")
                continue
            self._copy(self.their_marks, item, below)
            kept.append(item)
        return tuple(kept)

    def _touched(self, before: Noun, mine: Noun, path: str) -> bool:
        """Whether a person changed the item, or settled an assumption in it."""
        confirmed = (
            _origin(self.your_marks, below) is Knowledge.WRITTEN
            and _origin(self.base_marks, below) is Knowledge.ASSUMED
            for below in paths(mine, path)
        )
        return bool(before != mine) or any(confirmed)

    def _copy(self, marks: Mapping[str, Mark], noun: Noun, path: str) -> None:
        self.marks.update(_marks_at(marks, noun, path))

    def _shown(self, entry: Field, value: Noun) -> str:
        return Writer({}).leaf(entry, value) if entry.kind is FieldShape.LEAF or value is None else "yours"


def _origin(marks: Mapping[str, Mark], path: str) -> Knowledge | None:
    mark = marks.get(path)
    return mark.origin if mark else None


def _marks_at(marks: Mapping[str, Mark], noun: Noun, path: str) -> dict[str, Mark]:
    """The marks of a value and of all below it."""
    inside = paths(noun, path) if has(type(noun)) else (path,)
    return {below: marks[below] for below in inside if below in marks}


@define
class _Carrier:
    base_marks: Mapping[str, Mark]
    marks: dict[str, Mark]

    def noun(self, base: Noun, theirs: Noun, path: str) -> Noun:
        changes: dict[str, Any] = {}
        for entry in fields_of(type(theirs)):
            was, new, below = getattr(base, entry.attribute), getattr(theirs, entry.attribute), join(path, entry.key)
            if entry.kind is FieldShape.NOUNS:
                changes[entry.attribute] = self._items(was, new, below)
            elif entry.kind is FieldShape.NOUN and was is not None and new is not None:
                changes[entry.attribute] = self.noun(was, new, below)
            elif self._is_live(below):
                changes[entry.attribute] = was
                self._copy(was, below)
        return evolve(theirs, **changes)

    def _items(self, was: tuple[Noun, ...], new: tuple[Noun, ...], path: str) -> tuple[Noun, ...]:
        before = {identity(item): item for item in was}
        identities = {identity(item) for item in new}
        items = [
            self.noun(before[name], item, join(path, name)) if (name := identity(item)) in before else item
            for item in new
        ]
        for name, item in before.items():
            if name not in identities and self._is_live(join(path, name)):
                self._copy(item, join(path, name))
                items.append(item)
        return tuple(items)

    def _is_live(self, path: str) -> bool:
        return is_live(self.base_marks, path)

    def _copy(self, noun: Noun, path: str) -> None:
        self.marks.update(_marks_at(self.base_marks, noun, path))
