"""When something happened, on both clocks."""

from __future__ import annotations

import time

from attrs import frozen


@frozen
class Moment:
    """An instant on both clocks; only the monotonic one is compared."""

    monotonic_ns: int
    wall_ns: int

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic_ns(), time.time_ns())
