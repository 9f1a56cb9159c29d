"""How one observer's rounds become a vote on a region. Pure.

A signal counts as lost after so many rounds in a row, and no longer from the first round that says otherwise; it counts
as back after as many. An observer that is silent, stands still, repeats itself or sees nothing else in the world has no
vote: its silence says nothing about anybody but itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from secondsite.watch.signals import ObserverRound, Sight, Sights, Signal, SignalAnswer

LEAST_SIGNALS = 2
"""One signal alone may fail for a cause of its own."""


class Vote(StrEnum):
    """``none``: this observer does not count. ``gray``: some signals are lost, others are there."""

    ALIVE = "alive"
    GRAY = "gray"
    LOST = "lost"
    NONE = "none"


@frozen
class Streak:
    """``settled`` is what counts; ``latest`` came ``rounds`` times in a row."""

    latest: Sight
    rounds: int
    settled: SignalAnswer

    def after(self, sight: Sight, checks: int) -> Streak:
        rounds = self.rounds + 1 if sight.answer is self.latest.answer else 1
        if rounds >= checks:
            return Streak(sight, rounds, sight.answer)
        doubted = self.settled is SignalAnswer.NO and sight.answer is not SignalAnswer.NO
        return Streak(sight, rounds, SignalAnswer.UNKNOWN if doubted else self.settled)


@frozen
class Track:
    """What is known of one observer. ``advanced_s``: when its number last grew, on the clock of whoever listens."""

    run: str
    number: int
    advanced_s: float
    streaks: Mapping[str, Mapping[Signal, Streak]]


@frozen
class Ballot:
    """``sights`` are the latest, ``settled`` what counts."""

    observer: str
    vote: Vote
    why: str = ""
    sights: Sights = field(factory=dict)
    settled: Mapping[Signal, SignalAnswer] = field(factory=dict)


def taken(track: Track | None, observation: ObserverRound, checks: int, now_s: float) -> Track:
    """With this round; as it was where the round is not a later one of the same life."""
    if track is not None and track.run == observation.run and observation.number <= track.number:
        return track
    known = track.streaks if track is not None and track.run == observation.run else {}
    streaks = {
        region: {signal: _streak(known.get(region, {}).get(signal), sight, checks) for signal, sight in sights.items()}
        for region, sights in observation.regions.items()
    }
    return Track(observation.run, observation.number, now_s, streaks)


def _streak(known: Streak | None, sight: Sight, checks: int) -> Streak:
    first = Streak(sight, 0, SignalAnswer.UNKNOWN)
    return (known or first).after(sight, checks)


def ballot(observer: str, track: Track | None, region: str, stale_s: float, now_s: float) -> Ballot:
    """``stale_s``: after so long without a new round an observer does not count."""
    if track is None:
        return Ballot(observer, Vote.NONE, "no report from it yet")
    streaks = track.streaks.get(region, {})
    sights = {signal: streak.latest for signal, streak in streaks.items()}
    settled = {signal: streak.settled for signal, streak in streaks.items()}
    silent_s = now_s - track.advanced_s
    if silent_s > stale_s:
        return Ballot(observer, Vote.NONE, f"no new round for {silent_s:.0f} s", sights, settled)
    vote, why = _vote({signal: answer for signal, answer in settled.items() if signal.counts})
    if vote in (Vote.LOST, Vote.GRAY) and not _sees_elsewhere(track, region):
        return Ballot(observer, Vote.NONE, "it reaches no other region either, so it may be cut off", sights, settled)
    return Ballot(observer, vote, why, sights, settled)


def _vote(settled: Mapping[Signal, SignalAnswer]) -> tuple[Vote, str]:
    by_answer = {one: [str(s) for s, answer in settled.items() if answer is one] for one in SignalAnswer}
    lost, there, unknown = by_answer[SignalAnswer.NO], by_answer[SignalAnswer.YES], by_answer[SignalAnswer.UNKNOWN]
    if not lost:
        return (Vote.ALIVE, f"{_listed(there)} answer") if there else (Vote.NONE, "no verdict yet")
    if there or unknown:
        rest = f"{_listed(there)} answer" if there else f"{_listed(unknown)} unknown"
        return Vote.GRAY, f"{_listed(lost)} silent, {rest}"
    if len(lost) < LEAST_SIGNALS:
        return Vote.GRAY, f"{_listed(lost)} silent, and there is no second signal"
    return Vote.LOST, f"{_listed(lost)} silent"


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names))


def _sees_elsewhere(track: Track, region: str) -> bool:
    """In its last round: whoever is cut off by now has no vote now."""
    return any(
        streak.latest.answer is SignalAnswer.YES and signal.counts
        for other, streaks in track.streaks.items()
        if other != region
        for signal, streak in streaks.items()
    )
