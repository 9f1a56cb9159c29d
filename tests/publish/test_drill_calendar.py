"""The calendar is RFC 5545 as another reader understands it, and importing it twice doubles nothing."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped] # no stubs are pinned
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event

from secondsite.evaluate.evaluation import Evaluation
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.proof import Every, proof, shelf_life_days
from secondsite.publish.content.schedule import ScheduledDrill, apart, drills
from secondsite.publish.documents.calendar import calendar

START = date(2026, 11, 1)
DAYS = st.dates(date(2020, 1, 1), date(2090, 1, 1))


def drill(key: str = "x", every: Every = Every.MONTH, title: str = "t", keeps: tuple[str, ...] = ()) -> ScheduledDrill:
    return ScheduledDrill(key, title, "secondsite drill x", every, keeps, "lab", 30)


def events(text: str) -> list[dict[str, object]]:
    found = [part for part in Calendar.from_ical(text).walk("VEVENT") if isinstance(part, Event)]
    return [
        {
            "uid": str(event["uid"]),
            "summary": str(event["summary"]),
            "rule": str(event.get("rrule").to_ical(), "ascii"),
            "start": event.start,
        }
        for event in found
    ]


def test_each_contract_is_kept_fresh_by_some_drill(evaluation: Evaluation) -> None:
    found = drills(Inputs(evaluation, (), (), START))
    promised = [outcome.contract for outcome in evaluation.recommended.outcomes if outcome.promised]
    drilled = {contract.name for contract in promised if proof(contract, evaluation.recommended.deployment).drill}
    assert {name for one in found for name in one.keeps} == drilled
    assert "api/region" in drilled
    assert {one.every for one in found} == set(Every)
    assert len({one.key for one in found}) == len(found)


def test_a_calendar_reader_finds_every_drill(evaluation: Evaluation) -> None:
    found = drills(Inputs(evaluation, (), (), START))
    shown = events(calendar("small", found, START))
    assert [event["summary"] for event in shown] == [f"DR drill: {one.title}" for one in found]


@given(st.lists(st.sampled_from(Every), max_size=18), DAYS)
def test_no_two_drills_meet_and_no_day_has_more_than_two(kinds: list[Every], start: date) -> None:
    placed = apart(drill(str(number), every) for number, every in enumerate(kinds))
    assert [one.key for one in placed] == [str(number) for number in range(len(kinds))]
    begins = [(event["rule"], event["start"]) for event in events(calendar("s", placed, start))]
    days = Counter(day for one in placed for day in _days(one, start))
    assert len(set(begins)) == len(begins)
    hours = Counter((day, one.hour) for one in placed for day in _days(one, start))
    assert not hours or max(hours.values()) == 1
    assert len(kinds) > 5 or not days or max(days.values()) <= 2


def _days(one: ScheduledDrill, start: date) -> list[date]:
    """Of two years, by the calendar's own rule."""
    begin = datetime.combine(one.first(start), time())
    text = ";".join(f"{key}={value}" for key, value in one.rule.items())
    return [day.date() for day in rrulestr(text, dtstart=begin).between(begin, begin + timedelta(days=730), inc=True)]


@given(DAYS, st.sampled_from(Every))
def test_the_first_one_is_soon_and_on_the_day_that_the_rule_names(start: date, every: Every) -> None:
    first = drill(every=every).first(start)
    assert start <= first <= start + timedelta(days=35)
    assert first.weekday() == 1
    week = {Every.MONTH: 1, Every.QUARTER: 2, Every.YEAR: 3}.get(every)
    assert week is None or (first.day - 1) // 7 + 1 == week


@given(st.text(max_size=200), st.text(max_size=80))
def test_hostile_names_stay_in_their_fields(name: str, title: str) -> None:
    text = calendar(name, [drill(title=title, keeps=(title,))], START)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    (event,) = events(text)
    assert event["rule"] == "FREQ=MONTHLY;BYDAY=1TU"
    assert isinstance(event["start"], datetime)


def test_events_are_told_apart_by_system_and_drill_alone() -> None:
    def uids(system: str, start: date, title: str) -> list[object]:
        return [event["uid"] for event in events(calendar(system, [drill("a", title=title), drill("b")], start))]

    first = uids("one", START, "t")
    assert uids("one", date(2027, 5, 5), "another title") == first
    assert not set(first) & set(uids("two", START, "t"))
    assert len(set(first)) == 2


@pytest.mark.parametrize("every", Every)
def test_evidence_outlives_the_interval_of_its_drill(every: Every, evaluation: Evaluation) -> None:
    for outcome in evaluation.recommended.outcomes:
        assert proof(outcome.contract, evaluation.recommended.deployment).every.days <= shelf_life_days(
            outcome.contract
        ), every
