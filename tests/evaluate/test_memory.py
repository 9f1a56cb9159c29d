"""Collections of garbage while much is made: rarer for as long as it lasts, whatever ends it."""

from __future__ import annotations

import gc
from contextlib import ExitStack

import pytest

from secondsite.evaluate.memory import collected_rarely


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
