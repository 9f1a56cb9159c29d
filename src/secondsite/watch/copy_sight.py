"""How far each copy is behind, looked at again and again, and how old the newest backup and the archive are.

What could not be read is a gap in the history, and no zero. Nothing is decided by it: the plan has guards of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from secondsite.archive.layout import BASES, INDEX
from secondsite.backup.inventory import take_inventory
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.procedure import Procedure
from secondsite.objects.store import ObjectStorage
from secondsite.operate.action import Context
from secondsite.operate.actions.record import Measured, measure
from secondsite.operate.layout import Reach
from secondsite.operate.world import World
from secondsite.watch.operations import machine_error

EVERY_S, ROUNDS, SAVED_EVERY = 60.0, 360, 5
_LONGEST_S = 30.0


@frozen
class SavedAges:
    """When the newest good backup and the newest part of the archive were in the store; None where there is none."""

    backup_at: datetime | None = None
    archive_at: datetime | None = None
    problem: str = ""


async def saved_ages(store: ObjectStorage) -> SavedAges:
    """Raises MachineError where the store cannot be read."""
    inventory, *parts = await asyncio.gather(take_inventory(store), store.listing(INDEX), store.listing(BASES))
    newest = inventory.newest_good
    shipped = [each.modified_at for part in parts for each in part if each.modified_at is not None]
    return SavedAges(newest.when if newest else None, max(shipped, default=None))


@define
class CopySight:
    """``saved`` reads a store, None where the watch was told of none. ``wall`` in seconds, as the store dates."""

    deployment: Deployment
    procedure: Procedure
    world: Callable[[], World]
    clock: Callable[[], float]
    wall: Callable[[], float]
    saved: Callable[[], Awaitable[SavedAges]] | None = None
    every_s: float = EVERY_S
    looked_s: float | None = None
    ages: SavedAges = SavedAges()
    problem: str = ""
    history: dict[str, deque[float | None]] = field(factory=dict)
    newest: dict[str, Measured] = field(factory=dict)

    async def keep(self) -> None:
        """Until cancelled."""
        world, rounds = self.world(), 0
        while True:
            await self.look(world)
            if self.saved is not None and rounds % SAVED_EVERY == 0:
                await self.look_at_store()
            rounds += 1
            await asyncio.sleep(self.every_s)

    async def look(self, world: World) -> None:
        context = Context(self.deployment, self.procedure, world, {}, _unnoted)
        try:
            async with asyncio.timeout(_LONGEST_S):
                measured = await measure(context, context.away)
        except (MachineError, InputError, TimeoutError) as error:
            self.problem, measured = machine_error(error), ()
        else:
            self.problem, self.looked_s = "", self.clock()
        self.newest = {one.family.name: one for one in measured if not _promoted(one)}
        for name in {*self.history, *self.newest}:
            known = self.newest.get(name)
            self.history.setdefault(name, deque(maxlen=ROUNDS)).append(known.behind_s if known else None)

    async def look_at_store(self) -> None:
        """What was read before stays, and grows older."""
        if self.saved is None:
            return
        try:
            async with asyncio.timeout(_LONGEST_S):
                self.ages = await self.saved()
        except (MachineError, InputError, TimeoutError) as error:
            self.ages = SavedAges(self.ages.backup_at, self.ages.archive_at, machine_error(error))

    def plain(self) -> dict[str, Any]:
        """``history_s`` is one look each ``every_s``, the newest last."""
        now_s = self.clock()
        return {
            "looked_s": None if self.looked_s is None else now_s - self.looked_s,
            "problem": self.problem,
            "every_s": self.every_s,
            "streams": [self._stream(name) for name in sorted(self.history)],
            "store": self.saved is not None,
            "store_problem": self.ages.problem,
            "backup_age_s": self._age_s(self.ages.backup_at),
            "archive_age_s": self._age_s(self.ages.archive_at),
        }

    def _stream(self, name: str) -> Mapping[str, Any]:
        history, one = list(self.history[name]), self.newest.get(name)
        return {
            "stream": name,
            "missing_messages": one.missing_messages if one else None,
            "behind_s": one.behind_s if one else None,
            "highest_s": max((each for each in history if each is not None), default=None),
            "history_s": history,
        }

    def _age_s(self, at: datetime | None) -> float | None:
        return None if at is None else max(0.0, self.wall() - at.timestamp())


def _promoted(one: Measured) -> bool:
    """It follows nobody now, and is behind nobody."""
    return one.family.reach is Reach.MIRRORED and one.here is not None and not one.here.is_mirror


def _unnoted(_kind: str, _facts: Mapping[str, Any]) -> None:
    """Nothing of it belongs into a journal."""
