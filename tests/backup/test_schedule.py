"""The daemon: one slot, one backup; failures are counted and survived; the age is told."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nats_world import run

from secondsite.backup.layout import new_id
from secondsite.backup.manifest import BackupManifest, to_json
from secondsite.backup.metrics import BackupMetrics
from secondsite.backup.schedule import Schedule, slot_of
from secondsite.model.errors import MachineError
from secondsite.objects.store import ObjectStorage


class World:
    """Backups without servers: each is a manifest in the store."""

    def __init__(self, store: ObjectStorage, *, fail: int = 0) -> None:
        self.store, self.fail = store, fail
        self.made: list[str] = []
        self.told: list[str] = []
        self.retained = 0
        self.metrics = BackupMetrics(1.0)

    async def back_up(self) -> BackupManifest:
        if self.fail:
            self.fail -= 1
            raise MachineError.at("nats://x", "no answer", "look")
        now = datetime.now(UTC)
        backup_id = new_id(now, f"{len(self.made):03x}{id(self) % 4096:03x}")
        manifest = BackupManifest(backup_id, now.isoformat(), now.isoformat(), "1", "2.15.1", "", "", (), ())
        await self.store.create(f"{backup_id}/manifest.json", to_json(manifest))
        self.made.append(backup_id)
        return manifest

    async def retain(self, _: BackupManifest) -> None:
        self.retained += 1

    def schedule(self, *, claim: bool = True) -> Schedule:
        interval = timedelta(seconds=1)
        return Schedule(self.store, interval, self.back_up, self.retain, self.told.append, self.metrics, claim)

    def value(self, name: str) -> float:
        found = self.metrics.registry.get_sample_value(name)
        assert found is not None
        return found


async def during(seconds: float, *schedules: Schedule) -> None:
    await until(lambda: False, *schedules, within_s=seconds)


async def until(done: Callable[[], bool], *schedules: Schedule, within_s: float = 60.0) -> None:
    stop = asyncio.Event()
    running = [asyncio.ensure_future(schedule.run(stop)) for schedule in schedules]
    for _ in range(round(within_s / 0.02)):
        if done():
            break
        await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*running)


def test_slots_are_those_of_the_clock() -> None:
    at = datetime(2026, 11, 23, 17, 33, 12, tzinfo=UTC)
    assert slot_of(at, timedelta(minutes=5)) == datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    assert slot_of(slot_of(at, timedelta(hours=1)), timedelta(hours=1)) == datetime(2026, 11, 23, 17, tzinfo=UTC)


@pytest.mark.slow
def test_two_daemons_share_the_slots(store: ObjectStorage) -> None:
    one, other = World(store), World(store)
    run(until(lambda: len(one.made) + len(other.made) >= 3, one.schedule(), other.schedule()))
    slots = run(store.listing("slots"))
    assert len(slots) == len(one.made) + len(other.made) >= 3
    assert one.retained == len(one.made)


@pytest.mark.slow
def test_a_failure_is_told_counted_and_survived(store: ObjectStorage) -> None:
    world, begin = World(store, fail=1), time.time()
    run(until(lambda: bool(world.made), world.schedule()))
    assert world.value("secondsite_backup_failures_total") == 1
    assert world.value("secondsite_backups_total") == len(world.made) >= 1
    assert world.told == ["nats://x: no answer; look"]
    assert 0 <= world.value("secondsite_backup_age_seconds") <= time.time() - begin


def test_the_age_is_unknown_then_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = BackupMetrics(300.0)
    assert math.isnan(metrics.registry.get_sample_value("secondsite_backup_age_seconds") or 0.0)
    metrics.newest(datetime.now(UTC) - timedelta(minutes=7))
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert metrics.registry.get_sample_value("secondsite_backup_age_seconds") == pytest.approx(480, abs=2)


@pytest.mark.slow
def test_a_slot_that_has_its_backup_is_not_done_again(store: ObjectStorage) -> None:
    world = World(store)
    schedule = Schedule(store, timedelta(days=1), world.back_up, world.retain, world.told.append, world.metrics)
    run(during(0.5, schedule))
    run(during(0.5, schedule))
    assert len(world.made) == 1


def test_stopping_ends_a_running_backup(store: ObjectStorage, tmp_path: Path) -> None:
    world = World(store)
    ended = []

    async def endless() -> BackupManifest:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        raise AssertionError("not reached")

    schedule = Schedule(store, timedelta(hours=1), endless, world.retain, world.told.append, world.metrics)
    run(during(0.3, schedule))
    assert ended
