"""A lab's caches: one in each region, real servers, and nothing of one gets to the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_loop import in_loop
from postgres_pair import pair_deployment, postgres_pair
from redis_lab import keys_deployment

from secondsite.lab.addresses import LabAddresses
from secondsite.lab.runnable import regions_of
from secondsite.lab.store_fleets import StoreFleets
from secondsite.model.deployment import Deployment

CACHE = "redis"


@pytest.mark.slow
@in_loop
async def test_the_other_region_begins_empty_and_what_was_cached_goes_with_its_region() -> None:
    async with postgres_pair() as pair:
        caches = pair.lab.stores.caches
        assert (caches.stores, pair.lab.stores.stores) == ((CACHE,), ("postgres",))
        async with caches.reading(CACHE, pair.home).open() as session:
            await session.ask("SET", "key", "value")
            assert await session.ask("GET", "key") == b"value"
        async with caches.reading(CACHE, pair.away).open() as session:
            assert await session.ask("GET", "key") is None
        await pair.lab.kill_region(pair.home)
        await pair.lab.restart_region(pair.home, isolated=True)
        async with caches.reading(CACHE, pair.home).open() as session:
            assert await session.ask("GET", "key") is None


def fleets(deployment: Deployment, folder: Path, *, wanted: bool = True) -> StoreFleets:
    addresses = LabAddresses(7, regions_of(deployment), str(folder))
    return StoreFleets.of(deployment, addresses, folder, wanted, {})


def test_a_store_with_data_is_no_cache_and_nothing_runs_unasked(tmp_path: Path) -> None:
    assert fleets(keys_deployment()[0], tmp_path).caches.databases == ()
    assert fleets(pair_deployment(), tmp_path, wanted=False).caches.databases == ()
    assert len(fleets(pair_deployment(), tmp_path).caches.databases) == 2
