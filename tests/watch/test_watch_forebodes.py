"""What would forbid a failover, or be felt in one, is told while nothing is wrong: each cause by itself, on a world in
memory, through the watch's own operations and readiness."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import define, evolve
from fake_world import FakeDoors, FakeRegion, FakeWorld
from in_loop import in_loop
from odd_world import AWAY, HOME, failover_of, layout

from secondsite.cli.watch_parts import readiness_notice
from secondsite.model.contract import Contract, Subject
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.units import Seconds
from secondsite.nats.streams import StreamState
from secondsite.operate.world import Decision, Replicas
from secondsite.strategies.design import Kit
from secondsite.watch.operations import Operations
from secondsite.watch.readiness import Readiness, ReadyPlan


@define
class Doors(FakeDoors):
    """Ready, with room, until a test says otherwise."""

    ready: int = 1
    full: str = ""
    silent: bool = False
    stale: bool = False

    async def replicas(self, region: str) -> Mapping[str, Replicas]:
        if self.silent:
            raise MachineError.at(region, "does not answer", "check it")
        return {"api": Replicas(1, self.ready)}

    async def crowded(self, _region: str, more: Mapping[str, int]) -> str:
        return self.full.format(more) if self.full else ""

    async def fingerprints(self, region: str, key: bytes) -> Mapping[str, str]:
        values = await self.reference(key)
        return {name: f"{value}0" if self.stale and region == AWAY else value for name, value in values.items()}


@define
class Dated(FakeWorld):
    """Its streams say when their newest message came: at home at ``home_at``, elsewhere at noon."""

    home_at: str = "2026-11-28T12:00:00Z"

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[FakeRegion]:
        async with FakeWorld.streams(self, region, within_s):
            yield DatedRegion(self, region)


class DatedRegion(FakeRegion):
    async def stream(self, name: str) -> StreamState | None:
        state = await super().stream(name)
        at = self.world.home_at if isinstance(self.world, Dated) and self.region == HOME else "2026-11-28T12:00:00Z"
        return state and evolve(state, last_at=at)


def world_of(kit: Kit) -> tuple[FakeWorld, Doors]:
    """With an RPO of a minute."""
    contract = Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(60))
    world = Dated(layout(evolve(kit, system=evolve(kit.system, contracts=(contract,)))), set())
    doors = Doors(world)
    world.dns = world.services = world.secrets = world.path = doors
    return world, doors


async def alerts(kit: Kit, world: FakeWorld, folder: Path) -> list[ReadyPlan]:
    """What the watch tells people after its first look."""
    procedure = failover_of(world.deployment, kit, Fault.REGION)
    operations = Operations(
        world.deployment,
        {Fault.REGION: procedure},
        lambda _procedure, decision: evolve_world(world, decision),
        folder,
        lambda _what: None,
        lambda _progress: None,
    )
    told: list[ReadyPlan] = []
    readiness = Readiness(
        operations, (Fault.REGION,), Decision("watch w", 1.0, "readiness"), lambda: 0.0, lambda: False, told.append
    )
    await readiness.look()
    return told


def evolve_world(world: FakeWorld, decision: Decision) -> FakeWorld:
    world.decision = decision
    return world


def guards(told: list[ReadyPlan]) -> set[tuple[str, str]]:
    return {(one.step, one.guard) for plan in told for one in plan.refusals}


def behind(world: FakeWorld, _doors: Doors) -> None:
    for stream in world.regions[HOME].values():
        stream.last_seq += 10_000
    assert isinstance(world, Dated)
    world.home_at = "2026-11-28T12:05:00Z"


def refused(world: FakeWorld, _doors: Doors) -> None:
    world.refusing_us.add(AWAY)


def unready(_world: FakeWorld, doors: Doors) -> None:
    doors.ready = 0


def full(_world: FakeWorld, doors: Doors) -> None:
    doors.full = "the nodes of us-west-2 have no room for {}"


def drifted(world: FakeWorld, _doors: Doors) -> None:
    world.record = "203.0.113.7"


def stale(_world: FakeWorld, doors: Doors) -> None:
    doors.stale = True


CAUSES: Mapping[str, tuple[Callable[[FakeWorld, Doors], None], str]] = {
    "mirror behind": (behind, "lagging-mirror"),
    "credential refused": (refused, "refused-us"),
    "standby not ready": (unready, "standby-not-ready"),
    "secret differs": (stale, "stale-secret"),
    "capacity gone": (full, "no-capacity"),
    "record elsewhere": (drifted, "dns-drift"),
}


@in_loop
async def test_where_all_is_well_nobody_is_woken(kit: Kit, tmp_path: Path) -> None:
    world, _ = world_of(kit)
    assert await alerts(kit, world, tmp_path) == []


@in_loop
async def test_how_far_copies_are_behind_is_kept_with_the_plan(kit: Kit, tmp_path: Path) -> None:
    world, doors = world_of(kit)
    behind(world, doors)
    (plan,) = await alerts(kit, world, tmp_path)
    (record,) = [step for step in plan.steps if step.id == "record-state"]
    assert record.now
    assert all("the copy lacks 10000" in line for line in record.now), record.now


@pytest.mark.parametrize("cause", CAUSES)
@in_loop
async def test_each_cause_is_an_alert_before_the_loss(cause: str, kit: Kit, tmp_path: Path) -> None:
    world, doors = world_of(kit)
    spoil, guard = CAUSES[cause]
    spoil(world, doors)
    told = await alerts(kit, world, tmp_path)
    assert [one.problem for one in told] == [""]
    assert guard in {one for _, one in guards(told)}
    assert not told[0].ready
    felt = guard in ("standby-not-ready", "no-capacity", "dns-drift")
    assert told[0].could_run is felt, "what no plan refuses holds no failover up"
    assert ("could not run" in readiness_notice(told[0]).title) is not felt


@in_loop
async def test_how_many_more_would_be_needed_is_what_is_asked_for(kit: Kit, tmp_path: Path) -> None:
    world, doors = world_of(kit)
    full(world, doors)
    (plan,) = await alerts(kit, world, tmp_path)
    (one,) = [each for each in plan.refusals if each.guard == "no-capacity"]
    more = world.deployment.primary.replicas("api") - 1
    assert str({"api": more} if more > 0 else {}) in one.what


@in_loop
async def test_silence_is_told_by_the_plan_alone(kit: Kit, tmp_path: Path) -> None:
    world, doors = world_of(kit)
    doors.silent, doors.ready = True, 0
    told = {guard for _, guard in guards(await alerts(kit, world, tmp_path))}
    assert "cannot-look" in told
    assert "standby-not-ready" not in told
