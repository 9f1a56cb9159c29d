"""A backup every so often, for as long as the process lives: one slot of the clock, one backup, whoever takes it.

Several daemons on one store do not double the work: a slot is taken by creating its object on condition that it is not
there. A run that fails is counted and told, and the next slot is tried; nothing that fails ends the daemon.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from attrs import frozen

from secondsite.backup.inventory import take_inventory
from secondsite.backup.layout import SLOTS, stamp
from secondsite.backup.manifest import BackupManifest
from secondsite.backup.metrics import BackupMetrics
from secondsite.model.errors import SecondsiteError
from secondsite.nats.tasks import end_tasks
from secondsite.objects.failures import ObjectExistsError
from secondsite.objects.store import ObjectStorage

Now = Callable[[], datetime]


@frozen
class Schedule:
    """``back_up`` makes one backup; ``retain`` runs after each good one; ``tell`` gets what a person should know."""

    store: ObjectStorage
    interval: timedelta
    back_up: Callable[[], Awaitable[BackupManifest]]
    retain: Callable[[], Awaitable[None]]
    tell: Callable[[str], None]
    metrics: BackupMetrics
    claim: bool = True
    now: Now = lambda: datetime.now(UTC)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``, which also ends a running backup; it is then taken back."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            due = await self._first_slot()
            while not stop.is_set():
                await asyncio.wait({stopping}, timeout=max(0.0, (due - self.now()).total_seconds()))
                if stop.is_set():
                    return
                await _until(stopping, self._slot(due))
                due = slot_of(self.now(), self.interval) + self.interval
        finally:
            stopping.cancel()

    async def _first_slot(self) -> datetime:
        """The slot that is under way, unless it has its backup already."""
        current = slot_of(self.now(), self.interval)
        try:
            newest = await self._newest()
        except SecondsiteError as error:
            self.tell(str(error))
            newest = None
        return current + self.interval if newest and newest >= current else current

    async def _newest(self) -> datetime | None:
        good = [entry for entry in (await take_inventory(self.store)).entries if entry.good and entry.manifest]
        newest = good[0].manifest.finished if good and good[0].manifest else None
        self.metrics.newest(newest)
        return newest

    async def _slot(self, due: datetime) -> None:
        try:
            if self.claim and not await self._take(due):
                await self._newest()
                return
            manifest = await self.back_up()
            self.metrics.good(manifest)
            await self.retain()
        except SecondsiteError as error:
            self.metrics.failed()
            self.tell(str(error))
        except Exception as error:  # a daemon that dies of one run is no daemon; it is told and counted
            self.metrics.failed()
            self.tell(f"{type(error).__name__}: {error}")

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
