"""The page of a watch: made on the server from the same plain data as everything else, brought up to date by a few
lines of script, and whole without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from secondsite.watch.http_server import HttpAnswer

_TEMPLATES = Path(__file__).parent / "templates"
_WIDTH, _HEIGHT = 120, 24
_FILES = {"/watch.css": "text/css; charset=utf-8", "/watch.js": "text/javascript; charset=utf-8"}


def page(path: str, status: Mapping[str, Any], may_approve: bool, headers: tuple[tuple[str, str], ...]) -> HttpAnswer:
    if path in _FILES:
        return HttpAnswer(200, (_TEMPLATES / path.removeprefix("/")).read_bytes(), _FILES[path], headers)
    if path != "/":
        return HttpAnswer(404, b"the page is at /\n", headers=headers)
    if not status:
        return HttpAnswer(503, b"the watch begins\n", headers=headers)
    streams = (status.get("copies") or {}).get("streams", ())
    longest = max((len(one["history_s"]) for one in streams), default=0)
    text = _template().render(status=status, may_approve=may_approve, headline=headline(status), longest=longest)
    return HttpAnswer(200, text.encode(), "text/html; charset=utf-8", headers)


@frozen
class Headline:
    """The one thing to know; ``kind`` is good, warn or bad."""

    kind: str
    title: str
    text: str


def headline(status: Mapping[str, Any]) -> Headline:
    """What hurts most goes first."""
    well = Headline("good", "Well", f"{status['home']} serves, no fault is seen, and a failover could run.")
    return next(filter(None, (_of_operation(status), _of_region(status), _of_readiness(status))), well)


def _of_operation(status: Mapping[str, Any]) -> Headline | None:
    operation, ask, home = status["operation"], status["ask"], status["home"]
    if operation and operation["is_open"]:
        return Headline("warn", "Under way", f"An operation is in progress: {operation['name']}.")
    if ask:
        kind = "bad" if ask["fault"] else "warn"
        return Headline(kind, "Asks", f"Approval is requested to {ask['question']}.")
    if operation and operation["is_failover"]:
        return Headline("warn", "Failed over", f"{home} was failed over. No failover starts until a failback is done.")
    return None


def _of_region(status: Mapping[str, Any]) -> Headline | None:
    home, why = status["home"], status["why_not"]
    if not status["regions"]:
        return Headline("warn", "Not judged yet", "The watch has not finished its first round.")
    now = next((one["now"] for one in status["regions"] if one["region"] == home), "nothing")
    if now != "nothing":
        return Headline("bad", now.capitalize(), f"{home}: {now}. {why or 'Not decided yet.'}")
    if status["maintenance_s"]:
        left = _time(status["maintenance_s"])
        return Headline(
            "warn", "Maintenance", f"Maintenance for another {left}: until then, every action needs approval."
        )
    return None


def _of_readiness(status: Mapping[str, Any]) -> Headline | None:
    if not status["journal"]["known"]:
        return Headline("bad", "Not ready", status["journal"]["problem"] or "The shared journal has not been read yet.")
    if could_not := ", ".join(one["fault"] for one in status["readiness"] if not one["could_run"]):
        return Headline("bad", "Not ready", f"A failover could not run now ({could_not}); see below.")
    if lacking := ", ".join(one["fault"] for one in status["readiness"] if not one["ready"]):
        return Headline(
            "warn", "Not as planned", f"A failover could run and would lack something ({lacking}); see below."
        )
    return None


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["time"] = _time
    environment.filters["trend"] = trend
    environment.filters["lag"] = _lag
    return environment.get_template("watch.html.j2")


def trend(values: Sequence[float | None]) -> list[str]:
    """Points of one line for each stretch without a gap, in a field of 120 by 24; the highest value is at its top."""
    top = max((one for one in values if one is not None), default=0.0) or 1.0
    step = _WIDTH / max(1, len(values) - 1)
    lines: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{number * step:.1f},{_HEIGHT - 1 - (_HEIGHT - 2) * value / top:.1f}")
    return [" ".join(one if len(one) > 1 else one * 2) for one in lines if one]


def _lag(seconds: float) -> str:
    return "under 1 s" if 0 < seconds < 1 else _time(seconds)


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
