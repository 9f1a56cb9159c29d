"""``python -m secondsite.lab.skewed CLOCK ARGUMENT…``: `secondsite ARGUMENT…` with clocks that are off as CLOCK says.

Python's clocks are replaced before anything of the program is read. A timer in the kernel that is set by such a clock
ends when that clock says so, as on a machine whose clocks are off.
"""

from __future__ import annotations

import mmap
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

from secondsite.lab.clocks import SIZE, ClockSkew

_TRUE_WALL, _TRUE_MONOTONIC, _TRUE_OF = time.time, time.monotonic, time.clock_gettime
_MONOTONIC = tuple(getattr(time, name) for name in ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME") if hasattr(time, name))


def _clocks(skew: Callable[[], ClockSkew]) -> dict[str, Callable[..., float]]:
    def off_s() -> float:
        return skew().off_s(_TRUE_MONOTONIC())

    def clock_gettime(clock: int) -> float:
        return _TRUE_OF(clock) + (off_s() if clock in _MONOTONIC else skew().wall_s)

    return {
        "time": lambda: _TRUE_WALL() + skew().wall_s,
        "monotonic": lambda: _TRUE_MONOTONIC() + off_s(),
        "clock_gettime": clock_gettime,
    }


def true_end(at_s: float, now_s: float, true_s: float, faster: float) -> float:
    """When a clock that says ``now_s`` will say ``at_s``, on the true one."""
    return true_s + (at_s - now_s) / (1.0 + faster)


def skewed(path: Path) -> None:
    """From now on, in this process."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), SIZE, prot=mmap.PROT_READ)

    def skew() -> ClockSkew:
        return ClockSkew.of(mapped[:SIZE])

    for name, clock in _clocks(skew).items():
        setattr(time, name, clock)
    from secondsite.operate import kernel_timer

    end_at = kernel_timer.KernelTimer.end_at

    def end_on_this_clock(self: kernel_timer.KernelTimer, at_s: float) -> None:
        boot = time.CLOCK_BOOTTIME
        end_at(self, true_end(at_s, kernel_timer.now_s(), _TRUE_OF(boot), skew().faster))

    setattr(kernel_timer.KernelTimer, end_at.__name__, end_on_this_clock)


if __name__ == "__main__":
    clock_file, *sys.argv[1:] = sys.argv[1:]
    skewed(Path(clock_file))
    runpy.run_module("secondsite", run_name="__main__")
