"""The circuit breaker of the API: pure, time is handed in.

Closed until so many failures follow one another; then open; after a while half-open, where calls are let through
as probes; closed again after so many successes, open again at the first failure.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import define


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@define
class Breaker:
    after_failures: int = 3
    half_open_after_s: float = 30.0
    after_successes: int = 3
    _failures: int = 0
    _successes: int = 0
    _opened_s: float | None = None

    def state(self, now_s: float) -> BreakerState:
        if self._opened_s is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_s - self._opened_s < self.half_open_after_s else BreakerState.HALF_OPEN

    def lets_through(self, now_s: float) -> bool:
        return self.state(now_s) is not BreakerState.OPEN

    def succeeded(self, now_s: float) -> None:
        self._failures = 0
        if self.state(now_s) is BreakerState.HALF_OPEN:
            self._successes += 1
            if self._successes >= self.after_successes:
                self._opened_s = None

    def failed(self, now_s: float) -> None:
        self._failures += 1
        if self.state(now_s) is BreakerState.HALF_OPEN or self._failures >= self.after_failures:
            self._opened_s = now_s
            self._successes = 0
