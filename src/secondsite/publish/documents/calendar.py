"""The drills as an iCalendar file (RFC 5545): the same bytes each time, the same event each time it is imported."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from secondsite.publish.content.schedule import ScheduledDrill
from secondsite.publish.text.markdown import plain


def calendar(system: str, drills: Sequence[ScheduledDrill], start: date) -> str:
    """``start`` is the first day on which a drill may stand. Times are UTC."""
    from icalendar import Calendar, Event

    events = Calendar()
    events.add("prodid", "-//secondsite//disaster recovery drills//EN")
    events.add("version", "2.0")
    events.add("calscale", "GREGORIAN")
    events.add("x-wr-calname", f"{plain(system)}: disaster recovery drills")
    for drill in drills:
        begin = datetime.combine(drill.first(start), time(drill.hour, tzinfo=UTC))
        event = Event()
        event.add("uid", uid(system, drill.key))
        event.add("dtstamp", datetime.combine(start, time(0, tzinfo=UTC)))
        event.add("dtstart", begin)
        event.add("dtend", begin + timedelta(minutes=drill.minutes))
        event.add("rrule", drill.rule)
        event.add("summary", f"DR drill: {plain(drill.title)}")
        event.add("description", description(drill))
        event.add("categories", ["disaster recovery", str(drill.every)])
        event.add("transp", "OPAQUE")
        events.add_component(event)
    return bytes(events.to_ical(sorted=True)).decode("utf-8")


def description(drill: ScheduledDrill) -> str:
    kept = f"Keeps from going stale: {', '.join(drill.keeps)}" if drill.keeps else "Renews no contract by itself"
    return f"Run: {plain(drill.command)}\nWhere: {drill.where}\n{kept}"


def uid(system: str, key: str) -> str:
    """Of the system and the drill alone, so that a new import replaces the old event."""
    digest = hashlib.sha256("\0".join((system, key)).encode()).hexdigest()
    return f"{digest[:32]}@secondsite"
