"""All databases of a lab, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.cache_fleet import CacheFleet
from secondsite.lab.postgres_fleet import PostgresFleet
from secondsite.lab.redis_fleet import RedisFleet
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.stores.server import StoreServer


@frozen
class StoreFleets:
    """``caches`` are no copies of one another: they count among no stores."""

    postgres: PostgresFleet
    redis: RedisFleet
    caches: CacheFleet

    @classmethod
    def of(
        cls, deployment: Deployment, addresses: LabAddresses, folder: Path, wanted: bool, aged: Mapping[str, Path]
    ) -> StoreFleets:
        given = (deployment, addresses, folder, wanted, aged)
        return cls(PostgresFleet(*given), RedisFleet(*given), CacheFleet(*given))

    @property
    def each(self) -> tuple[PostgresFleet, RedisFleet]:
        return (self.postgres, self.redis)

    @property
    def stores(self) -> tuple[str, ...]:
        """By name, those that run."""
        return tuple(name for fleet in self.each for name in fleet.stores)

    def server(self, store: str, region: str, *, reached_from: str = "", within_s: float = 2.0) -> StoreServer:
        fleet = self.redis if store in self.redis.stores else self.postgres
        return fleet.server(store, region, reached_from=reached_from, within_s=within_s)

    def digests(self) -> dict[str, str]:
        """Of what runs, by name and version."""
        return {**self.postgres.digests(), **self.redis.digests(), **self.caches.digests()}

    def replaced(self) -> tuple[str, ...]:
        return (*self.postgres.replaced(), *self.redis.replaced(), *self.caches.replaced())

    def specs(self, region: str, *, fenced: bool = False) -> tuple[Spec, ...]:
        return tuple(spec for fleet in (*self.each, self.caches) for spec in fleet.specs(region, fenced=fenced))

    def listeners(self) -> tuple[WanListener, ...]:
        return (*self.postgres.listeners(), *self.redis.listeners())

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self.postgres.endpoints(), *self.redis.endpoints(), *self.caches.endpoints())
