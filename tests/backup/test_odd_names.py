"""A name that nobody would choose stops no backup: its stream comes back, and so do all others of the account."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from nats_world import Server, connect

from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
NAMES = ("EV\x1b[2JENTS", "a\u202eb", "\x9b31m", "\x07bell", "%2e%2e", "größe", "PLAIN")


def test_names_with_control_characters_come_back(start: Callable[..., Server], tmp_path: Path) -> None:
    source, target = start("source"), start("target")
    store = ObjectStorage(parse_store(f"file://{tmp_path / 'store'}"), make=True)

    async def work() -> dict[str, int]:
        client = await connect(source.url)
        for number, name in enumerate(NAMES):
            config = {"name": name, "subjects": [f"s{number}.>"], "num_replicas": 1, "storage": "file"}
            answer = await client.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps(config).encode(), timeout=30)
            assert "error" not in json.loads(answer.data), (name, answer.data)
            await client.request(f"s{number}.a", b"x", timeout=30)
        await client.close()
        made = await run_backup(source.place, store, BackupPlan(), Silent())
        assert {stream.name for stream in made.streams} == set(NAMES)
        outcomes = await run_restore(target.place, store, made, RestorePlan(), Silent())
        assert all(outcome.ok for outcome in outcomes), outcomes
        other = await connect(target.url)
        found = {info.config.name: info.state.messages for info in await other.jetstream().streams_info()}
        await other.close()
        return {str(name): count for name, count in found.items()}

    assert asyncio.run(work()) == dict.fromkeys(NAMES, 1)
