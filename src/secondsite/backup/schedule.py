"""A backup every so often, for as long as the process lives: one slot of the clock, one backup, whoever takes it.

Several daemons on one store do not double the work: a slot is taken by creating its object on condition that it is not
there. A run that fails is counted and told, and the next slot is tried; nothing that fails ends the daemon.

The clock of the wall names the slots and is not believed: waiting is by a clock that only goes on, and a slot that is
taken while no new backup appears is none. So a wall clock that is set back or jumps costs one interval at most.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from attrs import define, field, frozen

from secondsite.backup.inventory import take_inventory
from secondsite.backup.layout import SLOTS, stamp
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.metrics import BackupMetrics
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.model.errors import SecondsiteError
from secondsite.nats.tasks import end_tasks
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage

OVERDUE = 1.5
Now = Callable[[], datetime]


@define
class _LastRun:
    """The newest backup that is known of, and when it was first seen, by the clock that only goes on."""

    backup: str = ""
    at_s: float = 0.0


@frozen
class Schedule:
    """``back_up`` makes one backup; ``retain`` runs after each good one; ``report`` gets what a person should know.

    ``steady`` are seconds of a clock that nobody sets.
    """

    store: ObjectStorage
    interval: timedelta
    back_up: Callable[[], Awaitable[BackupManifest]]
    retain: Callable[[BackupManifest], Awaitable[None]]
    report: Callable[[str], None]
    metrics: BackupMetrics
    claim: bool = True
    now: Now = lambda: datetime.now(UTC)
    trust: Trust = ANYBODY
    steady: Callable[[], float] = time.monotonic
    _last: _LastRun = field(factory=_LastRun, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``, which also ends a running backup; it is then taken back."""
        stopping = asyncio.ensure_future(stop.wait())
        self._last.at_s = self.steady()
        try:
            due, wait_s = await self._first_slot()
            while not stop.is_set():
                await asyncio.wait({stopping}, timeout=wait_s)
                if stop.is_set():
                    return
                await _until(stopping, self._slot(due))
                due = slot_of(self.now(), self.interval) + self.interval
                wait_s = self._wait_s(due)
        finally:
            stopping.cancel()

    def _wait_s(self, due: datetime) -> float:
        """Never longer than an interval."""
        return min(max(0.0, (due - self.now()).total_seconds()), self.interval.total_seconds())

    async def _first_slot(self) -> tuple[datetime, float]:
        """The slot that is in progress, unless it has its backup already; and how long it is until then."""
        current = slot_of(self.now(), self.interval)
        try:
            newest = await self._newest()
        except SecondsiteError as error:
            self.report(str(error))
            newest = None
        due = current + self.interval if newest and newest >= current else current
        return due, self._wait_s(due)

    async def _newest(self) -> datetime | None:
        inventory = await take_inventory(self.store, self.trust, self.now())
        for entry in inventory.entries:
            if entry.future:
                self.metrics.clock_problem()
                self.report(f"{entry.id}: {entry.clock}; set the clocks, then delete or hold that backup")
        newest = inventory.newest_good
        if newest is None:
            return None
        self._saw(newest.id)
        self.metrics.newest(newest.when)
        return newest.when

    def _saw(self, backup: str) -> None:
        if backup != self._last.backup:
            self._last.backup, self._last.at_s = backup, self.steady()

    async def _slot(self, due: datetime) -> None:
        try:
            if self.claim and not await self._take(due) and not await self._overdue(due):
                return
            manifest = await self.back_up()
            if manifest.suspicious:
                self.metrics.suspicious()
                self.report(f"{manifest.id} is suspicious: {'; '.join(manifest.suspicious)}; nothing is pruned")
                return
            self._saw(manifest.id)
            self.metrics.good(manifest)
            await self.retain(manifest)
        except SecondsiteError as error:
            self.metrics.failed()
            self.report(str(error))
        except Exception as error:  # a daemon that dies of one run is no daemon; it is told and counted
            self.metrics.failed()
            self.report(f"{type(error).__name__}: {error}")

    async def _overdue(self, due: datetime) -> bool:
        """Whether the slot is taken and yet no backup has come for longer than two slots apart can be."""
        await self._newest()
        silent_s = self.steady() - self._last.at_s
        if silent_s < OVERDUE * self.interval.total_seconds():
            return False
        self.metrics.clock_problem()
        reason = f"the slot {stamp(due)} is taken, and no new backup has come for {silent_s:.0f} s"
        self.report(f"{reason}: the clock was set back, or another daemon died while running; backing up now")
        return True

    async def _take(self, due: datetime) -> bool:
        try:
            content = json.dumps({"at": self.now().isoformat()}).encode()
            await self.store.create(f"{SLOTS}/{stamp(due)}.json", content)
        except ObjectExistsError:
            return False
        return True


def slot_of(now: datetime, interval: timedelta) -> datetime:
    """The beginning of the slot that ``now`` lies in; slots are counted from 1970."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (now - epoch) // interval * interval


async def _until(stopping: asyncio.Task[Literal[True]], work: Coroutine[Any, Any, None]) -> None:
    """``work``, ended when ``stopping`` is done."""
    task = asyncio.ensure_future(work)
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    await end_tasks(task)
