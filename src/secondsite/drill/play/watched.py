"""A scene that is watched: when the fault strikes, by whom it is noticed, and who agrees."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from attrs import define

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.play.under_load import LoadedScene
from secondsite.drill.play.watching import HealthCheck, Probe, agreed, watch_sight
from secondsite.lab.moment import Moment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.strategy import Switch

_CALM_WITHIN_S = 30.0
_LOOK_S = 0.05


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
        if self.judge is None:
            self.background(check.watch())
        return check

    @property
    def judge(self) -> Endpoint | None:
        """Who decides in place of the drill; nobody where the provider's checks move clients and nothing is decided."""
        return None if self.setup.strategy.switch is Switch.WEIGHTED else self.venue.judge

    async def calm(self) -> None:
        """Where a watch decides: every observer has to count, or nothing could be learnt of them."""
        if (judge := self.judge) is None:
            return
        end = time.monotonic() + _CALM_WITHIN_S + 3 * self.setup.profile.check_interval_s
        while not ((sight := await watch_sight(judge, self.home)) and sight.calm):
            if time.monotonic() > end:
                what = "its observers do not agree that all is well, before any fault" if sight else "does not answer"
                raise MachineError.at(f"watch at {judge}", what, "see its page, and the logs of its observers")
            await asyncio.sleep(_LOOK_S)
        self.note("watch-calm", judge=str(judge))

    async def noticed(self, check: HealthCheck, within_s: float = 60.0) -> bool:
        """Health checks fail often enough, then a second signal agrees, or a watch decides that the region is lost;
        False where that does not happen in time."""
        if self.judge is not None:
            return await self._judged(self.judge, within_s)
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

    async def _judged(self, judge: Endpoint, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s + self.setup.profile.decide_s):
                while True:
                    sight = await watch_sight(judge, self.home)
                    if sight and sight.agreed_ns is not None and Milestone.DETECTED not in self.milestones:
                        self.reach(Milestone.DETECTED, sight.agreed_ns, by="watch")
                        self.report(f"a quorum agreed {self.since_fault(sight.agreed_ns):.1f} s after the fault")
                    if sight and sight.decided:
                        self.reach(Milestone.DECIDED, by="watch")
                        self.report(f"decided {self.since_fault(time.monotonic_ns()):.1f} s after the fault")
                        return True
                    await asyncio.sleep(_LOOK_S)
        return False

    async def _second_signal(self) -> bool:
        return await self.venue.speaks(self.home)
