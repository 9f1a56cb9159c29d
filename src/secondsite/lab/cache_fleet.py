"""The caches of a lab: one Valkey in each of the two regions, and neither knows of the other.

A cache is replicated to nobody. The other region's is there and empty, as a standby's is that nobody reads; it fills
once its region is asked.
"""

from __future__ import annotations

from functools import cached_property

from attrs import frozen

from secondsite.lab.redis_fleet import WRITER, RedisFleet, url
from secondsite.lab.store_fleet import Database
from secondsite.lab.supervisor import Spec
from secondsite.model.store import Loss
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.stores import StoreReplica, store_replicas

_WITHIN_S = 0.5


@frozen
class CacheFleet(RedisFleet):
    """None where no second region waits. Nothing that runs here is fenced: what is in it has no value of its own."""

    @cached_property
    def databases(self) -> tuple[Database, ...]:
        standby = self.deployment.standby
        if not self.wanted or not self.installed or standby is None:
            return ()
        taken = sum(each.store.engine in self.ENGINES for each in store_replicas(self.deployment))
        regions = (self.deployment.primary.region.name, standby.region.name)
        caches = [s for s in self.deployment.system.stores if s.engine in self.ENGINES and s.loss is Loss.CACHE]
        return tuple(
            Database(StoreReplica(store, *regions), region, taken + number)
            for number, store in enumerate(caches)
            for region in regions
        )

    def reading(self, store: str, region: str) -> RedisPlace:
        """As a pod of the region reads it, and fills it."""
        return RedisPlace(url(self.endpoint(self.find(store, region)), WRITER), _WITHIN_S)

    def specs(self, region: str, *, fenced: bool = False) -> tuple[Spec, ...]:
        return super().specs(region)

    def _role(self, database: Database) -> tuple[str, ...]:
        """Kept over a restart where the system's own is."""
        persistent = database.replica.store.persistent
        return (f"appendonly {'yes' if persistent else 'no'}", "save ''")
