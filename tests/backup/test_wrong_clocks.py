"""Clocks that jump: a time that cannot be right is told, never the newest, and costs no backup."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command import secondsite
from nats_world import connect, eventually, fill, run

from secondsite.backup.inventory import choose_backup, take_inventory
from secondsite.backup.keep import KeepRules
from secondsite.backup.layout import new_id
from secondsite.backup.manifest import BackupManifest, to_json
from secondsite.backup.metrics import BackupMetrics
from secondsite.backup.prune import plan_pruning
from secondsite.backup.schedule import OVERDUE, Schedule
from secondsite.objects.store import ObjectStorage


def made(at: datetime, entropy: str) -> BackupManifest:
    return BackupManifest(new_id(at, entropy), at.isoformat(), at.isoformat(), "1", "2.15.1", "", "", (), ())


async def put(store: ObjectStorage, manifest: BackupManifest) -> None:
    await store.create(f"{manifest.id}/manifest.json", to_json(manifest))


def test_one_from_the_future_is_neither_the_newest_nor_what_a_rule_keeps(store: ObjectStorage) -> None:
    now = datetime.now(UTC)
    ahead, today = made(now + timedelta(days=400), "aaaaaa"), made(now, "bbbbbb")

    async def work() -> None:
        await put(store, today)
        await put(store, ahead)
        inventory = await take_inventory(store)
        assert (await choose_backup(store)).id in (today.id, ahead.id)
        by_id = {entry.id: entry for entry in inventory.entries}
        assert "was stored at" in by_id[ahead.id].clock  # the store's clock shows when it was made
        assert not by_id[ahead.id].future
        pruning = plan_pruning(inventory, KeepRules(last=1), now, frozenset({today.id}))
        assert pruning.doomed == ()
        back = await take_inventory(store, now=now - timedelta(days=30))  # now this machine's clock is behind
        assert all(entry.future and not entry.good for entry in back.entries)
        assert plan_pruning(back, KeepRules(last=1), now).doomed == ()

    run(work())


@pytest.mark.slow
def test_a_run_never_prunes_itself(start: Any, tmp_path: Path, store: ObjectStorage) -> None:
    server, url = start(), f"file://{tmp_path / 'backups'}"
    ahead = made(datetime.now(UTC) + timedelta(days=400), "aaaaaa")

    async def load() -> None:
        await fill(await connect(server.url), "S", 20)
        await put(store, ahead)

    run(load())
    for first in (True, False):
        out, told = secondsite("backup", "--nats", server.url, "--to", url, "--keep-last", "1", "--json")
        made_now = json.loads(out)["backup"]
        assert (ahead.id in told) is first
        assert made_now in {entry.id for entry in run(take_inventory(store)).entries}
        assert run(choose_backup(store)).id == made_now


async def until(holds: Callable[[], bool]) -> None:
    async def held() -> bool:
        return holds()

    await eventually(held, "a backup was made")


class Clock:
    """A wall clock that a test sets, and a steady one; an interval passes in 50 ms."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.begin = datetime.now(UTC)

    def steady(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


@pytest.mark.slow
def test_a_clock_that_is_set_back_costs_an_interval(store: ObjectStorage) -> None:
    clock, told, made_at, metrics = Clock(), list[str](), list[float](), BackupMetrics(1.0)
    interval = timedelta(seconds=0.2)

    async def back_up() -> BackupManifest:
        manifest = made(clock.now(), f"{len(made_at):06x}")
        await put(store, manifest)
        made_at.append(clock.steady())
        return manifest

    async def retain(_: BackupManifest) -> None:
        return None

    async def work() -> int:
        schedule = Schedule(store, interval, back_up, retain, told.append, metrics, now=clock.now, steady=clock.steady)
        stop = asyncio.Event()
        running = asyncio.ensure_future(schedule.run(stop))
        await until(lambda: len(made_at) >= 2)
        clock.offset = -timedelta(hours=6)
        before = len(made_at)
        await until(lambda: len(made_at) >= before + 2)
        stop.set()
        await running
        return len(made_at) - before

    assert run(work()) >= 2


def test_a_slot_taken_by_one_that_died_is_taken_over(store: ObjectStorage) -> None:
    """Also what a clock set back meets: every slot has its taker already."""
    clock, told, made_at, metrics = Clock(), list[str](), list[float](), BackupMetrics(1.0)

    async def back_up() -> BackupManifest:
        manifest = made(clock.now(), "abcdef")
        await put(store, manifest)
        made_at.append(clock.steady())
        return manifest

    async def retain(_: BackupManifest) -> None:
        return None

    async def create(key: str, content: bytes) -> None:
        if key.startswith("slots/"):
            await real(key, content)  # somebody took it, and nothing came of it
        await real(key, content)

    real = store.create

    async def work() -> float:
        store.create = create  # type: ignore[method-assign] # another daemon, a moment earlier
        interval = timedelta(seconds=0.2)
        schedule = Schedule(store, interval, back_up, retain, told.append, metrics, now=clock.now, steady=clock.steady)
        stop, began = asyncio.Event(), clock.steady()
        running = asyncio.ensure_future(schedule.run(stop))
        await until(lambda: bool(made_at))
        stop.set()
        await running
        return made_at[0] - began

    assert run(work()) >= OVERDUE * 0.2, "until then whoever took it may still be at work"
    assert any("is taken, and no new backup has come" in text for text in told)
    assert (metrics.registry.get_sample_value("secondsite_backup_clock_problems_total") or 0) >= 1
