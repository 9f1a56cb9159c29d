"""Large arrays come and go by the thousand; handing each back to the system costs more than the arithmetic in it.

glibc maps blocks above 128 KiB one by one and gives them back when they are freed: a third of an evaluation's time was
spent in the kernel, filling pages with zeros. Elsewhere nothing is changed.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 32 * 2**20
"""What glibc takes at most."""
_KEPT = 256 * 2**20


@lru_cache(maxsize=1)
def keep_freed() -> bool:
    """Whether the allocator was told so, once for the process."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
