"""How often a cron schedule runs, as the longest time between two runs.

The longest gap and not the mean, because it bounds what a failure just before the next run can cost. Found by
laying two years out day by day; what runs once in them is told as yearly.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from secondsite.model.units import Seconds, parse_seconds

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_DAY_S = 86400
_YEAR_DAYS = 366
_FIRST_DAY = date(2028, 1, 1)  # of a leap year


def longest_gap_s(schedule: str) -> Seconds:
    """In seconds. Raises ValueError for what is no schedule of five fields, a nickname or ``@every 1h``."""
    text = schedule.strip().lower()
    fields = text.split()
    while fields and fields[0].startswith(("tz=", "cron_tz=")):
        fields = fields[1:]
    if fields[:1] == ["@every"] and len(fields) == 2:
        return parse_seconds(fields[1])
    if len(fields) == 1 and fields[0] in _NICKNAMES:
        fields = _NICKNAMES[fields[0]].split()
    if len(fields) != 5:
        raise ValueError(f"{schedule!r} is not a cron schedule; write five fields, such as 0 2 * * *")
    minutes, hours, days, months, weekdays = (_values(text, index) for index, text in enumerate(fields))
    times = sorted(hour * 3600 + minute * 60 for hour in hours for minute in minutes)
    either = not (fields[2].startswith("*") or fields[4].startswith("*"))
    runs = []
    for ordinal in range(2 * _YEAR_DAYS):
        day = _FIRST_DAY + timedelta(days=ordinal)
        by_day, by_weekday = day.day in days, day.isoweekday() % 7 in {weekday % 7 for weekday in weekdays}
        if day.month in months and ((by_day or by_weekday) if either else (by_day and by_weekday)):
            runs.append(ordinal)
    return Seconds(_longest(runs, times))


def _longest(days: list[int], times: list[int]) -> float:
    if not days:
        raise ValueError("the schedule never runs; write a day that exists")
    within = max((later - earlier for earlier, later in pairwise(times)), default=0)
    overnight = times[0] - times[-1]
    across = max((later - earlier for earlier, later in pairwise(days)), default=_YEAR_DAYS)
    return max(within, across * _DAY_S + overnight)


def _values(text: str, index: int) -> set[int]:
    low, high = _RANGES[index]
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, index)
            last = _number(end, index) if dash else (high if step else first)
        size = int(step) if step.isdecimal() else 0 if step else 1
        if not low <= first <= last <= high or size < 1:
            raise ValueError(f"{text!r} is not a field of a cron schedule; write numbers from {low} to {high}")
        values.update(range(first, last + 1, size))
    return values


def _number(text: str, index: int) -> int:
    names = _MONTHS if index == 3 else _DAYS if index == 4 else []
    if text in names:
        return names.index(text) + (1 if index == 3 else 0)
    if not text.isdecimal() or len(text) > 4:
        raise ValueError(f"{text!r} is not a number in a cron schedule; write one such as 2")
    return int(text)
