"""Collections of garbage while much is made: rarer for as long as it lasts, whatever ends it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from secondsite.evaluate.memory import collected_rarely
from secondsite.evaluate.study import Move, score_block, score_moved
from secondsite.evaluate.years import simulated


def test_collections_are_rarer_meanwhile_and_as_before_afterwards() -> None:
    usual, seen = gc.get_threshold(), []

    @collected_rarely()
    def fails() -> None:
        seen.append(gc.get_threshold())
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert seen[0][0] > usual[0]
    assert gc.get_threshold() == usual


def test_two_that_overlap_leave_it_as_it_was_before_both() -> None:
    usual = gc.get_threshold()
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(collected_rarely())
        second.enter_context(collected_rarely())
        first.close()
        assert gc.get_threshold()[0] > usual[0], "the second is still at it"
    assert gc.get_threshold() == usual


class _Looks:
    """Stands for whatever a task is given first: looks at the threshold, and ends the task."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __getattr__(self, name: str) -> Any:
        self.seen.append(gc.get_threshold()[0])
        raise KeyError(name)


@pytest.mark.parametrize(
    "task",
    [
        lambda looks: simulated(looks, (0, 1)),
        lambda looks: score_block(looks, ((), np.ones((1, 0)))),
        lambda looks: score_moved(looks, Move((), np.ones((1, 0)), "x", np.ones(1))),
    ],
    ids=["years", "block", "move"],
)
def test_so_is_it_where_a_cluster_runs_a_task(task: Callable[[_Looks], object]) -> None:
    looks, usual = _Looks(), gc.get_threshold()[0]
    with pytest.raises(KeyError):
        task(looks)
    assert looks.seen
    assert all(threshold > usual for threshold in looks.seen)
