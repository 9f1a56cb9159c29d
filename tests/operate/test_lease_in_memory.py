"""The shared journal on a stream in memory: answers that are lost, records of others, a server that goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict, define, evolve
from fake_world import FakeRegion, FakeStream, FakeWorld

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.strategy import Strategy
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import WRONG_LAST_SEQUENCE, NoStreamListensError, PublishAnswer, StreamState
from secondsite.operate.journal import ABORTED, EntryKind, Journal, read_journal
from secondsite.operate.lease import (
    STREAM,
    SUBJECT,
    HeldElsewhereError,
    Lease,
    Record,
    SharedJournal,
    copied_entries,
    fetch_journal,
    lease_of,
    read_shared,
)
from secondsite.operate.world import Decision
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

AWAY = "us-west-2"
PLAN = {"procedure": "failover of nats", "hash": "h", "operation": {"id": "failover-1"}, "who": "ann", "host": "a"}
BOB = Record("elsewhere:/bob", "bob", "b", "failover-2")


class Shared(FakeWorld):
    """Its streams keep the law of the expected last sequence; ``now`` is its servers' clock, in seconds."""

    now = 0
    losing = 0
    """So many answers get lost, each after it was stored."""
    usurper: Record | None = None
    """Writes right after an answer that was lost."""
    refusing_code = 0
    leaderless = 0
    """So many times nobody takes anything yet."""
    beaten: asyncio.Event | None = None

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[Any]:
        async with super().streams(region, within_s):
            yield SharedRegion(self, region)

    @property
    def shared(self) -> FakeStream:
        return self.regions[AWAY][STREAM]

    def records(self) -> list[Record | None]:
        return [Record.of(message.data) for message in self.shared.messages]

    def write(self, data: bytes) -> None:
        held = self.shared
        held.last_seq += 1
        held.messages.append(StoredMessage(held.last_seq, SUBJECT, {}, data, _at(self.now)))
        if self.beaten:
            self.beaten.set()


@define
class SharedRegion(FakeRegion):
    async def stream(self, name: str) -> StreamState | None:
        look = await super().stream(name)
        assert isinstance(self.world, Shared)
        return look and evolve(look, answered_at=_at(self.world.now))

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> PublishAnswer:
        world = self.world
        assert isinstance(world, Shared)
        if self.region in world.dead:
            raise MachineError.at(self.region, "no answer within 5 s", "none")
        if world.leaderless:
            world.leaderless -= 1
            raise NoStreamListensError.at(self.region, f"no stream listens on {subject}", "none")
        if world.refusing_code:
            return PublishAnswer(STREAM, "", 0, code=world.refusing_code, why="full")
        if headers["Nats-Expected-Last-Sequence"] != str(world.shared.last_seq):
            return PublishAnswer(STREAM, "", 0, code=WRONG_LAST_SEQUENCE[1], why="wrong last sequence")
        world.write(data)
        if world.losing:
            world.losing -= 1
            if world.usurper:
                world.write(json.dumps(asdict(world.usurper)).encode())
            raise MachineError.at(self.region, "no answer within 5 s", "none")
        return PublishAnswer(STREAM, "", world.shared.last_seq)


def _at(seconds: int) -> str:
    return f"2026-01-01T00:{seconds // 60:02}:{seconds % 60:02}.123456789Z"


@pytest.fixture
def deployment(kit: Kit) -> Deployment:
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)


@pytest.fixture
def world(deployment: Deployment) -> Shared:
    found = Shared(deployment, set())
    found.decision = Decision("ann", 1.0, "a test")
    return found


@pytest.fixture
def journal(world: Shared, tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "failover.jsonl", world.clock) as found:
        found.append(EntryKind.PLAN, "", PLAN)
        found.append(EntryKind.INTENT, "fence", {})
        yield found


def _lease(world: Shared, journal: Journal, told: list[str] | None = None, ttl_s: float = 30.0) -> Lease:
    found = lease_of(world.deployment, world, journal, (told if told is not None else []).append)
    found.ttl_s = ttl_s
    return found


async def _shipped(world: Shared) -> list[str]:
    async with world.streams(AWAY) as door:
        return [entry["hash"] for entry in await copied_entries(door)]


def _other(world: Shared, record: Record) -> None:
    world.write(json.dumps(asdict(record)).encode())


def test_what_is_new_is_shipped_once_and_the_lease_is_given_back(world: Shared, journal: Journal) -> None:
    async def run() -> None:
        async with _lease(world, journal) as lease:
            assert lease.shared
            await lease.hold(journal.entries)
            await lease.hold(journal.entries)
            journal.append(EntryKind.INTENT, "promote", {})
            await lease.hold(journal.entries)
        assert await _shipped(world) == [entry.hash for entry in journal.entries]

    asyncio.run(run())
    records = world.records()
    assert len(records) == 1 + 3 + 1
    assert records[-1]
    assert records[-1].released
    assert records[-1].operation == "failover-1"


@pytest.mark.parametrize("lost_at", [1, 2])
def test_an_answer_that_was_lost_ships_nothing_twice(world: Shared, journal: Journal, lost_at: int) -> None:
    """What was stored is recognised as its own, and the journal over there has no gap."""

    async def run() -> None:
        told: list[str] = []
        async with _lease(world, journal, told) as lease:
            await lease.hold(journal.entries[: lost_at - 1])
            world.losing = 1
            await lease.hold(journal.entries)
            assert not world.losing
        assert not told
        assert await _shipped(world) == [entry.hash for entry in journal.entries]

    asyncio.run(run())
    assert len(world.records()) == 1 + 2 + 1


def test_an_answer_lost_with_its_server_is_found_by_the_next_hold(world: Shared, journal: Journal) -> None:
    """Meanwhile the local journal does; the record that comes after the lost one is another, and is stored too."""

    async def run() -> None:
        told: list[str] = []
        async with _lease(world, journal, told) as lease:
            world.dead.add(AWAY)
            await lease.hold(journal.entries)
            assert told == [f"{AWAY}: the shared journal does not answer (no connection); going on"]
            _other(world, Record(lease._holder, "ann", "a", "failover-1"))
            world.dead.clear()
            await lease.hold(journal.entries)
        assert await _shipped(world) == [entry.hash for entry in journal.entries]

    asyncio.run(run())


@pytest.mark.parametrize("lost", [False, True])
def test_whoever_was_taken_over_stops(world: Shared, journal: Journal, *, lost: bool) -> None:
    """Also where that shows only over the second connection."""

    async def run() -> None:
        async with _lease(world, journal) as lease:
            if lost:
                world.losing, world.usurper = 1, BOB
            else:
                _other(world, BOB)
            with pytest.raises(HeldElsewhereError, match=r"bob on b acts \(failover-2\)") as error:
                await lease.hold(journal.entries)
            assert "nothing more is done here" in error.value.problems[0].remedy
            lease.shared = False

    asyncio.run(run())
    assert world.records()[-1] == BOB


def test_bytes_of_somebody_else_stop_it_too(world: Shared, journal: Journal) -> None:
    async def run() -> None:
        async with _lease(world, journal) as lease:
            world.write(b"no record")
            with pytest.raises(HeldElsewhereError, match="another controller wrote to the shared journal"):
                await lease.hold(journal.entries)
            lease.shared = False

    asyncio.run(run())


def test_one_that_is_silent_for_its_time_counts_as_gone(world: Shared, journal: Journal) -> None:
    """By the servers' clock alone."""

    async def run() -> None:
        async with _lease(world, journal):
            pass
        _other(world, BOB)
        world.now = 29
        with pytest.raises(HeldElsewhereError, match=r"bob on b acts \(failover-2\); heard 29 s ago"):
            await _lease(world, journal).__aenter__()
        world.now = 30
        async with _lease(world, journal) as lease:
            assert lease.shared

    asyncio.run(run())


def test_a_stream_that_takes_nothing_leaves_the_local_journal(world: Shared, journal: Journal) -> None:
    told: list[str] = []

    async def run() -> None:
        world.refusing_code = 10077
        async with _lease(world, journal, told) as lease:
            assert not lease.shared
            await lease.hold(journal.entries)

    asyncio.run(run())
    why = "refused: full (10077)"
    assert told == [f"{AWAY}: the shared journal cannot be reached ({why}): only {journal.path} is written"]
    assert not world.records()


def test_a_stream_without_a_leader_yet_is_waited_for(world: Shared, journal: Journal) -> None:
    """Two watches made it in one moment, and both went on with a journal of their own."""

    async def run() -> None:
        world.leaderless = 3
        async with _lease(world, journal) as lease:
            assert lease.shared

    asyncio.run(run())
    assert world.records()


def test_a_lease_that_cannot_be_given_back_says_when_it_ends(world: Shared, journal: Journal) -> None:
    told: list[str] = []

    async def run() -> None:
        async with _lease(world, journal, told):
            world.dead.add(AWAY)

    asyncio.run(run())
    assert told == [f"{AWAY}: the lease could not be released; it expires after 30 s"]


def test_between_two_steps_it_says_that_it_lives(world: Shared, journal: Journal) -> None:
    """Also after an answer that was lost; and no more once somebody else took over."""

    async def run() -> None:
        async with _lease(world, journal, ttl_s=0.3) as lease:
            world.beaten = asyncio.Event()
            world.losing = 1
            for _ in range(2):
                await world.beaten.wait()
                world.beaten.clear()
            assert {record and record.who for record in world.records()} == {"ann"}
            _other(world, BOB)
            assert lease._beat
            await lease._beat
            assert world.records()[-1] == BOB
            lease.shared = False

    asyncio.run(asyncio.wait_for(run(), 30))


def test_it_says_so_three_times_in_the_time_it_may_be_silent(
    world: Shared, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them may be lost."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) > 2:
            await asyncio.Event().wait()

    async def run() -> None:
        monkeypatch.setattr(asyncio, "sleep", sleep)
        async with _lease(world, journal) as lease:
            world.beaten = asyncio.Event()
            while len(waited) <= 2:
                await world.beaten.wait()
                world.beaten.clear()
            assert waited == [lease.ttl_s / 3] * 3

    asyncio.run(asyncio.wait_for(run(), 30))


def test_another_operation_under_way_is_not_begun_beside(world: Shared, journal: Journal, tmp_path: Path) -> None:
    """Once that one was given up, it is."""

    async def run() -> None:
        async with _lease(world, journal) as lease:
            await lease.hold(journal.entries)
        with Journal(tmp_path / "other.jsonl", world.clock) as other:
            other.append(EntryKind.PLAN, "", PLAN | {"hash": "another"})
            with pytest.raises(HeldElsewhereError, match="failover-1, begun by ann on a, is in progress") as error:
                await _lease(world, other).__aenter__()
            remedy = "resume it there, or here with `secondsite failover resume`, which fetches its journal"
            assert error.value.problems[0].remedy == f"{remedy} (move {other.path} away first)"
            with Journal(tmp_path / "failback.jsonl", world.clock) as empty:
                with pytest.raises(HeldElsewhereError) as error:
                    await _lease(world, empty).__aenter__()
                assert error.value.problems[0].remedy == remedy, "of the verb that is under way, not of this one"
            journal.append(EntryKind.NOTE, "", {ABORTED: {}})
            async with _lease(world, journal) as lease:
                await lease.hold(journal.entries)
            async with _lease(world, other) as lease:
                await lease.hold(other.entries)
            assert await _shipped(world) == [other.entries[0].hash]

    asyncio.run(run())


def test_a_journal_is_fetched_by_its_direction(world: Shared, journal: Journal, tmp_path: Path) -> None:
    target = tmp_path / "fetched" / "failover.jsonl"

    async def run() -> list[bool]:
        nothing = await fetch_journal(world, AWAY, target, "failover")
        async with _lease(world, journal) as lease:
            beginning = await fetch_beside(lease)
            await lease.hold(journal.entries)
        other = await fetch_journal(world, AWAY, target, "failback")
        return [nothing, beginning, other, await fetch_journal(world, AWAY, target, "failover")]

    async def fetch_beside(lease: Lease) -> bool:
        assert lease.shared
        with pytest.raises(HeldElsewhereError, match="ann on"):
            await fetch_journal(world, AWAY, target, "failover")
        return target.exists()

    assert asyncio.run(run()) == [False, False, False, True]
    assert [entry.hash for entry in read_journal(target)] == [entry.hash for entry in journal.entries]


def test_on_any_machine_it_is_told_how_far_it_is_and_who_acts(world: Shared, journal: Journal, tmp_path: Path) -> None:
    """While its controller lives, too: looking is no taking over."""
    path = tmp_path / "elsewhere.jsonl"

    async def run() -> list[SharedJournal]:
        nothing = await read_shared(world, AWAY, path, "failover")
        async with _lease(world, journal) as lease:
            await lease.hold(journal.entries)
            during = await read_shared(world, AWAY, path, "failover")
        return [nothing, during, await read_shared(world, AWAY, path, "failover")]

    nothing, during, after = asyncio.run(run())
    assert nothing == SharedJournal()
    assert [entry.hash for entry in during.entries] == [entry.hash for entry in journal.entries]
    assert "ann on" in during.acting
    assert "heard 0 s ago" in during.acting
    assert after.acting.startswith("nobody is acting now; the last was ann on")
    assert not path.exists()


def test_in_a_supercluster_it_lies_in_the_cluster_that_stays(kit: Kit, tmp_path: Path) -> None:
    deployment = lay_out(Strategy.parse("warm-standby/supercluster-mirror"), kit)
    world = Shared(deployment, set())
    with Journal(tmp_path / "journal", world.clock) as journal:
        lease = _lease(world, journal)
    cluster = next(one for one in deployment.clusters if one.region == AWAY)
    assert lease.config["placement"] == {"cluster": cluster.name}
    assert lease.config["num_replicas"] == max(stream.replicas for stream in cluster.streams)
