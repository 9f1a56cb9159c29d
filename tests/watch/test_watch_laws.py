"""Laws of the decision, for whatever observers say: nobody alone decides, and what is unknown never does."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from observed import EAST, FOUR, WELL, WEST, Says, Story, observation
from observed import rules as watched

from secondsite.watch.judging import RegionFinding, RegionJudgement
from secondsite.watch.signals import Signal, SignalAnswer
from secondsite.watch.voting import LEAST_SIGNALS, Vote

ANSWERS = st.sampled_from([SignalAnswer.NO, SignalAnswer.NO, SignalAnswer.YES, SignalAnswer.UNKNOWN])
SIGNALS = st.dictionaries(st.sampled_from(list(Signal)), ANSWERS, min_size=1)
SAYS = st.fixed_dictionaries({EAST: SIGNALS, WEST: SIGNALS})
SPEECH = st.one_of(st.none(), SAYS)
ROUND = st.fixed_dictionaries(dict.fromkeys(FOUR, SPEECH))
HISTORY = st.lists(st.tuples(ROUND, st.integers(1, 6)), min_size=1, max_size=6)
RULES = watched(FOUR)
Rounds = Sequence[tuple[dict[str, Says | None], int]]


def findings(history: Rounds, at_s: float = 1000.0) -> list[RegionFinding]:
    story = Story(RULES, at_s)
    return [story.pass_s(1, **says).finding for says, seconds in history for _ in range(seconds)]


def lost_votes(one: RegionJudgement) -> int:
    return sum(ballot.vote is Vote.LOST for ballot in one.ballots)


@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_a_lost_region_has_a_quorum_of_whole_silence_behind_it(history: Rounds) -> None:
    story = Story(RULES)
    for says, seconds in history:
        for _ in range(seconds):
            if story.pass_s(1, **says).finding is not RegionFinding.LOST:
                continue
            assert lost_votes(story.east) >= RULES.needed(EAST)
            for ballot in story.east.ballots:
                counted = {signal: answer for signal, answer in ballot.settled.items() if signal.counts}
                if ballot.vote is Vote.LOST:
                    assert len(counted) >= LEAST_SIGNALS
                    assert set(counted.values()) == {SignalAnswer.NO}


@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_refusals_in_place_of_silence_lose_no_region(history: Rounds) -> None:
    """Whoever refuses us is there: with one refusal in each of an observer's rounds nothing is lost by it."""

    def refused(says: Says | None) -> Says | None:
        return says and {EAST: {**says[EAST], Signal.NATS: SignalAnswer.UNKNOWN}, WEST: says[WEST]}

    changed = [({name: refused(says) for name, says in one.items()}, seconds) for one, seconds in history]
    assert RegionFinding.LOST not in findings(changed)


@settings(max_examples=60, deadline=None)
@given(HISTORY, st.sampled_from(sorted(FOUR)))
def test_one_observer_decides_nothing(history: Rounds, liar: str) -> None:
    alone = [({**dict.fromkeys(FOUR, WELL), liar: one[liar]}, seconds) for one, seconds in history]
    assert set(findings(alone)) == {RegionFinding.NOTHING}


@settings(max_examples=60, deadline=None)
@given(HISTORY, st.floats(-1e9, 1e9))
def test_only_differences_of_the_clock_count(history: Rounds, at_s: float) -> None:
    whole = float(round(at_s))
    assert findings(history, whole) == findings(history)


@settings(max_examples=60, deadline=None)
@given(HISTORY)
def test_what_is_heard_twice_counts_once(history: Rounds) -> None:
    story = Story(RULES)
    once = findings(history)
    twice = []
    for says, seconds in history:
        for _ in range(seconds):
            for name, what in says.items():
                number = story.numbers.get(name, 0)
                if what is not None and number:
                    story.hear(observation(name, number, what))
            twice.append(story.pass_s(1, **says).finding)
    assert twice == once
