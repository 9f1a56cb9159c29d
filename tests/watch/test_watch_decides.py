"""What a watch decides: a region is lost by a quorum that counts, gray is asked, and one observer alone is nothing."""

from __future__ import annotations

import pytest
from observed import (
    API_DEAD,
    EAST,
    EAST_LOST,
    FOUR,
    REFUSED,
    SEES_NOTHING,
    THREE,
    WELL,
    WEST,
    Says,
    every,
    observation,
    well,
)
from observed import rules as watched

from secondsite.watch.judging import RegionFinding
from secondsite.watch.signals import Signal, SignalAnswer, observation_bytes, read_observation
from secondsite.watch.voting import Vote

ONE_SIGNAL: Says = {EAST: every(SignalAnswer.NO, Signal.NATS), WEST: every(SignalAnswer.YES)}
CASES: dict[str, tuple[dict[str, str], dict[str, Says | None], RegionFinding]] = {
    "all is well": (THREE, dict.fromkeys(THREE, WELL), RegionFinding.NOTHING),
    "the region and its observer are gone": (
        THREE,
        {"east": None, "west": EAST_LOST, "office": EAST_LOST},
        RegionFinding.LOST,
    ),
    "the region is lost and one observer is frozen": (
        FOUR,
        {"east": None, "west": EAST_LOST, "office": None, "branch": EAST_LOST},
        RegionFinding.LOST,
    ),
    "the region is lost and too few are left to agree": (
        THREE,
        {"east": None, "west": EAST_LOST, "office": None},
        RegionFinding.GRAY,
    ),
    "the region is lost and one observer lies": (
        FOUR,
        {"east": None, "west": EAST_LOST, "office": WELL, "branch": EAST_LOST},
        RegionFinding.LOST,
    ),
    "one observer lies": (THREE, {"east": WELL, "west": WELL, "office": EAST_LOST}, RegionFinding.NOTHING),
    "one observer is cut off": (THREE, {"east": WELL, "west": WELL, "office": SEES_NOTHING}, RegionFinding.NOTHING),
    "two observers are cut off": (
        THREE,
        {"east": WELL, "west": SEES_NOTHING, "office": SEES_NOTHING},
        RegionFinding.NOTHING,
    ),
    "one observer is silent": (THREE, {"east": WELL, "west": WELL, "office": None}, RegionFinding.NOTHING),
    "the watch hears nobody, as it is in the lost region": (THREE, dict.fromkeys(THREE), RegionFinding.NOTHING),
    "the watch's own region is cut off": (
        THREE,
        {"east": {EAST: every(SignalAnswer.YES), WEST: every(SignalAnswer.NO)}, "west": None, "office": None},
        RegionFinding.NOTHING,
    ),
    "the API alone is dead": (THREE, dict.fromkeys(THREE, API_DEAD), RegionFinding.GRAY),
    "a login is refused, the rest is silent": (THREE, dict.fromkeys(THREE, REFUSED), RegionFinding.GRAY),
    "there is one signal only": (THREE, dict.fromkeys(THREE, ONE_SIGNAL), RegionFinding.GRAY),
    "two quorums contradict each other": (
        {"a": "", "b": "", "c": "", "d": ""},
        {"a": EAST_LOST, "b": EAST_LOST, "c": WELL, "d": WELL},
        RegionFinding.GRAY,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_found(case: str) -> None:
    observers, says, finding = CASES[case]
    quorum = 2 if case == "two quorums contradict each other" else 0
    story = well(watched(observers, quorum=quorum))
    assert story.pass_s(15, **says).finding is finding, story.east.why


def test_checks_and_window_are_what_a_decision_takes() -> None:
    story = well(watched(checks=3, window_s=4))
    gone = {"east": None, "west": EAST_LOST, "office": EAST_LOST}
    assert story.until(lambda east: east.raw is RegionFinding.LOST, 10, **gone) == 3
    assert story.until(lambda east: east.finding is RegionFinding.LOST, 10, **gone) == 4
    assert story.east.decided_s == story.now_s


def test_one_sign_of_life_begins_the_window_anew() -> None:
    story = well(watched(checks=3, window_s=4))
    gone = {"east": None, "west": EAST_LOST, "office": EAST_LOST}
    story.pass_s(6, **gone)
    story.pass_s(1, east=None, west=WELL, office=WELL)
    assert story.east.raw is not RegionFinding.LOST
    assert story.until(lambda east: east.finding is RegionFinding.LOST, 20, **gone) == 3 + 4


def test_back_takes_as_many_rounds_as_away() -> None:
    story = well(watched(checks=3, window_s=1))
    story.pass_s(8, **dict.fromkeys(THREE, API_DEAD))
    assert story.until(lambda east: east.raw is RegionFinding.NOTHING, 9, **dict.fromkeys(THREE, WELL)) in (1, 2, 3)
    votes = {one.observer: one.vote for one in story.east.ballots}
    assert set(votes.values()) <= {Vote.ALIVE, Vote.NONE}


def test_a_region_is_never_lost_that_flaps() -> None:
    story = well(watched(checks=3, window_s=4))
    for _ in range(10):
        story.pass_s(3, east=None, west=EAST_LOST, office=EAST_LOST)
        assert story.pass_s(1, east=None, west=WELL, office=WELL).finding is not RegionFinding.LOST


def test_an_observer_that_repeats_itself_does_not_count() -> None:
    story = well(watched())
    for _ in range(20):
        for name in ("west", "office"):
            story.hear(observation(name, 6, EAST_LOST))
        assert story.pass_s(1).finding is RegionFinding.NOTHING
    assert {one.vote for one in story.east.ballots} == {Vote.NONE}


def test_an_observer_that_was_restarted_counts_again() -> None:
    story = well(watched())
    story.numbers.clear()
    for number in range(1, 9):
        for name in ("west", "office"):
            story.hear(observation(name, number, EAST_LOST, run="another"))
        story.pass_s(1)
    assert story.east.finding is RegionFinding.LOST


def test_who_was_not_named_is_not_heard() -> None:
    story = well(watched())
    story.pass_s(10, east=WELL, west=WELL, office=WELL, stranger=EAST_LOST, other=EAST_LOST)
    assert story.east.finding is RegionFinding.NOTHING
    assert {one.observer for one in story.east.ballots} == set(THREE) == set(story.state.tracks)


def test_what_the_provider_says_decides_nothing() -> None:
    says: Says = {EAST: {**every(SignalAnswer.NO), Signal.STATUS: SignalAnswer.YES}, WEST: every(SignalAnswer.YES)}
    story = well(watched())
    assert story.pass_s(12, east=None, west=says, office=says).finding is RegionFinding.LOST
    impaired: Says = {EAST: {**every(SignalAnswer.YES), Signal.STATUS: SignalAnswer.NO}, WEST: every(SignalAnswer.YES)}
    story = well(watched())
    assert story.pass_s(12, **dict.fromkeys(THREE, impaired)).finding is RegionFinding.NOTHING


def test_an_observation_comes_back_as_it_was_sent() -> None:
    sent = observation("west", 7, API_DEAD)
    assert read_observation(observation_bytes(sent)) == sent


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", observation_bytes(observation("w", 1, WELL)).replace(b'"yes"', b'"perhaps"'), b'{"schema": 1}'],
)
def test_what_is_no_observation_is_none(content: bytes) -> None:
    assert read_observation(content) is None
