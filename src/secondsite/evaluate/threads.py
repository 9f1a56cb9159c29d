"""Work that is mostly array arithmetic, on the cores of this machine: numpy lets go of the interpreter meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 2
"""More threads wait for the interpreter, and each holds arrays of its own."""

A = TypeVar("A")
B = TypeVar("B")


def in_threads(task: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
    """Results in the order of the items, whichever was quickest; no more of them wait than there are threads.

    ``task`` shares nothing that it changes.
    """
    threads = min(MOST, len(items))
    if threads < 2:
        yield from map(task, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(task, item) for item in items[:threads])
        for item in items[threads:]:
            yield waiting.popleft().result()
            waiting.append(pool.submit(task, item))
        while waiting:
            yield waiting.popleft().result()
