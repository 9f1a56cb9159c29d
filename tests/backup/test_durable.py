"""A backup is durable before it is called one: tried on a model of a disk that keeps only what was synced."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from nats_world import connect, fill, run

from secondsite.backup.inventory import take_inventory
from secondsite.backup.keep import KeepRules
from secondsite.backup.progress import Silent
from secondsite.backup.prune import apply_pruning, plan_pruning
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow


class Disk:
    """What a power failure leaves: bytes of files that were synced, below names that their folders synced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[int, int] = {}  # inode and synced size
        self.folders: dict[Path, set[str]] = {}
        self._sync = os.fsync

    def fsync(self, number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").resolve()
        self._sync(number)
        if path.is_dir():
            self.folders[path] = {found.name for found in path.iterdir()}
        else:
            status = os.fstat(number)
            self.files[status.st_ino] = status.st_size

    def after_power_failure(self, to: Path) -> Path:
        """Deletions may have reached the disk at any time, so what is gone now is gone."""
        shutil.rmtree(to, ignore_errors=True)
        if self.root.name in self.folders.get(self.root.parent, set()):
            self._copy(self.root, to)
        return to

    def _copy(self, folder: Path, to: Path) -> None:
        to.mkdir(parents=True)
        for name in self.folders.get(folder, set()):
            path = folder / name
            if path.is_dir():
                self._copy(path, to / name)
            elif path.is_file():
                (to / name).write_bytes(path.read_bytes()[: self.files.get(path.stat().st_ino, 0)])


def test_at_no_moment_would_a_power_failure_leave_no_backup(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, root = start(), tmp_path / "backups"
    store = ObjectStorage(parse_store(f"file://{root}"), make=True)
    disk = Disk(root)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    rules = KeepRules(last=1)
    whole: list[bool] = []

    async def good_ones() -> bool:
        left = disk.after_power_failure(tmp_path / "left")
        if not left.is_dir():
            return False
        survived = ObjectStorage(parse_store(f"file://{left}"))
        manifests = (await take_inventory(survived)).readable
        sizes = {stored.key: stored.size_bytes for stored in await survived.listing("")}
        return any(
            all(sizes.get(item.key) == item.size_bytes for item in found.streams[0].objects) for found in manifests
        )

    delete = store.delete

    async def looking(keys: list[str]) -> None:
        whole.append(await good_ones())
        await delete(keys)

    monkeypatch.setattr(store, "delete", looking)

    async def work() -> None:
        await fill(await connect(server.url), "S", 100, 1000)
        for _ in range(2):
            manifest = await run_backup(server.place, store, BackupPlan(), Silent())
            assert await good_ones()
            whole.clear()
            inventory = await take_inventory(store)
            at = manifest.finished
            await apply_pruning(store, plan_pruning(inventory, rules, at, frozenset({manifest.id})), at)
            assert all(whole)
            assert await good_ones()
        assert len((await take_inventory(store)).entries) == 1

    run(work())


def test_a_file_that_is_there_is_never_replaced(store: ObjectStorage) -> None:
    from secondsite.objects.failures import ObjectExistsError

    async def work() -> None:
        await store.create("a/b", b"first")
        with pytest.raises(ObjectExistsError):
            await store.create("a/b", b"second")
        assert await store.read("a/b") == b"first"
        assert [stored.key for stored in await store.listing("a")] == ["a/b"]

    run(work())
