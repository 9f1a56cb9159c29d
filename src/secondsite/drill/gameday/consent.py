"""Whether a game day may begin. Pure: what was found is handed in, and every refusal is told at once.

What is not known refuses as well: a cluster that did not say who it is is not the one that agreed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from attrs import asdict, evolve, frozen

from secondsite.kube.faults import ALLOWED, ALLOWED_LABEL, FaultRecord, FaultTarget
from secondsite.model.errors import Problem
from secondsite.model.operate import Environment, GameDay, Operate
from secondsite.model.place import Place
from secondsite.model.wording import duration


@frozen
class SavedData:
    """The newest backup or archive: how old it is, None where there is none, and the streams that it lacks."""

    where: str
    age_s: float | None
    lacking: tuple[str, ...] = ()


@frozen
class GameDayFacts:
    """``uid`` is what the cluster of the region says of itself; ``shared`` are identities that production has, too.

    ``guarded``: somebody was seen who undoes the fault when its time is over. ``target`` is None where a command is
    the fault, whose undoing is a command as well.
    """

    region: str
    operate: Operate
    uid: str
    shared: tuple[str, ...]
    target: FaultTarget | None
    guarded: bool
    saved: SavedData
    fresh_within: timedelta
    plan_refusals: tuple[str, ...] = ()


def refusals(facts: GameDayFacts) -> tuple[Problem, ...]:
    rest = (each for part in (_consent, _standing, _guard, _saved, _plan) for each in part(facts))
    return (*file_refusals(facts.operate, facts.shared), *(Problem(Place(at), what, do) for at, what, do in rest))


def file_refusals(operate: Operate, shared: tuple[str, ...]) -> tuple[Problem, ...]:
    """What the file alone says: while one of these stands, a login in it may be production's and is not used."""
    refused = (*_environment(operate), *_production(operate, shared))
    return tuple(Problem(Place(where), what, remedy) for where, what, remedy in refused)


Refusal = tuple[str, str, str]
_WHO = ("context", "user", "token", "creds", "nkey")


def _environment(operate: Operate) -> Iterator[Refusal]:
    if operate.environment is not Environment.STAGING:
        what = f"the file says environment {operate.environment}"
        yield "operate.environment", what, "a game day needs a file of its own, with `environment: staging`"


def _production(operate: Operate, shared: tuple[str, ...]) -> Iterator[Refusal]:
    game_day = operate.game_day or GameDay()
    if not game_day.production:
        remedy = "name its system file: `production: file:PATH`; no reference in it is followed"
        yield "operate.game_day", "production is not configured, so nothing can keep this away from it", remedy
    for place in operate.places:
        if place.nats and not any(getattr(place.nats, name) for name in _WHO):
            what = f"the login for {place.region} comes from the environment, which may hold production's"
            yield "operate.places", what, "name a login of staging under its `nats`"
    for each in shared:
        yield "operate", f"production has the same {each}", "give staging its own"


def _consent(facts: GameDayFacts) -> Iterator[Refusal]:
    target = facts.target
    if target is None:
        return
    allowed = (facts.operate.game_day or GameDay()).clusters
    if not facts.uid or facts.uid not in allowed:
        what = f"the cluster of {facts.region} is {facts.uid or 'unknown'}, which may not be harmed"
        yield "operate.game_day.clusters", what, "list its uid there: that of its namespace kube-system"
    for name in target.unwilling:
        there = "does not allow a game day" if target.spaces[name] is not None else "is not there"
        yield facts.region, f"namespace {name} {there}", f"kubectl label namespace {name} {ALLOWED_LABEL}={ALLOWED}"
    if target.lacking:
        what = f"this login may not {', '.join(target.lacking)}"
        yield facts.region, what, "bind the role of docs/rights.md for game days"


def _standing(facts: GameDayFacts) -> Iterator[Refusal]:
    if facts.target and facts.target.standing:
        record = facts.target.standing.record
        what = f"fault {record.id} ({record.kind}) is recorded there already"
        yield facts.region, what, "undo it first: secondsite drill undo"
    if facts.target and not facts.target.workloads:
        yield (
            facts.region,
            f"nothing runs in {', '.join(facts.target.spaces)}",
            "deploy the rendered files, then run this again",
        )


def _guard(facts: GameDayFacts) -> Iterator[Refusal]:
    if not facts.guarded:
        what = "no guard is running that would undo the fault if this process died"
        yield facts.region, what, "run the guard in that cluster: secondsite drill undo --guard (docs/game-day.md)"


def _saved(facts: GameDayFacts) -> Iterator[Refusal]:
    saved, within = facts.saved, duration(facts.fresh_within.total_seconds())
    remedy = "make one with `secondsite backup`, then name its store with --from"
    if saved.age_s is None:
        yield saved.where or "--from", "there is no backup or archive of what is about to be harmed", remedy
        return
    if saved.age_s > facts.fresh_within.total_seconds():
        yield saved.where, f"the newest is {duration(saved.age_s)} old, more than {within}", remedy
    if saved.lacking:
        yield saved.where, f"{', '.join(saved.lacking)} {'is' if len(saved.lacking) == 1 else 'are'} not in it", remedy


def _plan(facts: GameDayFacts) -> Iterator[Refusal]:
    for what in facts.plan_refusals:
        yield "plan", what, "the drill would stop there: fix it first, or drill that in the lab"


def approval_hash(record: FaultRecord | None, uid: str, about: dict[str, Any]) -> str:
    """What somebody types: it binds the fault, its target and what is drilled.

    Neither the id of a run nor how many replicas there are just now is a part of it.
    """
    alike = () if record is None else tuple(evolve(one, replicas=0) for one in record.workloads)
    plain = None if record is None else asdict(evolve(record, id="", workloads=alike))
    text = json.dumps({"fault": plain, "cluster": uid, **about}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
