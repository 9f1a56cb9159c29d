"""The daemon when its store or a backup is not as it should be: told, counted, survived, and nothing is pruned."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import define, evolve, field
from manifests import manifest
from nats_world import run

from secondsite.backup.manifest import BackupManifest
from secondsite.backup.metrics import BackupMetrics
from secondsite.backup.schedule import Schedule
from secondsite.objects.store import ObjectStorage

AT = datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
SUSPICIOUS = evolve(manifest(), suspicious=("it holds no stream",))


@define
class World:
    """Runs until so much was told."""

    store: ObjectStorage
    enough: int
    made: BackupManifest | None = None
    told: list[str] = field(factory=list)
    retained: list[str] = field(factory=list)
    metrics: BackupMetrics = field(factory=lambda: BackupMetrics(300.0))
    stop: asyncio.Event = field(factory=asyncio.Event)

    async def back_up(self) -> BackupManifest:
        if self.made is None:
            raise ZeroDivisionError("a mistake of ours")
        return self.made

    async def retain(self, made: BackupManifest) -> None:
        self.retained.append(made.id)

    def report(self, text: str) -> None:
        self.told.append(text)
        if len(self.told) == self.enough:
            self.stop.set()

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)

    async def live(self) -> None:
        interval = timedelta(minutes=5)
        schedule = Schedule(self.store, interval, self.back_up, self.retain, self.report, self.metrics, now=lambda: AT)
        async with asyncio.timeout(60):
            await schedule.run(self.stop)


def test_a_suspicious_backup_is_told_and_lets_nothing_be_pruned(store: ObjectStorage) -> None:
    world = World(store, 1, SUSPICIOUS)
    run(world.live())
    assert world.told == [f"{SUSPICIOUS.id} is suspicious: it holds no stream; nothing is pruned"]
    assert world.retained == []
    assert world.value("secondsite_backup_suspicious_total") == 1
    assert (world.value("secondsite_backups_total"), world.value("secondsite_backup_failures_total")) == (0, 0)


def test_a_mistake_of_ours_ends_no_daemon(store: ObjectStorage) -> None:
    world = World(store, 1)
    run(world.live())
    assert world.told == ["ZeroDivisionError: a mistake of ours"]
    assert world.value("secondsite_backup_failures_total") == 1


def test_a_store_that_cannot_be_read_is_told_at_the_start_and_at_the_slot(store: ObjectStorage, tmp_path: Path) -> None:
    (tmp_path / "backups").rmdir()
    (tmp_path / "backups").write_text("a file where the folder was")
    world = World(store, 2, manifest())
    run(world.live())
    assert len(world.told) == 2
    assert all(text.startswith(f"{store.shown}") for text in world.told)
    assert world.value("secondsite_backup_failures_total") == 1
    assert world.retained == []
