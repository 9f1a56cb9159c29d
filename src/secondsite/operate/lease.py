"""Who acts, written where the region that is lost is not: a stream in the standby's own domain, lock and copy in one.

Every record is appended with the last sequence that its writer knows (10071 for a second writer), so of two controllers
on two machines one acts and the other is told who does, and one that slept through its time finds out before its next
step. The journal's entries are shipped along, so that another machine can go on. Where the stream cannot be reached,
the local journal alone is what works, and that is said.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from attrs import asdict, define, field, frozen

from secondsite.backup.strict import MisfitError, parse, structure
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.nats.streams import WRONG_LAST_SEQUENCE, NoStreamListensError, StreamState
from secondsite.nats.tasks import end_tasks
from secondsite.operate.action import FinalError
from secondsite.operate.instants import instant
from secondsite.operate.journal import Journal, JournalEntry, OperationEnd, end_of, from_copy, write_copy
from secondsite.operate.layout import families
from secondsite.operate.world import StreamsDoor, World

STREAM = "secondsite-operations"
SUBJECT = "secondsite.operations"
TTL_S = 30.0
# Each publish is sent again for a second by itself: five seconds in all, as a failover waits for it.
_LEADER_TRIES, _LEADER_AGAIN_S = 4, 0.25


class HeldElsewhereError(FinalError):
    """Another controller acts."""


@frozen
class Record:
    """``holder`` is one journal on one machine. ``released``: nobody acts any more; ``entry`` is one of its journal."""

    holder: str
    who: str
    host: str
    operation: str = ""
    released: bool = False
    entry: dict[str, Any] | None = None

    @classmethod
    def of(cls, data: bytes) -> Record | None:
        """None for what is no record."""
        try:
            return structure(parse(data), cls)
        except MisfitError:
            return None

    def summary(self) -> str:
        what = self.operation or "an operation"
        return f"{self.who or 'somebody'} on {self.host} acts ({what})"


@define
class Lease:
    """``async with`` it; ``hold`` before each step. ``report`` gets what a person should know.

    ``reach_s``: a stream that does not answer for so long cannot be reached.
    """

    world: World
    region: str
    config: dict[str, Any]
    journal: Journal
    report: Callable[[str], None]
    ttl_s: float = TTL_S
    reach_s: float = TTL_S
    shared: bool = False
    _last: int = 0
    _shipped: int = 0
    _door: StreamsDoor | None = None
    _stack: AsyncExitStack = field(factory=AsyncExitStack)
    _lock: asyncio.Lock = field(factory=asyncio.Lock)
    _beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises HeldElsewhereError while another controller acts, or went on with this very operation."""
        try:
            await self._take()
        except (HeldElsewhereError, InputError):
            await self._stack.aclose()
            raise
        except (MachineError, TimeoutError) as error:
            why = error.problems[0].what if isinstance(error, MachineError) else "no answer"
            path = self.journal.path
            self.report(f"{self.region}: the shared journal cannot be reached ({why}): only {path} is written")
            return self
        self.shared = True
        self._beat = asyncio.ensure_future(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beat is not None:
            await end_tasks(self._beat)
        try:
            if self.shared:
                async with asyncio.timeout(self.reach_s), self._lock:
                    await self._append(self._record(released=True))
        except (MachineError, TimeoutError):
            self.report(f"{self.region}: the lease could not be released; it expires after {self.ttl_s:g} s")
        finally:
            await self._stack.aclose()

    async def hold(self, entries: Sequence[JournalEntry]) -> None:
        """Ship what is new of the journal. Raises HeldElsewhereError where somebody else took over meanwhile."""
        if not self.shared:
            return
        async with self._lock:
            try:
                await self._ship(entries)
            except HeldElsewhereError:
                raise
            except MachineError:
                await self._ship_anew(entries)

    async def _ship(self, entries: Sequence[JournalEntry]) -> None:
        while self._shipped < len(entries):
            await self._append(self._record(entry=asdict(entries[self._shipped])))
            self._shipped += 1

    async def _ship_anew(self, entries: Sequence[JournalEntry]) -> None:
        """Over another connection; where that is not to be had, the local journal alone has to do."""
        try:
            await self._stack.aclose()
            self._stack = AsyncExitStack()
            self._door = await self._stack.enter_async_context(self.world.streams(self.region))
            await self._ship(entries)
        except HeldElsewhereError:
            raise
        except MachineError as error:
            self.report(f"{self.region}: the shared journal does not answer ({error.problems[0].what}); going on")

    async def _take(self) -> None:
        async with asyncio.timeout(self.reach_s):
            door = await self._stack.enter_async_context(self.world.streams(self.region))
            await made(door, self.config)
            self._last = await free_at(door, self.region, self._holder, self.ttl_s)
            self._door = door
            self._shipped = self._common(from_copy(await copied_entries(door), self.journal.path))
            await self._append_first()

    async def _append_first(self) -> None:
        """A stream that was only just made has no leader for a moment; two controllers would both go on without it."""
        for left in reversed(range(_LEADER_TRIES)):
            try:
                await self._append(self._record())
            except NoStreamListensError:
                if not left:
                    raise
                await self.world.clock.sleep(_LEADER_AGAIN_S)
            else:
                return

    def _common(self, copied: list[JournalEntry]) -> int:
        """How much of this journal exists already. Raises where it is not this one that goes on."""
        own, verb = self.journal.entries, self.journal.path.stem
        if not copied:
            return 0
        plan = copied[0].data
        name = (plan.get("operation") or {}).get("id") or plan.get("procedure")
        if not own or own[0].hash != copied[0].hash:
            if end_of(copied) is not OperationEnd.OPEN:
                return 0
            what = f"{name}, begun by {plan.get('who') or 'somebody'} on {plan.get('host')}, is in progress"
            fetched = f"`secondsite {str(name).replace('-', ' ').partition(' ')[0]} resume`, which fetches its journal"
            first = f" (move {self.journal.path} away first)" if own else ""
            raise HeldElsewhereError.at(self.region, what, f"resume it there, or here with {fetched}{first}")
        shared = sum(1 for ours, theirs in zip(own, copied, strict=False) if ours.hash == theirs.hash)
        if shared < len(copied):
            what = f"{name} continued elsewhere: this journal lacks {len(copied) - shared} of its entries"
            remedy = f"move {self.journal.path} away; `resume` then fetches the current one ({verb})"
            raise HeldElsewhereError.at(self.region, what, remedy)
        return shared

    async def _append(self, record: Record) -> None:
        if self._door is None:
            return
        headers = {"Nats-Expected-Last-Sequence": str(self._last)}
        answer = await self._door.publish(SUBJECT, json.dumps(asdict(record)).encode(), headers)
        if answer.code in WRONG_LAST_SEQUENCE:
            await self._after_another(self._door, record)
        elif answer.code:
            raise MachineError.at(self.region, f"refused: {answer.why} ({answer.code})", "check the stream")
        else:
            self._last = answer.sequence

    async def _after_another(self, door: StreamsDoor, record: Record) -> None:
        """Somebody wrote since: ourselves, where an answer was lost; else it is not ours any more."""
        state = await door.stream(STREAM)
        last = state.last_seq if state else 0
        newest, _ = await newest_record(door, last)
        if newest is None or newest.holder != self._holder:
            holder = newest.summary() if newest else "another controller wrote to the shared journal"
            raise HeldElsewhereError.at(self.region, holder, "nothing more is done here; check `status` there")
        self._last = last
        if newest != record:
            await self._append(record)

    async def _keep(self) -> None:
        """What stops it is found out by the next ``hold``."""
        while True:
            await asyncio.sleep(self.ttl_s / 3)
            try:
                async with self._lock:
                    await self._append(self._record())
            except HeldElsewhereError:
                return
            except MachineError:
                continue

    @property
    def _holder(self) -> str:
        return f"{socket.gethostname()}:{self.journal.path.resolve()}"

    def _record(self, **more: Any) -> Record:
        plan = self.journal.entries[0].data if self.journal.entries else {}
        operation = str((plan.get("operation") or {}).get("id", ""))
        return Record(self._holder, self.world.decision.who, socket.gethostname(), operation, **more)


async def made(door: StreamsDoor, config: Mapping[str, Any]) -> None:
    """The stream, where it is missing yet."""
    if await door.stream(STREAM) is None:
        await door.create(config)


def lease_of(deployment: Deployment, world: World, journal: Journal, report: Callable[[str], None]) -> Lease:
    """In the standby's domain."""
    return Lease(world, home_of_journal(deployment), stream_of_journal(deployment), journal, report)


def stream_of_journal(deployment: Deployment) -> dict[str, Any]:
    """Its configuration, with as many replicas as the streams there."""
    region = home_of_journal(deployment)
    placements = [one for family in families(deployment) if (one := family.at(region))]
    clusters = {one.cluster.name for one in placements if one.cluster.gateways}
    config: dict[str, Any] = {
        "name": STREAM,
        "subjects": [SUBJECT],
        "num_replicas": max((one.stream.replicas for one in placements), default=1),
        "storage": "file",
        "deny_delete": True,
        "deny_purge": True,
    }
    if clusters:
        config["placement"] = {"cluster": min(clusters)}
    return config


def home_of_journal(deployment: Deployment) -> str:
    """As `operate: journal:` says, or the region that survives the one which is failed over."""
    operate = deployment.system.operate
    if operate and operate.journal and operate.journal.region:
        return operate.journal.region
    return (deployment.standby or deployment.sites[-1]).region.name


async def free_at(door: StreamsDoor, region: str, holder: str, ttl_s: float) -> int:
    """The last sequence, where nobody else holds the lease; raises HeldElsewhereError. Only servers' clocks count."""
    state = await door.stream(STREAM)
    last = state.last_seq if state else 0
    record, at = await newest_record(door, last)
    if state is None or record is None or record.released or record.holder == holder:
        return last
    age_s = (instant(state.answered_at) - instant(at)).total_seconds()
    if age_s < ttl_s:
        remedy = f"let it finish or stop it; it counts as stopped after {ttl_s:g} s without a sign of life"
        raise HeldElsewhereError.at(region, f"{record.summary()}; heard {age_s:.0f} s ago", remedy)
    return last


async def fetch_journal(world: World, region: str, path: Path, direction: str, ttl_s: float = TTL_S) -> bool:
    """Put the last journal of this direction at ``path``, from where it was shipped; whether there was one.

    Raises HeldElsewhereError while its controller lives.
    """
    async with world.streams(region) as door:
        if await door.stream(STREAM) is None:
            return False
        await free_at(door, region, "", ttl_s)
        copied = await copied_entries(door)
    if not copied or not str(copied[0]["data"].get("procedure", "")).startswith(direction):
        return False
    write_copy(path, copied)
    return True


@frozen
class SharedJournal:
    """What the standby's region keeps of the last operation of a direction. ``acting``: who acts, or acted last."""

    entries: tuple[JournalEntry, ...] = ()
    acting: str = ""


async def read_shared(world: World, region: str, path: Path, direction: str) -> SharedJournal:
    """Only looked at, also while its controller lives; ``path`` is what problems with it are told of."""
    async with world.streams(region) as door:
        state = await door.stream(STREAM)
        if state is None:
            return SharedJournal()
        record, at = await newest_record(door, state.last_seq)
        copied = await copied_entries(door)
    if not copied or not str(copied[0]["data"].get("procedure", "")).startswith(direction):
        return SharedJournal()
    return SharedJournal(tuple(from_copy(copied, path)), _acting(record, state, at, region))


def _acting(record: Record | None, state: StreamState, at: str, region: str) -> str:
    if record is None:
        return ""
    if record.released:
        return f"nobody is acting now; the last was {record.who or 'somebody'} on {record.host} ({region})"
    age_s = (instant(state.answered_at) - instant(at)).total_seconds()
    return f"{record.summary()}; heard {age_s:.0f} s ago ({region})"


async def copied_entries(door: StreamsDoor) -> tuple[dict[str, Any], ...]:
    """The journal of the last operation, as it was shipped; empty where there is none."""
    state = await door.stream(STREAM)
    entries: list[dict[str, Any]] = []
    if state is None or not state.last_seq:
        return ()
    async for message in door.messages(STREAM, state.first_seq, state.last_seq):
        record = Record.of(message.data)
        if record is None or record.entry is None:
            continue
        if record.entry["number"] == 0:
            entries = []
        if record.entry["number"] == len(entries):
            entries.append(record.entry)
    return tuple(entries)


async def newest_record(door: StreamsDoor, last: int) -> tuple[Record | None, str]:
    """With the time at which it was stored."""
    async for message in door.messages(STREAM, max(1, last), last):
        return Record.of(message.data), message.at
    return None, ""
