"""A scene that is watched: when the fault strikes, by whom it is noticed, and who agrees."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from attrs import define

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.play.under_load import LoadedScene
from secondsite.drill.play.watching import HealthCheck, Probe, agreed
from secondsite.lab.moment import Moment
from secondsite.model.strategy import Switch


@define(kw_only=True)
class WatchedScene(LoadedScene):
    """The instant of a fault is drawn from the seed."""

    async def strike(self) -> None:
        """The instant of the fault, anywhere in a check's interval, by the seed."""
        await asyncio.sleep(self.random.uniform(0, self.setup.profile.check_interval_s))

    def struck(self, moment: Moment, what: str) -> None:
        self.reach(Milestone.FAULT, moment.monotonic_ns, what=what)
        self.report(f"fault: {what}")

    async def lose(self, region: str) -> None:
        """Everything in it; what was on its way is gone."""
        await self.strike()
        self.struck(await self.venue.lose(region), f"{region} is lost")

    def watch(self, probe: Probe | None = None) -> HealthCheck:
        """Checks from outside on the region that serves, as its record's health check is configured."""
        profile = self.setup.profile

        async def usual() -> bool:
            return await self.venue.well(self.home)

        check = HealthCheck(probe or usual, profile.check_interval_s, profile.check_threshold)
        self.background(check.watch())
        return check

    async def noticed(self, check: HealthCheck, within_s: float = 60.0) -> bool:
        """Health checks fail often enough, then a second signal agrees; False where that does not happen in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s + self.setup.profile.decide_s):
                while True:
                    await check.bad.wait()
                    if Milestone.DETECTED not in self.milestones:
                        self.reach(Milestone.DETECTED, check.bad_since_ns, failures=check.threshold)
                        self.report(f"detected {self.since_fault(check.bad_since_ns):.1f} s after the fault")
                    if self.setup.strategy.switch is Switch.WEIGHTED:
                        self.reach(Milestone.DECIDED)
                        return True
                    if await agreed(self._second_signal, check, self.setup.profile.decide_s):
                        self.reach(Milestone.DECIDED)
                        self.report(f"decided {self.since_fault(time.monotonic_ns()):.1f} s after the fault")
                        return True
                    await asyncio.sleep(0.1)
        return False

    async def _second_signal(self) -> bool:
        return await self.venue.speaks(self.home)
