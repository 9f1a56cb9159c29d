"""Every instant at which a controller can die: before, in the middle of and after each call and each journal line.

A point is a number, counted in the order of execution; what happens at the chosen one is handed in, so that the same
walk ends a real process by SIGKILL or a simulated one by an exception.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, evolve

from secondsite.operate.journal import Journal
from secondsite.operate.live import LiveWorld
from secondsite.operate.world import Clock


@define
class Points:
    """``die`` is called at the point ``at``; ``count`` is how many there were."""

    die: Callable[[], None]
    at: int = -1
    count: int = 0

    def reach(self) -> None:
        if self.count == self.at:
            self.die()
        self.count += 1


class KilledJournal(Journal):
    """Dies before a line, after half of it, and after the whole."""

    def __init__(self, path: Path, clock: Clock, points: Points) -> None:
        self._points = points
        super().__init__(path, clock)

    def _write(self, line: bytes) -> None:
        self._points.reach()
        if self._points.count == self._points.at:
            os.write(self._descriptor, line[: len(line) // 2])
        self._points.reach()
        super()._write(line)
        self._points.reach()


class Dying:
    """Any door: its calls die before, in the middle (sent, not answered) and after."""

    def __init__(self, door: Any, points: Points) -> None:
        self._door, self._points = door, points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._door, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            self._points.reach()
            task = asyncio.ensure_future(found(*arguments, **named))
            if self._points.count == self._points.at:
                await asyncio.sleep(0.0005)
            try:
                self._points.reach()
            except BaseException:
                await asyncio.gather(task, return_exceptions=True)
                raise
            result = await task
            self._points.reach()
            return result

        return call


class DyingWorld:
    """A world all of whose doors die."""

    def __init__(self, world: Any, points: Points) -> None:
        self._world, self._points = world, points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[Any]:
        async with self._world.streams(region, within_s) as door:
            yield Dying(door, self._points)


def dying(world: LiveWorld, points: Points) -> DyingWorld:
    doors = {name: Dying(getattr(world, name), points) for name in ("dns", "path", "manual_steps", "secrets")}
    return DyingWorld(evolve(world, **doors), points)  # type: ignore[arg-type] # doors around doors
