"""Shipped observers of which some say that a healthy region is lost: one decides nothing, two of them decide.

Two real servers, and every observer and judge is a process of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from judged import Rounds, judge_of, observer, region_judged
from region_pair import AWAY, HOME, Pair, linked, wait_until

pytestmark = pytest.mark.slow
ROUNDS = Rounds(every_s=0.3, checks=2, window_s=0.9)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    try:
        for region in (HOME, AWAY):
            pair.start(region)
        asyncio.run(linked(pair))
        yield pair
    finally:
        for region in (HOME, AWAY):
            pair.kill(region)


def votes(judge: str) -> dict[str, str]:
    return {one["observer"]: one["vote"] for one in region_judged(judge).get("observers", ())}


def test_one_that_lies_decides_nothing_and_two_do(pair: Pair, tmp_path: Path) -> None:
    with ExitStack() as stack:
        east, west, liar, second = (
            stack.enter_context(observer(pair, tmp_path, name, ROUNDS.every_s, lies=lies))
            for name, lies in (("east", False), ("west", False), ("office", True), ("west", True))
        )
        one = stack.enter_context(judge_of(tmp_path, "one-lies", (east, west, liar), ROUNDS))
        two = stack.enter_context(judge_of(tmp_path, "two-lie", (east, second, liar), ROUNDS))
        lost = {"east": "alive", "office": "lost"}
        wait_until(lambda: votes(one) == {**lost, "west": "alive"}, "the liar is heard, and the others", 60)
        begin = time.monotonic()
        wait_until(lambda: region_judged(two).get("decided") == "lost", "two decide", 60)
        assert votes(two) == {**lost, "west": "lost"}, "the control: a quorum that lies is believed"
        while time.monotonic() - begin < 2 * ROUNDS.window_s:
            state = region_judged(one)
            assert (state["now"], state["decided"]) == ("nothing", "nothing"), state
            time.sleep(ROUNDS.every_s)
        assert votes(one) == {**lost, "west": "alive"}
