"""The API's promises: breaker, fallback queue and rate limit, as the example describes them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from secondsite.lab.breaker import Breaker, BreakerState
from secondsite.lab.fallback_queue import FallbackQueue, QueuedEvent
from secondsite.lab.rate_limit import RateLimit


def event(number: int) -> QueuedEvent:
    return QueuedEvent(str(number), "events.a", "k", "data")


def opened(at_s: float = 0.0) -> Breaker:
    breaker = Breaker(3, 30.0, 3)
    for _ in range(3):
        breaker.failed(at_s)
    return breaker


def test_opens_after_three_failures_in_a_row_and_not_after_three_in_all() -> None:
    breaker = Breaker(3, 30.0, 3)
    for failed in (True, True, False, True, True):
        (breaker.failed if failed else breaker.succeeded)(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.OPEN
    assert not breaker.lets_through(29.9)


def test_half_open_after_thirty_seconds_closed_after_three_successes() -> None:
    breaker = opened()
    assert breaker.state(30.0) is BreakerState.HALF_OPEN
    breaker.succeeded(30.0)
    breaker.succeeded(30.1)
    assert breaker.state(30.1) is BreakerState.HALF_OPEN
    breaker.succeeded(30.2)
    assert breaker.state(30.2) is BreakerState.CLOSED


def test_one_failure_while_half_open_opens_again() -> None:
    breaker = opened()
    breaker.succeeded(31.0)
    breaker.failed(31.5)
    assert breaker.state(61.4) is BreakerState.OPEN
    assert breaker.state(61.5) is BreakerState.HALF_OPEN
    breaker.succeeded(61.5)
    breaker.succeeded(61.5)
    assert breaker.state(61.5) is BreakerState.HALF_OPEN, "successes before the failure do not count"


@given(st.lists(st.booleans(), max_size=60))
def test_never_open_without_three_failures_in_a_row(outcomes: list[bool]) -> None:
    breaker = Breaker(3, 30.0, 3)
    row = 0
    for succeeded in outcomes:
        if breaker.state(0.0) is BreakerState.OPEN:
            break
        (breaker.succeeded if succeeded else breaker.failed)(0.0)
        row = 0 if succeeded else row + 1
        assert (breaker.state(0.0) is BreakerState.OPEN) == (row >= 3)


def test_queue_is_bounded_and_first_in_first_out() -> None:
    queue = FallbackQueue(2)
    assert queue.put(event(1))
    assert queue.put(event(2))
    assert not queue.put(event(3))
    first = queue.head
    assert first
    assert first.id == "1"
    queue.published(first)
    assert queue.head == event(2)
    assert queue.put(event(3))


def test_memory_forgets_and_a_file_does_not(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    queue = FallbackQueue(10, path)
    for number in range(4):
        queue.put(event(number))
    assert queue.head
    queue.published(queue.head)
    queue.close()
    with closing(FallbackQueue(10, path)) as again:
        assert [again.head, len(again)] == [event(1), 3]
    assert len(FallbackQueue(10)) == 0


def test_a_line_that_was_cut_short_was_never_promised(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    queue = FallbackQueue(10, path)
    queue.put(event(1))
    queue.close()
    with path.open("a") as file:
        file.write('["put", "2", "ev')
    with closing(FallbackQueue(10, path)) as again:
        assert len(again) == 1


def test_a_tenant_has_its_rate_and_no_other_tenants() -> None:
    limit = RateLimit(10)
    assert sum(limit.take("a", 0.0) for _ in range(30)) == 10
    assert limit.take("b", 0.0)
    assert sum(limit.take("a", 0.5) for _ in range(30)) == 5
    assert all(RateLimit(0).take("a", 0.0) for _ in range(1000))
