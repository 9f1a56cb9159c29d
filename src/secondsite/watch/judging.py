"""Votes become a finding on a region: lost, gray or nothing, once it stood for the whole window. Pure.

Only a quorum of observers that count makes a region lost, and only where no quorum says that it lives. Whatever falls
short of that and is not plainly alive is gray: a person is asked, with what was seen. Times are of one monotonic clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from attrs import evolve, field, frozen

from secondsite.watch.signals import ObserverRound
from secondsite.watch.voting import Ballot, Track, Vote, ballot, taken

STALE_ROUNDS = 3


class RegionFinding(StrEnum):
    LOST = "lost"
    GRAY = "gray"
    NOTHING = "nothing"


@frozen
class WatchRules:
    """``observers`` by name, with the region that each is in (empty: in none). ``quorum`` 0 is more than half of those
    that are not in the region which is judged. ``interval_s`` is that of a round, of which ``checks`` in a row count.
    """

    observers: Mapping[str, str]
    regions: tuple[str, ...]
    quorum: int = 0
    window_s: float = 30.0
    checks: int = 3
    interval_s: float = 1.0

    @property
    def stale_s(self) -> float:
        """Not less than what a slow answer takes."""
        return STALE_ROUNDS * self.interval_s + 1.0

    def needed(self, region: str) -> int:
        outside = sum(1 for where in self.observers.values() if where != region)
        return self.quorum or outside // 2 + 1


@frozen
class RegionJudgement:
    """``finding`` stood for the window; ``raw`` is what the votes say now, uninterrupted since ``since_s``.

    ``decided_s`` is when the window was over, None while nothing was decided. ``lived``: a quorum saw it alive once.
    """

    region: str
    raw: RegionFinding
    since_s: float
    finding: RegionFinding
    decided_s: float | None
    lived: bool
    ballots: tuple[Ballot, ...] = ()
    why: str = ""


@frozen
class WatchState:
    """All that a watch remembers of what it heard."""

    tracks: Mapping[str, Track] = field(factory=dict)
    regions: Mapping[str, RegionJudgement] = field(factory=dict)


def listened(state: WatchState, rules: WatchRules, observation: ObserverRound, now_s: float) -> WatchState:
    """With what an observer says; one that nobody named is not heard."""
    name = observation.observer
    if name not in rules.observers:
        return state
    track = taken(state.tracks.get(name), observation, rules.checks, now_s)
    return evolve(state, tracks={**state.tracks, name: track})


def judged(state: WatchState, rules: WatchRules, now_s: float) -> WatchState:
    """With a finding on each region, as of now."""
    return evolve(state, regions={region: _judged(state, rules, region, now_s) for region in rules.regions})


def _judged(state: WatchState, rules: WatchRules, region: str, now_s: float) -> RegionJudgement:
    ballots = tuple(
        ballot(name, state.tracks.get(name), region, rules.stale_s, now_s) for name in sorted(rules.observers)
    )
    votes = Counter(one.vote for one in ballots)
    needed, before = rules.needed(region), state.regions.get(region)
    raw = finding_of(votes, needed)
    since_s = before.since_s if before and before.raw is raw else now_s
    over = raw is not RegionFinding.NOTHING and now_s - since_s >= rules.window_s
    lived = bool(before and before.lived) or votes[Vote.ALIVE] >= needed
    return RegionJudgement(
        region,
        raw,
        since_s,
        raw if over else RegionFinding.NOTHING,
        since_s + rules.window_s if over else None,
        lived,
        ballots,
        summary(ballots, needed),
    )


def finding_of(votes: Mapping[Vote, int], needed: int) -> RegionFinding:
    """``votes`` of observers; those that do not count are in it under `none`."""
    lost, gray, alive = (votes.get(one, 0) for one in (Vote.LOST, Vote.GRAY, Vote.ALIVE))
    if lost >= needed:
        return RegionFinding.GRAY if alive >= needed else RegionFinding.LOST
    if lost + gray >= needed:
        return RegionFinding.GRAY
    if lost + gray and alive < needed:
        return RegionFinding.GRAY  # too few are left to say that it lives
    return RegionFinding.NOTHING


def summary(ballots: Iterable[Ballot], needed: int) -> str:
    """One line for people: who says what."""
    by_observer = "; ".join(f"{one.observer}: {one.vote}{f' ({one.why})' if one.why else ''}" for one in ballots)
    return f"{needed} have to agree. {by_observer}"
