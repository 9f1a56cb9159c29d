"""A time after which the kernel ends this process, whatever the process does then: also if it stands still.

A process that was stopped (SIGSTOP), or that hangs, cannot look at its clock. A timer in the kernel can, and a SIGKILL
that it sends takes a stopped process too; with it goes the server that hangs on this process (`guarded.py`), stopped or
not. Linux: CLOCK_BOOTTIME goes on while the machine sleeps. The first process of a PID namespace is spared by signals
from within: see `guarded.as_child`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

from attrs import define, field

from secondsite.model.errors import MachineError

_CLOCK_BOOTTIME, _SIGEV_SIGNAL, _TIMER_ABSTIME = 7, 0, 1
_NANOSECONDS = 1_000_000_000


class _SignalEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("padding", ctypes.c_char * 48),
    )


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


def now_s() -> float:
    """The timer's clock: seconds since this machine booted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _no_timer() -> ctypes.c_void_p:
    if os.getpid() == 1:
        raise MachineError.at(
            "gate", "the first process of a container cannot be ended this way", "start it as a child"
        )
    timer = ctypes.c_void_p()
    event = _SignalEvent(None, signal.SIGKILL, _SIGEV_SIGNAL, b"")
    if _libc().timer_create(_CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(timer)) != 0:
        what = f"this kernel offers no timer ({os.strerror(ctypes.get_errno())})"
        raise MachineError.at("gate", what, "run it on Linux, or set `writers: available`")
    return timer


def _libc() -> ctypes.CDLL:
    """Until glibc 2.34 timers were in a library of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc if hasattr(libc, "timer_create") else ctypes.CDLL("librt.so.1", use_errno=True)


@define
class KernelTimer:
    """``end_at`` sets when this process ends, on the clock of ``now_s``; ``stand_down`` takes it back."""

    _timer: ctypes.c_void_p = field(factory=_no_timer)

    def end_at(self, at_s: float) -> None:
        """A time that is past ends it now."""
        nanoseconds = max(1, int(at_s * _NANOSECONDS))
        self._set(_TimeSpec(nanoseconds // _NANOSECONDS, nanoseconds % _NANOSECONDS))

    def stand_down(self) -> None:
        self._set(_TimeSpec(0, 0))

    def _set(self, value: _TimeSpec) -> None:
        spec = _TimerSpec(_TimeSpec(0, 0), value)
        if _libc().timer_settime(self._timer, _TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
            raise MachineError.at("gate", f"no timer ({os.strerror(ctypes.get_errno())})", "report this")
