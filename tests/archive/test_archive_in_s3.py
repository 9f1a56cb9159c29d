"""An archive in S3: a real server of its kind that honours conditions, and one that does not."""

from __future__ import annotations

from typing import Any

import pytest
from moments import bring_back, ship
from nats_world import connect, publish, run
from store_servers import moto_s3, rclone_s3
from stream_kinds import facts

from secondsite.model.errors import InputError
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
__all__ = ["moto_s3", "rclone_s3"]


def test_it_comes_back_from_s3(start: Any, moto_s3: str) -> None:
    source, target = start("source"), start("target")
    store = ObjectStorage(parse_store("s3://bucket/prod", moto_s3)).below("archive")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        for _ in range(2):
            await publish(client, "ORDERS", 30, headers=True)
            assert (await ship(source.place, store)).messages == 30
        assert (await bring_back(target.place, store))["ORDERS"].proof.verdict == "equal"
        assert await facts(other, "ORDERS") == await facts(client, "ORDERS")

    run(work())


def test_a_store_that_ignores_conditions_is_refused(start: Any, rclone_s3: str) -> None:
    source = start("source")
    store = ObjectStorage(parse_store("s3://bucket/prod", rclone_s3)).below("archive")

    async def work() -> None:
        with pytest.raises(InputError, match="the store ignores conditional writes"):
            await ship(source.place, store)

    run(work())
