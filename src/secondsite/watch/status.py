"""All that a watch knows, as plain data: the page shows it, metrics count it, `watch status --json` prints it.

Made in the watch's own loop and replaced as a whole, so that whoever answers a request reads one moment of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from secondsite.watch.judging import RegionJudgement
from secondsite.watch.process import Watch
from secondsite.watch.readiness import ReadyPlan

SCHEMA = "secondsite/watch/1"


@frozen
class ContractRow:
    """A contract with its verdict, as the evidence had it when the watch began."""

    name: str
    rto_s: float | None
    rpo_s: float | None
    verdict: str


def watch_status(
    watch: Watch,
    silent: Mapping[str, str],
    plans: Mapping[Any, ReadyPlan],
    contracts: tuple[ContractRow, ...] = (),
    copies: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Seconds count back from ``at``, which is on the wall clock of the watch. ``copies``: None where nobody looks."""
    now_s = watch.clock()
    return {
        "schema": SCHEMA,
        "watch": watch.settings.name,
        "at": watch.wall(),
        "home": watch.settings.home,
        "window_s": watch.rules.window_s,
        "decide": sorted(map(str, watch.settings.decide)),
        "maintenance_s": max(0.0, watch.maintenance_until_s - now_s),
        "regions": [_region(watch, one, silent, now_s) for one in watch.state.regions.values()],
        "why_not": watch.why_not,
        "acts": watch.busy,
        "ask": _asked(watch, now_s),
        "journal": {"known": watch.journal_known, "problem": watch.journal_problem},
        "operation": asdict(watch.last) if watch.last else None,
        "readiness": [_plan(one, now_s) for one in plans.values()],
        "copies": copies,
        "contracts": [asdict(one) for one in contracts],
    }


def _region(watch: Watch, one: RegionJudgement, silent: Mapping[str, str], now_s: float) -> dict[str, Any]:
    return {
        "region": one.region,
        "serves": one.region == watch.settings.home and not (watch.last and watch.last.is_failover),
        "now": str(one.raw),
        "for_s": now_s - one.since_s,
        "decided": str(one.finding),
        "needed": watch.rules.needed(one.region),
        "observers": [
            {
                "observer": ballot.observer,
                "region": watch.rules.observers.get(ballot.observer, ""),
                "vote": str(ballot.vote),
                "why": silent.get(ballot.observer) or ballot.why,
                "signals": {
                    str(signal): {"now": str(sight.answer), "why": sight.why, "settled": str(ballot.settled[signal])}
                    for signal, sight in ballot.sights.items()
                },
            }
            for ballot in one.ballots
        ],
    }


def _asked(watch: Watch, now_s: float) -> dict[str, Any] | None:
    ask = watch.ask
    if ask is None:
        return None
    plain: dict[str, Any] = asdict(ask)
    fault = str(ask.fault) if ask.fault else ""
    return {**plain, "fault": fault, "question": ask.question, "made_s": now_s - ask.made_s}


def _plan(one: ReadyPlan, now_s: float) -> dict[str, Any]:
    return {
        "fault": str(one.fault),
        "ready": one.ready,
        "could_run": one.could_run,
        "plan": one.plan,
        "made_s": now_s - one.made_s,
        "problem": one.problem,
        "refusals": [asdict(refusal) for refusal in one.refusals],
        "steps": [asdict(step) for step in one.steps],
    }
