"""Ships on and on, for as long as the process lives; several copies of it may run, and one ships.

Who writes the checkpoint of the next number ships; a copy that is beaten stands by, watches the numbers go on, and
takes over when none came for long enough, by a clock that nobody sets. Nothing that fails ends it: it reads anew what
the archive holds, connects anew, and tries again after a wait that grows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from attrs import define, frozen

from secondsite.archive.chain import Chain, Head, read_head
from secondsite.archive.layout import index_key
from secondsite.archive.metrics import ArchiveMetrics
from secondsite.archive.plan import ArchivePlan, BeatenError, Shipped
from secondsite.archive.shipper import Shipper
from secondsite.backup.run import check_store
from secondsite.backup.signing import ANYBODY, Trust
from secondsite.model.errors import MachineError, SecondsiteError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.place import NatsPlace
from secondsite.objects.failures import ObjectMissingError
from secondsite.objects.store import ObjectStorage

ROUND_S = 0.25
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
SILENT_BEATS = 2.5
_REMEDY = "start a new archive at another prefix; `secondsite restore --allow unsigned` reads this one"


@frozen
class Rhythm:
    """A checkpoint each ``every_s``, or when the account has grown by ``bytes``, whichever comes first."""

    every_s: float = 5.0
    bytes: int = 8 * 1024**2

    def heartbeat_s(self, plan: ArchivePlan) -> float:
        return max(plan.heartbeat_s, 2 * self.every_s)


def trust_of(plan: ArchivePlan) -> Trust:
    """Whose checkpoints an archiver goes on from."""
    return Trust(frozenset({plan.signing.public})) if plan.signing else ANYBODY


async def _head(store: ObjectStorage, plan: ArchivePlan) -> Head | None:
    """Raises InputError for an archive that this plan may not go on with, DamagedArchiveError for a broken one."""
    return await read_head(await Chain(store, trust_of(plan), remedy=_REMEDY).read())


async def archive_once(
    nats: NatsPlace, store: ObjectStorage, plan: ArchivePlan, *, single_writer: bool = False
) -> tuple[Shipped, ...]:
    """Ships until everything that is there is shipped. Raises BeatenError while another archiver ships."""
    await check_store(store, single_writer=single_writer)
    shipper = Shipper(store, plan, await _head(store, plan))
    done: list[Shipped] = []
    async with nats.open() as jetstream:
        shipper.check(jetstream, nats.domain)
        try:
            while True:
                done.append(await shipper.once(jetstream, nats.domain))
                if not done[-1].behind:
                    return tuple(done)
        finally:
            await shipper.close()


@define
class ArchiveDaemon:
    """``after`` is called after each checkpoint of our own that is in the store."""

    nats: NatsPlace
    store: ObjectStorage
    plan: ArchivePlan
    rhythm: Rhythm
    metrics: ArchiveMetrics
    report: Callable[[str], None]
    after: Callable[[Shipper, Shipped], Awaitable[None]]
    _wait_s: float = FIRST_WAIT_S

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; a checkpoint under way completes first."""
        while not stop.is_set():
            try:
                await self._session(stop)
                self._wait_s = FIRST_WAIT_S
            except BeatenError as beaten:
                self.report(f"{beaten.problems[0].what}: standing by")
                await self._stand_by(stop)
            except SecondsiteError as error:
                await self._failed(str(error), stop)
            except Exception as error:  # a daemon that dies of one checkpoint is no daemon; it is told and counted
                await self._failed(f"{type(error).__name__}: {error}", stop)

    async def _failed(self, why: str, stop: asyncio.Event) -> None:
        self.metrics.failed()
        self.report(why)
        await _pause(stop, self._wait_s)
        self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s)

    async def _session(self, stop: asyncio.Event) -> None:
        """Checkpoints over one connection."""
        shipper = Shipper(self.store, self.plan, await _head(self.store, self.plan))
        async with self.nats.open() as jetstream:
            shipper.check(jetstream, self.nats.domain)
            try:
                while not stop.is_set():
                    begin = time.monotonic()
                    shipped = await shipper.once(jetstream, self.nats.domain)
                    self._wait_s = FIRST_WAIT_S
                    self.metrics.shipped(shipped)
                    await self.after(shipper, shipped)
                    if not shipped.behind:
                        await self._rest(jetstream, stop, begin)
            finally:
                await asyncio.shield(shipper.close())

    async def _rest(self, jetstream: JetStream, stop: asyncio.Event, begin: float) -> None:
        """Until the interval is over, or enough has come."""
        before = await _stored_bytes(jetstream)
        while not stop.is_set() and (left := begin + self.rhythm.every_s - time.monotonic()) > 0:
            await _pause(stop, min(left, max(ROUND_S, self.rhythm.every_s / 20)))
            now = await _stored_bytes(jetstream)
            if before is not None and now is not None and now - before >= self.rhythm.bytes:
                return

    async def _stand_by(self, stop: asyncio.Event) -> None:
        """Until no checkpoint has come for longer than a beat can last."""
        silent_s = SILENT_BEATS * self.rhythm.heartbeat_s(self.plan)
        number, newest_s = await self._newest(), time.monotonic()
        while not stop.is_set() and time.monotonic() - newest_s < silent_s:
            await _pause(stop, self.rhythm.every_s)
            with suppress(SecondsiteError):
                newest = number
                while await self._there(newest + 1):
                    newest += 1
                if newest > number:
                    number, newest_s = newest, time.monotonic()
            self.metrics.standing_by(time.monotonic() - newest_s)
        if not stop.is_set():
            self.report(f"no checkpoint came for {silent_s:.0f} s: taking over")

    async def _newest(self) -> int:
        while True:
            try:
                return (await Chain(self.store).read()).head
            except MachineError as error:
                self.report(str(error))
                await asyncio.sleep(FIRST_WAIT_S)

    async def _there(self, number: int) -> bool:
        try:
            await self.store.read(index_key(number))
        except ObjectMissingError:
            return False
        return True


async def _stored_bytes(jetstream: JetStream) -> int | None:
    """Of the whole account; None where nobody tells now."""
    try:
        account = await jetstream.ask("INFO", timeout_s=2)
    except MachineError:
        return None
    return int(account.get("storage") or 0) + int(account.get("memory") or 0)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
