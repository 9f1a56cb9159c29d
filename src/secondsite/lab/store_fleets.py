"""All databases of a lab, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.cache_fleet import CacheFleet
from secondsite.lab.postgres_fleet import PostgresFleet
from secondsite.lab.qdrant_fleet import QdrantFleet
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
    qdrant: QdrantFleet

    @classmethod
    def of(
        cls,
        deployment: Deployment,
        addresses: LabAddresses,
        folder: Path,
        wanted: bool,
        aged: Mapping[str, Path],
        vectors: bool = False,
    ) -> StoreFleets:
        given = (deployment, addresses, folder, wanted, aged)
        qdrant = QdrantFleet(deployment, addresses, folder, vectors, aged)
        return cls(PostgresFleet(*given), RedisFleet(*given), CacheFleet(*given), qdrant)

    @property
    def each(self) -> tuple[PostgresFleet, QdrantFleet, RedisFleet]:
        return (self.postgres, self.qdrant, self.redis)

    @property
    def followed(self) -> tuple[str, ...]:
        """Those that another region's follows."""
        return (*self.postgres.stores, *self.redis.stores)

    @property
    def stores(self) -> tuple[str, ...]:
        """By name, those that run."""
        return tuple(name for fleet in self.each for name in fleet.stores)

    def server(self, store: str, region: str, *, reached_from: str = "", within_s: float = 2.0) -> StoreServer:
        fleet = self.redis if store in self.redis.stores else self.postgres
        return fleet.server(store, region, reached_from=reached_from, within_s=within_s)

    def digests(self) -> dict[str, str]:
        """Of what runs, by name and version."""
        return {name: sha for fleet in (*self.each, self.caches) for name, sha in fleet.digests().items()}

    def replaced(self) -> tuple[str, ...]:
        return tuple(line for fleet in (*self.each, self.caches) for line in fleet.replaced())

    def specs(self, region: str, *, fenced: bool = False) -> tuple[Spec, ...]:
        return tuple(spec for fleet in (*self.each, self.caches) for spec in fleet.specs(region, fenced=fenced))

    def listeners(self) -> tuple[WanListener, ...]:
        return tuple(listener for fleet in self.each for listener in fleet.listeners())

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(end for fleet in (*self.each, self.caches) for end in fleet.endpoints())
