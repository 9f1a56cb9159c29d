"""Where a restored stream goes on sourcing. Pure.

Since 2.15 a sourced message names the very stream that it comes from, so a restored origin is another stream for the
server, and everything would be sourced again. What stands in the archive says how far each source had come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secondsite.backup.archive import ArchivedMessage, open_message

_HEADER = b"Nats-Stream-Source:"
Position = tuple[str, str]
"""Name and filter of a source."""


def noting(messages: Iterable[ArchivedMessage], positions: dict[Position, int]) -> Iterator[ArchivedMessage]:
    """The same messages; ``positions`` gets the last sequence of each source."""
    for message in messages:
        if _HEADER in message.raw:
            _note(message, positions)
        yield message


def _note(message: ArchivedMessage, positions: dict[Position, int]) -> None:
    for line in open_message(message.raw).headers.split(b"\r\n"):
        if not line.startswith(_HEADER):
            continue
        if known := come_to(line[len(_HEADER) :].decode("utf-8", "replace")):
            key, last = known
            positions[key] = max(positions.get(key, 0), last)


def come_to(header: str) -> tuple[Position, int] | None:
    """What a `Nats-Stream-Source` says of the message it stands in; None where it cannot be read."""
    parts = header.split()
    if len(parts) < 2 or not parts[1].isdigit():
        return None
    return (parts[0].split(":")[0], parts[2] if len(parts) > 2 else ">"), int(parts[1])


def resumed(
    sources: Iterable[Mapping[str, Any]], positions: Mapping[Position, int], origins: Mapping[str, int]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The sources, each to go on behind what is there, and what is told of it.

    ``origins`` are the last sequences of streams beside this one. One that ends before the position is not the stream
    that was sourced: all of it is new.
    """
    changed, notes = [], []
    for source in sources:
        last = source_position(source, positions)
        name = str(source["name"])
        if not last or (not source.get("external") and origins.get(name, last) < last):
            changed.append(dict(source))
            continue
        free = {key: value for key, value in source.items() if key != "opt_start_time"}
        changed.append({**free, "opt_start_seq": last + 1})
        notes.append(f"its source {name} continues at {last + 1} (opt_start_seq); otherwise all would be sourced again")
    return changed, notes


def source_position(source: Mapping[str, Any], positions: Mapping[Position, int]) -> int:
    """How far a source had come; 0 where nothing is known of it."""
    name = str(source["name"])
    known = positions.get((name, str(source.get("filter_subject") or ">")))
    if known is not None and not source.get("subject_transforms"):
        return known
    return min((last for (of, _), last in positions.items() if of == name), default=0)
