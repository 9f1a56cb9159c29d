"""What was worked out once, and the figures that it hangs on: when one moves, only what hangs on it is made anew."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from attrs import field, frozen

T = TypeVar("T")


@frozen(eq=False)
class Recall(Generic[T]):
    """``base``: what was worked out before the figure ``changed`` was moved.

    ``asked`` has a set of figures for each result that is being made, the innermost last; it is shared by everything
    that is made of one another.
    """

    asked: list[set[str]] = field(factory=list)
    base: Recall[T] | None = None
    changed: str = ""
    _results: dict[Hashable, tuple[T, frozenset[str]]] = field(factory=dict, init=False)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        known = self._results.get(key)
        if known is None:
            known = self._results[key] = self._unmoved(key) or self._made(make)
        if self.asked:
            self.asked[-1].update(known[1])
        return known[0]

    def hangs_on(self, figure: str) -> None:
        if self.asked:
            self.asked[-1].add(figure)

    def _unmoved(self, key: Hashable) -> tuple[T, frozenset[str]] | None:
        known = self.base._results.get(key) if self.base else None
        return None if known is None or self.changed in known[1] else known

    def _made(self, make: Callable[[], T]) -> tuple[T, frozenset[str]]:
        self.asked.append(set())
        try:
            return make(), frozenset(self.asked[-1])
        finally:
            self.asked.pop()
