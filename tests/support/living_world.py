"""A fake world that lives: calls take time, clients write all along, mirrors follow, leases run out, and what a
controller owns is put back. Time is the loop's own and jumps to what is waited for, so that hours take no time.

Every acknowledged write is kept, and after each call and each line of a journal it is looked whether it is somewhere,
and whether of any stream two regions take writes.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen
from fake_world import FakeRegion, FakeStream, FakeWorld, refused

from secondsite.model.errors import MachineError
from secondsite.nats.stored import StoredMessage
from secondsite.operate.actions.unplaced import WAS_ID
from secondsite.operate.layout import Reach, StreamFamily, families, is_writable
from secondsite.operate.writer_lease import WriterRecord
from secondsite.strategies.rights import WRITERS_STREAM, lease_subject
from secondsite.strategies.write_gate import LeaseTerms, leased

T = TypeVar("T")
LATENCY_S = 0.065
_WRITES_EVERY = 4
_KINDS = (MachineError.at("fake", "no answer", "ask again"), refused(10008))


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nobody waits: where nothing is ready, it is the next timer's time at once."""

    def __init__(self, begin: float) -> None:
        self.now = begin
        super().__init__()

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined] # what a loop with a clock of its own has to know
        while timers and timers[0]._cancelled and not self._ready:  # type: ignore[attr-defined]
            timers.pop(0)._scheduled = False
            timers.sort()
        if timers and not self._ready:  # type: ignore[attr-defined]
            self.now = max(self.now, timers[0].when())
        super()._run_once()  # type: ignore[misc]


@define(kw_only=True)
class LivingWorld(FakeWorld):
    """``silent``: regions that the controller and the other regions do not reach. Of these ``writing`` have clients
    that go on. ``fails_at``: the calls, by number, that end in trouble. ``puts_back``: regions in which something gives
    each stream back the subjects that it had. ``excepted``: streams that a named exception lets two regions write.
    """

    silent: set[str] = field(factory=set)
    writing: set[str] = field(factory=set)
    puts_back: set[str] = field(factory=set)
    fails_at: set[int] = field(factory=set)
    excepted: set[str] = field(factory=set)
    promised: dict[str, set[str]] = field(factory=dict)
    overlap: int = 0
    now: float = 1000.0
    leases: dict[str, float] = field(factory=dict)
    """Until when the region's keepers hold one, by region."""
    calls: int = 0
    number: int = 0
    ways_of: tuple[StreamFamily, ...] = ()
    checked: dict[str, tuple[list[FakeStream], dict[int, int]]] = field(factory=dict)
    """The streams are kept so that no other takes the place of one that went."""
    terms: LeaseTerms | None = None
    home: str = ""
    away: str = ""

    def __attrs_post_init__(self) -> None:
        FakeWorld.__attrs_post_init__(self)
        self.ways_of = tuple(f for f in families(self.deployment) if f.reach is Reach.MIRRORED)
        self.terms, standby = leased(self.deployment), self.deployment.standby
        self.home = self.deployment.primary.region.name
        self.away = standby.region.name if standby else self.deployment.sites[-1].region.name
        self.leases = {self.home: self.now + self.terms.seconds} if self.terms else {}

    # --- time

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(self.now)) as runner:
            try:
                return runner.run(work)
            finally:
                self.now = runner.get_loop().time()

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return self.now

    def wall(self) -> float:
        return 1_800_000_000.0 + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.live()

    # --- what happens by itself

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[Any]:
        if region in self.dead and region not in self.refusing_us:
            await asyncio.sleep(within_s or 1.0)
        async with FakeWorld.streams(self, region, within_s) as door:
            yield _Living(self, door)

    def live(self) -> None:
        """One moment of everybody else's."""
        self.calls += 1
        self._renew()
        self._put_back()
        self._mirror()
        if self.calls % _WRITES_EVERY == 0:
            self._write()
        self.check_laws()

    def _renew(self) -> None:
        """The keepers: the home region's through the other one, whose own need nobody else."""
        if self.terms is None or self.away in self.dead:
            return
        for region in (self.home, self.away):
            if region == self.home and region in self.silent | self.dead:
                continue
            self.leases[region] = self.monotonic() + self.terms.seconds if self.granted(region) else 0.0

    def granted(self, region: str) -> bool:
        held = self.regions[self.away].get(WRITERS_STREAM)
        said = [m for m in held.messages if m.subject == lease_subject(region)] if held else []
        return WriterRecord.of(said[-1].data).granted if said else region == self.home

    def holders(self) -> list[str]:
        """Regions whose gates are open, or may be."""
        return [region for region, until in self.leases.items() if self.monotonic() < until]

    def _put_back(self) -> None:
        for region in self.puts_back - self.dead:
            for family in self.ways_of:
                placement = family.at(region)
                stream = self.regions[region].get(placement.name) if placement else None
                if stream is not None and not stream.config.get("mirror"):
                    stream.config["subjects"] = list(family.subjects)

    def takers(self, family: StreamFamily) -> list[str]:
        """Regions whose clients would be acknowledged a write now."""
        holders = self.holders()
        regions = []
        for placement in (family.origin, *family.copies):
            region = placement.region
            stream = self.regions[region].get(placement.name)
            there = region not in self.dead or region in self.writing
            held = self.terms is None or region in holders
            if stream and there and held and is_writable(stream.config, family):
                regions.append(region)
        return regions

    def _write(self) -> None:
        for family in self.ways_of:
            takers = self.takers(family)
            self.overlap += len(takers) > 1
            for region in takers:
                placement = family.at(region)
                assert placement
                self._store(family, self.regions[region][placement.name])

    def _store(self, family: StreamFamily, stream: FakeStream) -> None:
        if family.name in self.refusing or not family.subjects:
            return
        self.number += 1
        name = f"client-{self.number}"
        stream.last_seq += 1
        subject = family.subjects[0].replace(">", "x").replace("*", "x")
        stream.messages.append(StoredMessage(stream.last_seq, subject, {"Nats-Msg-Id": name}, b"", ""))
        self.promised.setdefault(family.name, set()).add(name)

    def _mirror(self) -> None:
        """A mirror gets what its origin has, where both are there and nothing is between them."""
        for family in self.ways_of:
            for placement in (family.origin, *family.copies):
                mirror = self.regions[placement.region].get(placement.name)
                if mirror is None or not mirror.config.get("mirror") or placement.region in self.dead:
                    continue
                for other in family.others(placement.region):
                    origin = self.regions[other.region].get(other.name)
                    if origin is not None and not origin.config.get("mirror") and other.region not in self.dead:
                        new = [m for m in origin.messages if m.sequence > mirror.last_seq]
                        mirror.messages += new
                        mirror.last_seq = max(mirror.last_seq, origin.last_seq)

    # --- the laws

    def check_laws(self) -> None:
        """Whatever streams look like, gates are open in one region alone, and one record says that they may be."""
        assert len(self.holders()) <= 1, f"both regions hold the right to write: {self.leases}"
        granted = [region for region in (self.home, self.away) if self.terms and self.granted(region)]
        assert len(granted) <= 1, f"granted to both: {granted}"
        for family in self.ways_of:
            self._check_kept(family)
            takers = self.takers(family)
            if len(takers) <= 1:
                if not self.dead:
                    self.excepted.discard(family.name)
                continue
            assert family.name in self.excepted, f"{family.name} takes writes in {takers}"

    def _check_kept(self, family: StreamFamily) -> None:
        """Where something went; what only grows loses nothing."""
        streams = [stream for held in self.regions.values() for stream in held.values()]
        lengths = {id(stream): len(stream.messages) for stream in streams}
        before = self.checked.get(family.name)
        self.checked[family.name] = (streams, lengths)
        if before and all(lengths.get(each, -1) >= length for each, length in before[1].items()):
            return
        held = {m.headers.get("Nats-Msg-Id") or m.headers.get(WAS_ID) for stream in streams for m in stream.messages}
        missing = self.promised.get(family.name, set()) - held
        assert not missing, f"{family.name}: {len(missing)} acknowledged writes are nowhere: {sorted(missing)[:3]}"

    def check_one_writer(self, name: str = "") -> None:
        """By what clients get, not by what is configured."""
        del name
        self.check_laws()

    def check_somebody_writes(self) -> None:
        nobody = [family.name for family in self.ways_of if not self.takers(family)]
        assert not nobody, f"no region accepts writes of {nobody}"

    def configured(self) -> Any:
        """What operating changes, of all regions."""
        streams = {(r, n): dict(stream.config) for r, held in self.regions.items() for n, stream in held.items()}
        return streams, self.record, sorted(self.removed), sorted(self.scaled.items()), list(self.carried_out)

    # --- the same again

    def kept(self) -> LivingWorld:
        """As it is now, apart from what happens to this one."""
        copied = evolve(self)
        copied.regions = {
            region: {name: _copied(stream) for name, stream in held.items()} for region, held in self.regions.items()
        }
        shared = {id(held): region for region, held in self.regions.items()}
        for region, held in self.regions.items():
            copied.regions[region] = copied.regions[shared[id(held)]]
        for name in ("dead", "silent", "writing", "excepted", "removed", "apart", "refusing_us", "puts_back"):
            setattr(copied, name, set(getattr(self, name)))
        copied.checked = {}
        copied.promised = {name: set(ids) for name, ids in self.promised.items()}
        copied.scaled, copied.seen, copied.record = dict(self.scaled), dict(self.seen), self.record
        copied.carried_out, copied.leases = list(self.carried_out), dict(self.leases)
        return copied


def _copied(stream: FakeStream) -> FakeStream:
    config = {**stream.config}
    return evolve(
        stream,
        config=config,
        messages=list(stream.messages),
        consumers={name: dict(one) for name, one in stream.consumers.items()},
        floors=dict(stream.floors),
    )


@frozen
class _Living:
    """A region's calls: each takes its time, may fail before or after it was carried out, and the world goes on."""

    world: LivingWorld
    door: FakeRegion

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.door, name)
        return self._slow(found) if inspect.iscoroutinefunction(found) else found

    def _slow(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def slow(*arguments: Any, **named: Any) -> Any:
            await asyncio.sleep(LATENCY_S / 2)
            self.world.live()
            trouble = _KINDS[self.world.calls // 2 % 2] if self.world.calls in self.world.fails_at else None
            if self.door.region in self.world.dead:
                raise MachineError.at(self.door.region, "the connection is lost", "none")
            if trouble is not None and self.world.calls % 2:
                raise trouble
            result = await call(*arguments, **named)
            self.world.live()
            await asyncio.sleep(LATENCY_S / 2)
            if trouble is not None:
                raise trouble
            return result

        return slow
