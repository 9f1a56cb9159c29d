"""A backup that holds less than the last good one is told, and lets nothing be pruned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import secondsite
from nats_world import connect, fill, run

from secondsite.backup.inventory import take_inventory
from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


def test_nothing_and_less_than_before_are_no_good_backups(start: Any, tmp_path: Path) -> None:
    server, empty, url = start("source"), start("empty"), f"file://{tmp_path / 'store'}"

    async def load() -> None:
        client = await connect(server.url)
        await fill(client, "A", 10)
        await fill(client, "B", 10)

    async def drop() -> None:
        await (await connect(server.url)).jetstream().delete_stream("B")

    def backup(nats: str, *more: str, code: int = 0) -> dict[str, Any]:
        out, _ = secondsite("backup", "--nats", nats, "--to", url, "--keep-last", "1", "--json", *more, code=code)
        found: dict[str, Any] = json.loads(out)
        return found

    run(load())
    good = backup(server.url)["backup"]
    nothing = backup(empty.url, code=1)  # the wrong account, or domain
    assert "it holds no stream" in nothing["suspicious"][0]
    assert secondsite("backup", "prune", "--from", url, "--keep-last", "1", code=1)[0].startswith("pruning waits")
    run(drop())
    less = backup(server.url, code=1)
    assert less["suspicious"] == [f"{good} holds streams that are gone: B"]
    inventory = run(take_inventory(ObjectStorage(parse_store(url))))
    assert [entry.id for entry in inventory.entries if entry.good] == [good]
    restored, told = secondsite("restore", "--nats", empty.url, "--from", url, "--json")
    assert json.loads(restored)["backup"] == good
    assert "skipped " in told
    right = backup(server.url, "--accept-fewer")
    assert right["suspicious"] == []
    assert [entry.id for entry in run(take_inventory(ObjectStorage(parse_store(url)))).entries if entry.good] == [
        right["backup"]
    ]
    assert backup(server.url, "--exclude", "X")["suspicious"] == []


def test_a_server_that_dropped_a_damaged_part_of_its_store(start: Any, store: ObjectStorage, tmp_path: Path) -> None:
    """It comes up with half of the stream, and says nothing."""
    server = start()

    async def load() -> None:
        await fill(await connect(server.url), "S", 2000, 1000)
        assert (await run_backup(server.place, store, BackupPlan(), Silent())).suspicious == ()

    run(load())
    server.process.terminate()
    server.process.wait()
    block = next((tmp_path / "servers").rglob("*.blk"))
    data = bytearray(block.read_bytes())
    data[len(data) // 2 + 5] ^= 0xFF
    block.write_bytes(data)
    server.start()
    (why,) = run(run_backup(server.place, store, BackupPlan(), Silent())).suspicious
    assert "S ends at" in why
    assert "and at 2000 in" in why
