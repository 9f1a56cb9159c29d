"""Streams that copy others are verified on their own: what a server adds to one that stands alone is no difference."""

from __future__ import annotations

from typing import Any

import pytest
from nats_world import binary_of, connect, eventually, publish, run
from stream_kinds import api

from secondsite.backup.codec import Keys
from secondsite.backup.inventory import choose_backup
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.verify import run_verify
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
MINUTE_NS = 60 * 10**9
COPIES: dict[str, dict[str, Any]] = {
    "MIRROR": {"mirror": {"name": "ORDERS"}},
    "YOUNG": {"mirror": {"name": "ORDERS"}, "max_age": MINUTE_NS, "allow_direct": True, "mirror_direct": True},
    "SOURCED": {"sources": [{"name": "ORDERS"}]},
    "BOTH": {"subjects": ["own.>"], "sources": [{"name": "ORDERS"}]},
}


@pytest.mark.parametrize("version", ["2.12.8", "2.15.1"])
def test_copies_are_good(version: str, start: Any, store: ObjectStorage) -> None:
    binary = binary_of(version)
    source = start("source", binary)

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        # its subjects match the names of the copies, which a server gives to a stream that has none
        await client.jetstream().add_stream(name="WORDS", subjects=["*"])
        await publish(client, "ORDERS", 5)
        for name, config in COPIES.items():
            await api(client, f"STREAM.CREATE.{name}", {"name": name, **config})

            async def caught_up(name: str = name) -> bool:
                return bool((await client.jetstream().stream_info(name)).state.messages == 5)

            await eventually(caught_up, f"{name} has all messages")
        await run_backup(source.place, store, BackupPlan(), Silent())
        manifest = await choose_backup(store)
        result = await run_verify(store, manifest, Keys(), binary, Silent(), record=False)
        outcomes = {item.stream: (item.ok, item.differences, item.notes) for item in result.outcomes}
        assert outcomes == dict.fromkeys(("ORDERS", "WORDS", *COPIES), (True, (), ()))

    run(work())
