"""Scheduled messages that a restore brings back, and that were due before it: the server publishes them at once. Pure.

A schedule that fires once leaves its stream when it fires. One that was saved before it fired is there again after a
restore, and what it did meanwhile happens again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from secondsite.backup.archive import ArchivedMessage, open_message

SHOWN = 10
_HEADER, _AT = b"Nats-Schedule:", "@at "
ScheduledOnce = tuple[str, str]
"""Subject of a schedule, and when it fires, as its header says it."""


def noting_schedules(messages: Iterable[ArchivedMessage], once: list[ScheduledOnce]) -> Iterator[ArchivedMessage]:
    """The same messages; ``once`` gets each schedule that fires once."""
    for message in messages:
        if _HEADER in message.raw:
            opened = open_message(message.raw)
            lines = (line.removeprefix(_HEADER) for line in opened.headers.split(b"\r\n") if line.startswith(_HEADER))
            texts = [line.decode("utf-8", "replace").strip() for line in lines]
            once += [(opened.subject, text) for text in texts if text.startswith(_AT)]
        yield message


def fires_again(once: Iterable[ScheduledOnce], now: datetime) -> str:
    """What is told of those that were due; empty where none was."""
    due = [(subject, text.removeprefix(_AT)) for subject, text in once if is_due(text, now)]
    if not due:
        return ""
    shown = ", ".join(f"{subject} ({at})" for subject, at in due[:SHOWN])
    more = f" and {len(due) - SHOWN} more" if len(due) > SHOWN else ""
    what = (
        "a scheduled message that was due fires"
        if len(due) == 1
        else f"{len(due)} scheduled messages that were due fire"
    )
    return f"{what} once it is there, whether or not it had fired before: {shown}{more}"


def is_due(text: str, now: datetime) -> bool:
    """Whether a schedule fires once, and at this time or before it."""
    try:
        return text.startswith(_AT) and datetime.fromisoformat(text.removeprefix(_AT)) <= now
    except (ValueError, TypeError):  # no time, or one without a zone: no server takes it
        return False
