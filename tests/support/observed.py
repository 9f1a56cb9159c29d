"""Observers that say what a test has them say, and a watch that listens to them once a second on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import define, field

from secondsite.watch.judging import RegionJudgement, WatchRules, WatchState, judged, listened
from secondsite.watch.signals import ObserverRound, Sight, Signal, SignalAnswer

EAST, WEST = "us-east-1", "us-west-2"
THREE = {"east": EAST, "west": WEST, "office": ""}
FOUR = {**THREE, "branch": ""}
ALL = (Signal.API, Signal.NATS, Signal.KUBE)

Says = Mapping[str, Mapping[Signal, SignalAnswer]]


def every(answer: SignalAnswer, *signals: Signal) -> dict[Signal, SignalAnswer]:
    return dict.fromkeys(signals or ALL, answer)


WELL: Says = {EAST: every(SignalAnswer.YES), WEST: every(SignalAnswer.YES)}
EAST_LOST: Says = {EAST: every(SignalAnswer.NO), WEST: every(SignalAnswer.YES)}
SEES_NOTHING: Says = {EAST: every(SignalAnswer.NO), WEST: every(SignalAnswer.NO)}
API_DEAD: Says = {EAST: {**every(SignalAnswer.YES), Signal.API: SignalAnswer.NO}, WEST: every(SignalAnswer.YES)}
REFUSED: Says = {EAST: {**every(SignalAnswer.NO), Signal.NATS: SignalAnswer.UNKNOWN}, WEST: every(SignalAnswer.YES)}


def observation(name: str, number: int, says: Says, run: str = "run") -> ObserverRound:
    regions = {region: {s: Sight(a) for s, a in signals.items()} for region, signals in says.items()}
    return ObserverRound(name, run, number, regions)


@define
class Story:
    """``pass_s`` lets seconds go by, in each of which those who are named say what they see."""

    rules: WatchRules
    now_s: float = 1000.0
    state: WatchState = field(factory=WatchState)
    numbers: dict[str, int] = field(factory=dict)

    def pass_s(self, seconds: int, **says: Says | None) -> RegionJudgement:
        """None: silent."""
        for _ in range(seconds):
            self.now_s += 1
            for name, what in says.items():
                if what is not None:
                    self.numbers[name] = self.numbers.get(name, 0) + 1
                    self.hear(observation(name, self.numbers[name], what))
            self.state = judged(self.state, self.rules, self.now_s)
        return self.east

    def hear(self, what: ObserverRound) -> None:
        self.state = listened(self.state, self.rules, what, self.now_s)

    def until(self, done: Callable[[RegionJudgement], bool], limit: int, **says: Says | None) -> int:
        """Seconds until it was so."""
        for second in range(1, limit + 1):
            if done(self.pass_s(1, **says)):
                return second
        raise AssertionError(f"not within {limit} s: {self.east.why}")

    @property
    def east(self) -> RegionJudgement:
        return self.state.regions[EAST]


def rules(observers: Mapping[str, str] = THREE, **more: float) -> WatchRules:
    settings: dict[str, float] = {"window_s": 3.0, "checks": 3, **more}
    return WatchRules(observers, (EAST, WEST), **settings)  # type: ignore[arg-type] # fields by name, spelled at the call


def well(watched: WatchRules) -> Story:
    """Everybody has seen everything alive for a while."""
    story = Story(watched)
    story.pass_s(5, **dict.fromkeys(watched.observers, WELL))
    return story
