"""What is stored counts, what is only promised does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen

from secondsite.drill.check.served import served, stored_again_s
from secondsite.drill.ledger.record import Purpose, Status

S = 1_000_000_000
Maker = Callable[..., Any]


@frozen
class Write:
    intent_ns: int
    ack_ns: int | None
    status: Status = Status.STORED
    key: int = 0
    client: int = 0
    stream: int = 0
    purpose: Purpose = Purpose.WRITE
    stream_sequence: int = 0
    payload_bytes: int = 100
    endpoint: int = 0


def _writes(until_s: int, promised: range) -> list[Write]:
    """Ten a second, answered after 50 ms; from and until these seconds with a 202."""
    times = [number * S // 10 for number in range(10 * until_s)]
    return [Write(at, at + S // 20, status=Status.BUFFERED if at // S in promised else Status.STORED) for at in times]


def test_a_promise_is_no_service(make: Maker) -> None:
    history = make(_writes(40, range(10, 20))).history
    assert stored_again_s(history, 10 * S, 12 * S) == pytest.approx(8.05, abs=0.11)
    assert stored_again_s(history, 10 * S, 20 * S) == pytest.approx(0.05, abs=0.11)


def test_never_again(make: Maker) -> None:
    assert stored_again_s(make(_writes(40, range(10, 40))).history, 10 * S, 12 * S) is None
    assert stored_again_s(make(_writes(22, range(10, 20))).history, 10 * S, 12 * S) is None, "two seconds are no proof"


def test_what_was_served_in_an_interval(make: Maker) -> None:
    writes = [Write(n, n + (300 if n >= 90 else 20) * 1_000_000) for n in range(100)]
    writes += [Write(100 + n, None) for n in range(100)]
    found = served(make(writes).history, 0, 200)
    assert (found.writes, found.failed, found.median_ms) == (200, 0.5, 20.0)
    assert 20 < found.p95_ms <= 300
    nothing = served(make([Write(5, None)]).history, 0, 200)
    assert (nothing.failed, nothing.p95_ms) == (1.0, math.inf)


def test_how_long_answers_took(make: Maker) -> None:
    """1 to 101 ms: half of them within 51 ms, 95 of 100 within 96 ms."""
    found = served(make([Write(n, n + (n + 1) * 1_000_000) for n in range(101)]).history, 0, 200)
    assert (found.failed, found.median_ms) == (0.0, 51.0)
    assert found.p95_ms == pytest.approx(96.0)
