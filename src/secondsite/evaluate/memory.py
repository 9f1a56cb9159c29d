"""Large arrays come and go by the thousand; handing each back to the system costs more than the arithmetic in it.

glibc maps blocks above 128 KiB one by one and gives them back when they are freed: a third of an evaluation's time was
spent in the kernel, filling pages with zeros. Elsewhere nothing is changed.

Of what is made here next to nothing refers to itself, and a full collection looks at every object of a large system:
a seventh of its evaluation.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 32 * 2**20
"""What glibc takes at most."""
_KEPT = 256 * 2**20
_RARELY = (50_000, 20, 100)


@lru_cache(maxsize=1)
def keep_freed() -> bool:
    """Whether the allocator was told so, once for the process."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))


class _Collections:
    """How many are at it, in whichever thread, and what was usual before the first of them."""

    def __init__(self) -> None:
        self.at_it = 0
        self.usual = gc.get_threshold()
        self.lock = Lock()

    def begin(self) -> None:
        with self.lock:
            if not self.at_it:
                self.usual = gc.get_threshold()
                gc.set_threshold(*_RARELY)
            self.at_it += 1

    def end(self) -> None:
        with self.lock:
            self.at_it -= 1
            if not self.at_it:
                gc.set_threshold(*self.usual)


_COLLECTIONS = _Collections()


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Garbage that refers to itself waits longer meanwhile: the threshold is the process's, whoever else is at it.
    Freed arrays are kept for the next ones from here on."""
    keep_freed()
    _COLLECTIONS.begin()
    try:
        yield
    finally:
        _COLLECTIONS.end()
