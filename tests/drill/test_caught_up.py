"""When a consumer has caught up; one with a filter when nothing is left for it, whatever else its stream holds."""

from __future__ import annotations

import pytest

from secondsite.drill.play.final_reads import _caught_up
from secondsite.nats.streams import ConsumerState, StreamState

FILTER = {"filter_subject": "cooked.7"}


@pytest.mark.parametrize(
    ("consumer", "caught_up"),
    [
        # Of three servers, 2.15.1, seen in a drill: delivery goes on past what is not for it, and the floor stays.
        (ConsumerState("seven", FILTER, floor=134, delivered=204, pending=0), True),
        (ConsumerState("seven", FILTER, floor=134, delivered=204, pending=0, unacknowledged=1), False),
        (ConsumerState("seven", FILTER, floor=134, delivered=134, pending=1), False),
        (ConsumerState("all", {}, floor=204, delivered=204, pending=0), True),
        (ConsumerState("all", {}, floor=134, delivered=204, pending=0, unacknowledged=70), False),
        (ConsumerState("all", {}, floor=134, delivered=134, pending=0), False),
    ],
)
def test_a_consumer_has_caught_up_when_nothing_is_left_for_it(consumer: ConsumerState, caught_up: bool) -> None:
    state = StreamState("RAW", {}, messages=204, first_seq=1, last_seq=204, last_at="", leader="n")
    assert _caught_up(state, consumer) is caught_up
