"""Slow for a moment is the machine's; slow as long as anybody looks is the collector's doing. A failed write counts."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from attrs import define, field

from secondsite.drill.check.served import Served
from secondsite.drill.faults import observability_gone
from secondsite.drill.play.stage import Stage

BEFORE = Served(400, 0.0, 30.0, 70.0)


@define
class Looked:
    """``p95s_ms`` of one window after the other, ``failed`` of all of them together."""

    p95s_ms: list[float]
    failed: float = 0.0
    windows: int = 0
    holds: list[bool] = field(factory=list)

    async def pass_time(self, _seconds: float, _what: str) -> None:
        self.windows += 1

    def history(self) -> Looked:
        return self

    def observe(self, _what: str, holds: bool) -> None:
        self.holds.append(holds)


@pytest.mark.parametrize(
    ("p95s_ms", "failed", "windows", "holds"),
    [
        ([70.0], 0.0, 1, True),
        ([515.0, 80.0], 0.0, 2, True),
        ([515.0, 600.0, 700.0], 0.0, 3, False),
        ([199.0], 0.0, 1, True),
        ([70.0], 0.01, 1, False),
        ([515.0, 80.0], 0.01, 2, False),
    ],
)
def test_slow_is_what_stays_slow(
    monkeypatch: pytest.MonkeyPatch, p95s_ms: list[float], failed: float, windows: int, holds: bool
) -> None:
    looked = Looked(p95s_ms, failed)

    def served(history: Any, _begin_ns: int, _end_ns: int) -> Served:
        return Served(400, history.failed, 30.0, history.p95s_ms[history.windows - 1])

    monkeypatch.setattr(observability_gone, "served", served)
    asyncio.run(observability_gone._unhurt(cast("Stage", looked), "while it is down", BEFORE))
    assert (looked.windows, looked.holds) == (windows, [holds])
