"""``dr-test-schedule.md``: which drill when, what it proves, and until when that counts."""

from __future__ import annotations

from secondsite.publish.content.board import board
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.proof import Every, shelf_life_days
from secondsite.publish.content.schedule import ScheduledDrill, drills
from secondsite.publish.content.sources import Sources
from secondsite.publish.text.markdown import Md, code, fence, joined, table
from secondsite.publish.text.templates import render

NAME = "dr-test-schedule.md"
CALENDAR = "dr-test-schedule.ics"
_WHEN = {
    Every.WEEK: "every {day}",
    Every.MONTH: "first {day} of the month",
    Every.QUARTER: "second {day}, every third month",
    Every.YEAR: "third {day}, once a year",
}
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def document(inputs: Inputs, sources: Sources) -> str:
    scheduled = drills(inputs)
    return render(
        "dr-test-schedule.md.j2",
        system=inputs.system,
        start=inputs.as_of.isoformat(),
        drills=_drills(scheduled, inputs, sources),
        commands=_commands(scheduled),
        shelf=_shelf(inputs, sources),
        planned=_planned(sources),
        hours=f"{sum(one.minutes * 366 / one.every.days for one in scheduled) / 60:.0f}",
    )


def _drills(scheduled: tuple[ScheduledDrill, ...], inputs: Inputs, sources: Sources) -> Md:
    rows = [
        (
            one.first(inputs.as_of).isoformat(),
            f"{_WHEN[one.every].format(day=_DAYS[one.weekday])}, {one.hour}:00",
            one.title,
            one.where,
            Md(f"~{one.minutes} min"),
            joined(map(code, one.keeps)) or "–",
        )
        for one in scheduled
    ]
    free = sources.head("Keep free\t", _planned(sources))
    return table(("Next", "When", "What", "Where", free, "Keeps from going stale"), rows)


def _commands(scheduled: tuple[ScheduledDrill, ...]) -> Md:
    return fence(line for one in scheduled for line in (f"# {one.title}", one.command))


def _planned(sources: Sources) -> Md:
    planned = "planned, with time to review the results; to settle it: write down how long each drill took"
    return sources.stated("time to keep free", "", planned, "a")


def _shelf(inputs: Inputs, sources: Sources) -> Md:
    rows = [
        (
            code(one.contract.name),
            f"{shelf_life_days(one.contract)} days" if one.command else "no drill yet",
            "never" if one.measured is None else one.measured.at[:10],
            one.until.isoformat() if one.until and not one.stale else "**unproven now**",
        )
        for one in board(inputs)
    ]
    if not rows:
        return Md("")
    origin = "`shelf_life` of the contract where it is written, else what `secondsite verify` allows the quick profile"
    lasts = sources.head("Evidence lasts\t", sources.stated("shelf life of evidence", "", origin, "s"))
    return table(("Contract", lasts, "Last drill", "Unproven after"), [(*r[:3], Md(r[3])) for r in rows])
