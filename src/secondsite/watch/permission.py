"""Whether a watch may act on what it found, or has to ask a person first. Pure; every doubt is a reason to ask."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.fault import Fault
from secondsite.watch.judging import RegionFinding, RegionJudgement
from secondsite.watch.voting import Vote

FAULTS = {RegionFinding.LOST: Fault.REGION, RegionFinding.GRAY: Fault.GRAY}


@frozen
class LastStep:
    """``state`` is empty for one that was not begun."""

    id: str
    title: str
    state: str = ""
    why: str = ""


@frozen
class LastOperation:
    """What the shared journal says. ``age_s``: since it was last written, by the servers' own clock.

    ``acting``: who acts, empty where the one who did has gone; ``who`` began it.
    """

    name: str
    age_s: float
    is_open: bool
    is_failover: bool
    acting: str = ""
    who: str = ""
    steps: tuple[LastStep, ...] = ()


@frozen
class Circumstances:
    """``journal_known``: whether the shared journal could be read; ``last`` is None where it is empty.

    ``maintenance_s``: how long announced work goes on; ``by_person``: the procedure's own trigger is a person.
    """

    home: str
    decide: frozenset[Fault]
    block_s: float
    journal_known: bool = False
    last: LastOperation | None = None
    maintenance_s: float = 0.0
    by_person: bool = False


@frozen
class Permission:
    """``fault`` is None where there is nothing to start; ``asks``: why a person has to approve first, empty for no."""

    fault: Fault | None
    asks: str = ""
    why: str = ""


def may_return(one: RegionJudgement, needed: int, window_s: float, now_s: float, last: LastOperation | None) -> bool:
    """Whether a person can be asked to go back: it was failed over, and a quorum has seen it alive for the window."""
    alive = sum(1 for ballot in one.ballots if ballot.vote is Vote.ALIVE)
    lives = one.raw is RegionFinding.NOTHING and alive >= needed and now_s - one.since_s >= window_s
    return lives and last is not None and last.is_failover and not last.is_open


def permission(one: RegionJudgement, now: Circumstances) -> Permission:
    """What a finding allows."""
    fault = FAULTS.get(one.finding)
    if fault is None:
        return Permission(None)
    if one.region != now.home:
        return Permission(None, why=f"{one.region} accepts no writes, so a failover has no effect")
    if now.last and now.last.is_open:
        return Permission(None, why=f"{now.last.name} is in progress: {now.last.acting or 'check `failover status`'}")
    if now.last and now.last.is_failover:
        return Permission(None, why=f"{now.last.name} was the last operation: {one.region} does not serve")
    return Permission(fault, _asks(one, fault, now))


def _asks(one: RegionJudgement, fault: Fault, now: Circumstances) -> str:
    """The first doubt; empty where there is none."""
    last = now.last
    recent = last is not None and last.age_s < now.block_s
    ago = f"{last.name} was {last.age_s:.0f} s ago" if last else ""
    doubts = (
        (fault not in now.decide, f"{fault} needs approval (operate: watch: decide)"),
        (now.by_person, "the procedure starts only when a person declares it"),
        (not one.lived, f"this watch has never seen {one.region} alive; its addresses may be wrong"),
        (now.maintenance_s > 0, f"maintenance is announced for another {now.maintenance_s:.0f} s"),
        (not now.journal_known, "the shared journal cannot be read, so the last operation is unknown"),
        (recent, f"{ago}: a second one within {now.block_s:.0f} s needs approval"),
    )
    return next((why for holds, why in doubts if holds), "")
