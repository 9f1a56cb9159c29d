"""What a watch sees, for people: regions, who says what, the question that stands, and whether a failover could run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MARKS = {"yes": "+", "no": "-", "unknown": "?"}


def status_text(status: Mapping[str, Any]) -> str:
    """From the plain data of `watch status --json`."""
    return "\n".join(_lines(status))


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    if not status["regions"]:
        yield "not judged yet: the watch has not finished its first round"
    for region in status["regions"]:
        serves = ", serves" if region["serves"] else ""
        yield f"{region['region']}{serves}: {region['now']} for {region['for_s']:.0f} s; decided: {region['decided']}"
        for one in region["observers"]:
            signals = " ".join(f"{_MARKS[sight['now']]}{name}" for name, sight in one["signals"].items())
            yield f"  {one['observer']:<14} {one['vote']:<6} {signals or 'no signal'}{_tail(one['why'])}"
    if status["why_not"]:
        yield f"no operation is started: {status['why_not']}"
    yield from _asks(status["ask"])
    yield from _operation(status["operation"])
    for plan in status["readiness"]:
        yield from _plan(plan)
    yield from _copies(status.get("copies") or {"streams": ()})


def _tail(text: str) -> str:
    return f"  ({text})" if text else ""


def _asks(ask: Mapping[str, Any] | None) -> Iterator[str]:
    if ask is None:
        return
    yield f"ASKS {ask['id']}: {ask['question']}? {ask['why']}"
    yield from (f"  STOPS: {stop}" for stop in ask["stops"])
    for one in ask["refusals"]:
        yield f"  GUARD {one['guard']}: {one['what']}"
        lifted = f"nobody can lift it: {one['remedy']}" if one["absolute"] else f"lifted by --allow {one['guard']}"
        yield f"    {lifted}"
    if ask["plan"]:
        yield f"  to approve: secondsite watch approve --ask {ask['id']} --plan {ask['plan']} --key KEY --at URL"


def _operation(one: Mapping[str, Any] | None) -> Iterator[str]:
    if one is None:
        return
    state = "under way" if one["is_open"] else "ended"
    yield f"last operation: {one['name']}, {state}; {one['acting'] or one['who']}"
    if one["is_open"]:
        yield from (f"  {step['state'] or 'to come':<11} {step['id']}{_tail(step['why'])}" for step in one["steps"])


def _copies(copies: Mapping[str, Any]) -> Iterator[str]:
    """Nothing of a store that the watch was told nothing of."""
    for one in copies["streams"]:
        lacks = "" if one["missing_messages"] is None else f", lacks {one['missing_messages']}"
        most = "" if one["highest_s"] is None else f"; highest {one['highest_s']:.1f} s"
        behind = "unknown" if one["behind_s"] is None else f"{one['behind_s']:.1f} s behind"
        yield f"copy of {one['stream']}: {behind}{lacks}{most}"
    if copies.get("store"):
        ages = {"newest good backup": copies["backup_age_s"], "archive": copies["archive_age_s"]}
        for name, age_s in ages.items():
            yield f"{name}: {'none' if age_s is None else f'{age_s:.0f} s old'}{_tail(copies['store_problem'])}"


def _plan(plan: Mapping[str, Any]) -> Iterator[str]:
    could = "a failover could run" if plan["could_run"] else "A FAILOVER COULD NOT RUN"
    could += "" if plan["ready"] or not plan["could_run"] else ", NOT AS PLANNED"
    yield f"{plan['fault']}: {could}{_tail(plan['problem'])}"
    yield from (f"  {one['step']}: {one['guard']}: {one['what']}; {one['remedy']}" for one in plan["refusals"])
