"""The lab as the venue of a drill."""

from __future__ import annotations

import asyncio
from pathlib import Path

from attrs import frozen

from secondsite.drill.play.lab_world import has_api, place
from secondsite.drill.play.watching import http_well, nats_speaks
from secondsite.lab.moment import Moment
from secondsite.lab.one_address import DIFFERS, dialled, is_shared
from secondsite.lab.supervisor import Supervisor
from secondsite.lab.world import Lab
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
