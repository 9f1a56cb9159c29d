"""A downloaded stream folder is restored by a client that knows only the layout of the nats command, and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nats_world import connect, consume, everything, fill, next_of, run

from secondsite.backup.progress import Silent
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.objects.store import Store

pytestmark = pytest.mark.slow


async def restore_folder(url: str, folder: Path) -> None:
    """As jsm.go does: backup.json is the request, the archive goes to the subject of the answer."""
    client = await connect(url)
    request = json.loads((folder / "backup.json").read_text())
    name = request["config"]["name"]
    answer = json.loads((await client.request(f"$JS.API.STREAM.RESTORE.{name}", json.dumps(request).encode())).data)
    archive = next(path for path in (folder / "stream.arc.s2", folder / "stream.tar.s2") if path.exists())
    with archive.open("rb") as file:
        while chunk := file.read(128 * 1024):
            told = await client.request(answer["deliver_subject"], chunk, timeout=10)
            assert not told.data
    done = json.loads((await client.request(answer["deliver_subject"], b"", timeout=10)).data)
    assert "error" not in done


def test_a_download_is_enough(start: Any, store: Store, tmp_path: Path) -> None:
    source, target = start("source"), start("target")

    async def work() -> None:
        client, other = await connect(source.url), await connect(target.url)
        await fill(client, "S", 3000, 500, headers=True)
        await consume(client, "S", "worker", 10)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        folder = tmp_path / "backups" / manifest.id / "streams" / "S"
        assert {path.name for path in folder.iterdir()} == {"backup.json", "stream.arc.s2", "consumers.json"}
        await restore_folder(target.url, folder)
        assert await everything(other, "S") == await everything(client, "S")
        assert await next_of(other, "S", "worker") == 11

    run(work())
