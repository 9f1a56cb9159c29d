"""The lab as the venue of a drill."""

from __future__ import annotations

import asyncio
from pathlib import Path

from attrs import frozen

from secondsite.drill.play.lab_world import has_api, place
from secondsite.drill.play.setup import CHECKS, WATCH, Setup
from secondsite.drill.play.watching import http_well, nats_speaks
from secondsite.lab.moment import Moment
from secondsite.lab.observing import unwatchable
from secondsite.lab.one_address import DIFFERS, dialled, is_shared
from secondsite.lab.options import JudgingOptions
from secondsite.lab.supervisor import Supervisor
from secondsite.lab.world import Lab
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError
from secondsite.nats.place import NatsPlace
from secondsite.strategies.server_config import CLIENT_PORT


@frozen
class LabVenue:
    lab: Lab

    @property
    def supervisor(self) -> Supervisor:
        return self.lab.supervisor

    @property
    def folder(self) -> Path:
        return self.lab.folder

    @property
    def regions(self) -> tuple[str, ...]:
        return self.lab.regions

    @property
    def judge(self) -> Endpoint | None:
        return self.lab.observing.judge if self.lab.observing else None

    def place(self, region: str) -> NatsPlace:
        return place(self.lab, region)

    def networks(self, region: str) -> tuple[str, ...]:
        return (f"{self.lab.addresses.network(region)}.0.0/24",)

    def replaced(self) -> list[str]:
        monitoring = self.lab.services.monitoring
        shared = [DIFFERS] if is_shared(self.lab.addresses.block) else []
        return [*self.lab.fleet.replaced(), *self.lab.stores.replaced(), *monitoring.replaced(), *shared]

    async def well(self, region: str) -> bool:
        """Of a system without an API: whether NATS speaks."""
        if not has_api(self.lab.deployment):
            return await self.speaks(region)
        return await http_well(self.lab.gateway(region), self.lab.deployment.traffic.check_path)

    async def speaks(self, region: str) -> bool:
        ends = [dialled(self.lab.addresses.listen(server), CLIENT_PORT) for server in self.lab.servers(region)]
        return any(await asyncio.gather(*(nats_speaks(end) for end in ends)))

    async def lose(self, region: str) -> Moment:
        """SIGKILL to everything in it; what was on its way is gone."""
        return await self.lab.kill_region(region)


def judging_of(setup: Setup) -> JudgingOptions | None:
    """The watch that decides, where one does: its rounds and window are those of the drill's own checks. Raises
    InputError for a design of which no quorum could ever say that it lost a region."""
    if setup.trigger == CHECKS:
        return None
    why = unwatchable(setup.deployment) if setup.trigger == WATCH else "a lab has a watch of its own"
    if why:
        raise InputError.at(f"--trigger {setup.trigger}", why, f"write --trigger {CHECKS}")
    profile = setup.profile
    return JudgingOptions(profile.check_interval_s, profile.check_threshold, profile.decide_s)
