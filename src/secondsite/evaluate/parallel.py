"""Where the parts of an evaluation that hang on nothing but each other's input are worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from secondsite.evaluate.threads import in_threads

S = TypeVar("S")
A = TypeVar("A")
B = TypeVar("B")


class ParallelMap(Protocol):
    """Does a task for every item, wherever; results come in the order of the items, each as soon as it is there.

    ``shared`` is what every task needs beside its item: it is brought to wherever they run once, not with each of them.
    """

    def __call__(self, task: Callable[[S, A], B], shared: S, items: Sequence[A], /) -> Iterable[B]: ...


def here(task: Callable[[S, A], B], shared: S, items: Sequence[A]) -> Iterator[B]:
    """In this process alone."""
    return in_threads(partial(task, shared), items)
