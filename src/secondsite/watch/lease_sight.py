"""The writers' lease, looked at again and again, so that it runs out while the watch still makes sure of a loss.

Only this process's own clock counts: what was seen is no older than it says. What cannot be read changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.operate.world import LeaseReading, World
from secondsite.operate.writer_lease import lease_home, read_lease
from secondsite.strategies.write_gate import leased

_ANSWER_S = 5.0


@define
class LeaseSight:
    """``latest`` is None before the first look, and where writers hang on none."""

    deployment: Deployment
    world: Callable[[], World]
    every_s: float
    latest: LeaseReading | None = None

    async def keep(self) -> None:
        """Until cancelled."""
        if leased(self.deployment) is None:
            return
        world = self.world()
        while True:
            await self.look(world)
            await asyncio.sleep(self.every_s)

    async def look(self, world: World) -> None:
        home = self.deployment.primary.region.name
        try:
            async with asyncio.timeout(_ANSWER_S), world.streams(lease_home(self.deployment)) as door:
                self.latest = await read_lease(door, home, self.latest, world.clock.monotonic)
        except (MachineError, InputError, TimeoutError):
            return
