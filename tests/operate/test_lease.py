"""Two controllers on two machines: one acts, the other says who does; and either goes on where the other ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named, synchronised

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step
from secondsite.nats.jetstream import STREAM_NOT_FOUND
from secondsite.nats.streams import suppress_refusal
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal, StepState, read_journal
from secondsite.operate.lease import STREAM, HeldElsewhereError, Lease, copied_entries, fetch_journal, lease_of
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.world import Decision
from secondsite.strategies.compose import failover
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
LOST = frozenset({"unfenced"})
Before = Callable[[Lease], Any]


@frozen
class Machine:
    """One controller with a disk of its own."""

    who: str
    pair: Pair
    deployment: Deployment
    kit: Kit
    folder: Path

    @property
    def world(self) -> LiveWorld:
        world = make_world(self.pair, self.folder.parent, f"e.{self.deployment.system.nats[0].streams[0].name}.path")
        return evolve(world, decision=Decision(self.who, 1.0, "a test"), reach_s=10.0)

    @property
    def path(self) -> Path:
        return self.folder / "failover.jsonl"

    @property
    def procedure(self) -> Procedure:
        return failover(self.deployment, self.kit, Fault.GRAY)

    async def go(
        self, manual_steps: Any = None, ttl_s: float = 30.0, told: list[str] | None = None
    ) -> OperationOutcome:
        world = evolve(self.world, manual_steps=manual_steps) if manual_steps else self.world
        with Journal(self.path, world.clock) as journal:
            known = journal.entries[0].data["hash"] if journal.entries else ""
            approved = known or (await make_plan(self.procedure, self.deployment, world, allowed=LOST)).hash
            say = (told if told is not None else []).append
            async with evolve_ttl(lease_of(self.deployment, world, journal, say), ttl_s) as lease:
                options = Options(approved=str(approved), allowed=LOST, patience=200.0, hold=lease.hold)
                return await execute(self.procedure, self.deployment, world, journal, options=options)


def evolve_ttl(lease: Lease, ttl_s: float) -> Lease:
    lease.ttl_s = ttl_s
    return lease


@pytest.fixture
def machines(pair: Pair, kit: Kit, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Machine, Machine]:
    name = f"Q{abs(hash(request.node.name)) % 10_000}"
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named(name))
    ready = evolve(kit, system=deployment.system)

    async def prepare() -> None:
        async with door(pair, AWAY) as away:
            with suppress_refusal(STREAM_NOT_FOUND):
                await away.delete(STREAM)
        await create(pair, deployment)
        await fill(pair, HOME, f"e.{name}.x", 3)
        await synchronised(pair, deployment)

    asyncio.run(prepare())
    first, second = (Machine(who, pair, deployment, ready, tmp_path / who) for who in ("ann", "bob"))
    return first, second


@frozen
class Waits:
    """Its first step by hand is begun, and not done before ``go`` is set."""

    begun: asyncio.Event
    go: asyncio.Event

    async def carry_out(self, step: Step) -> str | None:
        self.begun.set()
        await self.go.wait()
        return f"somebody, {step.id}"

    def has_command(self, _step: Step) -> bool:
        return False


def test_one_acts_and_the_other_says_who(machines: tuple[Machine, Machine]) -> None:
    """Then the other's turn comes; what is done is not begun again."""
    ann, bob = machines

    async def run() -> None:
        manual_steps = Waits(asyncio.Event(), asyncio.Event())
        acting = asyncio.ensure_future(ann.go(manual_steps))
        await manual_steps.begun.wait()
        with pytest.raises(HeldElsewhereError, match=r"ann on \S+ acts .*; heard \d+ s ago"):
            await bob.go()
        manual_steps.go.set()
        assert (await acting).finished
        async with door(ann.pair, AWAY) as away:
            shipped = await copied_entries(away)
        assert [entry["hash"] for entry in shipped] == [entry.hash for entry in read_journal(ann.path)]

    asyncio.run(run())


def test_one_that_slept_through_its_lease_does_nothing_more(machines: tuple[Machine, Machine]) -> None:
    """Another machine fetched its journal, went on and finished; the sleeper finds out before its next step."""
    ann, bob = machines

    async def run() -> None:
        manual_steps = Waits(asyncio.Event(), asyncio.Event())
        acting = asyncio.ensure_future(ann.go(manual_steps, ttl_s=1000.0))
        await manual_steps.begun.wait()
        await _quiet(ann)
        assert await fetch_journal(bob.world, AWAY, bob.path, "failover", ttl_s=0.1)
        before = len(read_journal(bob.path))
        outcome = await bob.go(ttl_s=0.1)
        assert outcome.finished
        assert len(read_journal(bob.path)) > before
        manual_steps.go.set()
        with pytest.raises(HeldElsewhereError, match="bob on"):
            await acting

    asyncio.run(run())
    later = [entry.data for entry in read_journal(ann.path) if entry.data.get("state") == str(StepState.FAILED)]
    assert all("bob on" in entry["why"] for entry in later)


async def _quiet(machine: Machine) -> None:
    """Until nothing was shipped for a while, and so the lease has run out."""
    seen, since = -1, time.monotonic()
    async with door(machine.pair, AWAY) as away:
        while time.monotonic() - since < 0.7:
            look = await away.stream(STREAM)
            if look and look.last_seq != seen:
                seen, since = look.last_seq, time.monotonic()
            await asyncio.sleep(0.05)


def test_a_journal_that_fell_behind_is_not_gone_on_with(machines: tuple[Machine, Machine]) -> None:
    """Nor is another one begun beside it."""
    ann, bob = machines

    async def run() -> None:
        nobody = evolve(ann.world, manual_steps=_Nobody()).manual_steps
        assert not (await ann.go(nobody)).finished
        with pytest.raises(HeldElsewhereError, match=r"failover-\w+, begun by ann on \S+, is in progress"):
            await bob.go()
        bob.path.unlink()
        assert await fetch_journal(bob.world, AWAY, bob.path, "failover")
        assert (await bob.go()).finished
        with pytest.raises(HeldElsewhereError, match="continued elsewhere: this journal lacks"):
            await ann.go()

    asyncio.run(run())


class _Nobody:
    async def carry_out(self, step: Step) -> str | None:
        del step
        return None

    def has_command(self, _step: Step) -> bool:
        return False


def test_without_the_stream_the_local_journal_works(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    told: list[str] = []

    async def run() -> None:
        world = evolve(ann.world, regions={AWAY: ann.pair.place(HOME)})
        with Journal(ann.path, world.clock) as journal:
            async with lease_of(ann.deployment, world, journal, told.append) as lease:
                assert not lease.shared
                await lease.hold(journal.entries)

    asyncio.run(run())
    assert "only" in told[0]
