"""What somebody has to know of an operation's steps that were done: it is in their facts, and nobody reads those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secondsite.model.wording import counted
from secondsite.operate.actions.consumers import UNKNOWN
from secondsite.operate.journal import StepRecord


def notes_of(known: Iterable[StepRecord]) -> tuple[str, ...]:
    """One a stream, and one for all consumers that began anew."""
    return tuple(note for record in known for note in _notes(record.facts))


def _notes(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, one in _each(facts, "streams"):
        if one.get("saved") and one.get("saved_in"):
            why = "; ".join(f"{each}: {count}" for each, count in (one.get("refusals") or {}).items())
            yield f"{name}: {counted(one['saved'], 'messages')} not put back ({why}); kept in {one['saved_in']}"
    unknown = [key for key, one in _each(facts, "consumers") if one.get("source") == UNKNOWN]
    if unknown:
        yield f"{', '.join(unknown)}: started at the first message, as no copy of the position was found"
    yield from (f"{key}: {one['note']}" for key, one in _each(facts, "consumers") if one.get("note"))
    yield from (f"{name}: {note}" for name, note in (facts.get("kept") or {}).items())
    yield from _replaced(facts)
    yield from (f"{name}: {one['left']}" for name, one in _each(facts, "beside") if one.get("left"))


def _replaced(facts: Mapping[str, Any]) -> Iterator[str]:
    """Of a repair."""
    if facts.get("replaced"):
        yield f"{', '.join(facts['restored'])}: what was replaced is saved in {facts['replaced']}"
    for name, one in _each(facts, "copies"):
        if one.get("saved"):
            yield f"{name}: saved before it was recreated: {one['saved']}"
    left = facts.get("left")
    yield from left if isinstance(left, list) else ()


def _each(facts: Mapping[str, Any], what: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    named = facts.get(what)
    if isinstance(named, Mapping):
        yield from ((name, one) for name, one in named.items() if isinstance(one, Mapping))
