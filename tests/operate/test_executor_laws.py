"""What holds for every strategy's procedures, whatever else they wait for and wherever the controller dies."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeWorld
from hypothesis import given, settings
from hypothesis import strategies as some
from kill_points import Dying, KilledJournal, Points

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import EntryKind, Journal, read_journal, records, unfenced
from secondsite.operate.plan import make_plan
from secondsite.publish.terminal.operation import outcome_text, status_text
from secondsite.secrets.door import UnrefreshedSecrets
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

CASES = [
    *((strategy, Fault.REGION) for strategy in STRATEGIES[1:]),
    *((strategy, Fault.GRAY) for strategy in STRATEGIES[1:] if "stretch" not in strategy.id),
    *((strategy, None) for strategy in STRATEGIES if "leafnode" in strategy.id),
]
WALKED = [
    ("backup-restore/backup", Fault.REGION),
    ("warm-standby/supercluster-mirror", Fault.REGION),
    ("warm-standby/supercluster-mirror", Fault.GRAY),
    ("warm-standby/supercluster-mirror-witness", Fault.REGION),
    ("warm-standby/leafnode-mirror", Fault.REGION),
    ("warm-standby/leafnode-mirror", Fault.GRAY),
    ("warm-standby/leafnode-mirror", None),
    ("warm-standby/stretch", Fault.REGION),
    ("active-active/sourced/weighted", Fault.REGION),
]
"""One for each kind of stream steps."""
LOST = frozenset({"unfenced"})
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 # thousands of journals, each line synchronised


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


class KilledError(BaseException):
    """Not an Exception: nothing may catch it."""


def _die() -> None:
    raise KilledError


def _procedure(strategy: Strategy, fault: Fault | None, kit: Kit) -> tuple[Deployment, Procedure]:
    deployment = lay_out(strategy, kit)
    ready = evolve(kit, system=deployment.system)
    return deployment, failback(deployment, ready) if fault is None else failover(deployment, ready, fault)


def _world(deployment: Deployment, fault: Fault | None, kit: Kit) -> FakeWorld:
    """After the fault; for a failback, after the failover."""
    home = deployment.primary.region.name
    world = FakeWorld(deployment, {home} if fault is Fault.REGION else set())
    if fault is None:
        over = failover(deployment, evolve(kit, system=deployment.system), Fault.GRAY)
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder, Journal(Path(folder) / "over", world) as journal:
            assert asyncio.run(_execute(over, deployment, world, journal)).finished
        world.carried_out.clear()
    return world


async def _execute(procedure: Procedure, deployment: Deployment, world: Any, journal: Journal) -> OperationOutcome:
    if journal.entries:
        approved = str(journal.entries[0].data["hash"])
    else:
        approved = (await make_plan(procedure, deployment, world, allowed=LOST)).hash
    return await execute(procedure, deployment, world, journal, options=Options(approved=approved, allowed=LOST))


class _DyingWorld:
    """The fake world with every door wrapped, its regions too."""

    def __init__(self, world: FakeWorld, points: Points) -> None:
        self._world, self._points = world, points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._world, name)
        doors = ("dns", "services", "secrets", "path", "sites", "restorer", "manual_steps")
        if name in doors:
            return Dying(found, self._points)
        return found

    def streams(self, region: str, within_s: float | None = None) -> Any:
        return _Opened(self._world.streams(region, within_s), self._points)

    def meta(self, region: str) -> Any:
        return _Opened(self._world.meta(region), self._points)


class _Opened:
    def __init__(self, opened: Any, points: Points) -> None:
        self._opened, self._points = opened, points

    async def __aenter__(self) -> Any:
        return Dying(await self._opened.__aenter__(), self._points)

    async def __aexit__(self, *error: object) -> None:
        await self._opened.__aexit__(None, None, None)


def _attempt(path: Path, procedure: Procedure, deployment: Deployment, world: FakeWorld, at: int) -> int | None:
    """How many points there were; None where it died."""
    points = Points(_die, at)

    async def run() -> None:
        with KilledJournal(path, world, points) as journal:
            outcome = await _execute(procedure, deployment, _DyingWorld(world, points), journal)
            assert outcome.finished, [str(problem) for problem in outcome.problems]

    try:
        asyncio.run(run())
    except KilledError:
        return None
    return points.count


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "fault"), WALKED, ids=lambda value: str(value or "failback"))
def test_killed_at_every_point_it_ends_the_same(strategy: str, fault: Fault | None, kit: Kit, memory: Path) -> None:
    deployment, procedure = _procedure(Strategy.parse(strategy), fault, kit)
    assert not any(step.blocked for step in procedure.steps)
    whole = _world(deployment, fault, kit)
    total = _attempt(memory / "whole", procedure, deployment, whole, -1)
    assert total
    assert total > 3 * len(procedure.steps)
    for at in range(total):
        world = _world(deployment, fault, kit)
        path = memory / str(at)
        assert _attempt(path, procedure, deployment, world, at) is None, f"point {at} was not reached"
        assert _attempt(path, procedure, deployment, world, -1) is not None
        assert world.end() == whole.end(), f"killed at point {at}"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=some.data())
def test_more_edges_and_several_deaths_end_the_same(kit: Kit, data: some.DataObject) -> None:
    """Any graph over the steps that keeps their order: the same end, and nothing before what it waits for."""
    strategy, fault = data.draw(some.sampled_from(CASES))
    deployment, procedure = _procedure(strategy, fault, kit)
    if any(step.blocked for step in procedure.steps):
        return
    steps: list[Step] = []
    for step in procedure.steps:
        earlier = [one.id for one in steps]
        more = data.draw(some.lists(some.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        steps.append(evolve(step, after=tuple(dict.fromkeys([*step.after, *more]))))
    changed = evolve(procedure, steps=tuple(steps))
    whole, world = _world(deployment, fault, kit), _world(deployment, fault, kit)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        total = _attempt(Path(folder) / "whole", changed, deployment, whole, -1)
        assert total
        path = Path(folder) / "killed"
        for share in data.draw(some.lists(some.floats(0, 1), min_size=1, max_size=4)):
            _attempt(path, changed, deployment, world, int(share * (total - 1)))
        assert _attempt(path, changed, deployment, world, -1)
        _check_order(changed, path)
    assert world.end() == whole.end()


def _check_order(procedure: Procedure, path: Path) -> None:
    done: set[str] = set()
    for entry in read_journal(path):
        if entry.kind is EntryKind.INTENT:
            assert set(procedure.step(entry.step).after) <= done, f"{entry.step} began too early"
        elif entry.kind is EntryKind.OUTCOME and entry.data["state"] == "done":
            done.add(entry.step)
    assert done == {step.id for step in procedure.steps}


def test_every_verb_has_an_executor() -> None:
    assert set(Options().executors) == set(Verb)


def test_a_region_that_returns_during_the_run_is_fenced(kit: Kit, tmp_path: Path) -> None:
    deployment, procedure = _procedure(Strategy.parse("warm-standby/leafnode-mirror"), Fault.REGION, kit)
    world = FakeWorld(deployment, {"us-east-1"})
    world.manual_steps = _Reviver(world)

    async def run() -> OperationOutcome:
        with Journal(tmp_path / "journal", world) as journal:
            return await _execute(procedure, deployment, world, journal)

    assert asyncio.run(run()).finished
    notes = [entry.data for entry in read_journal(tmp_path / "journal") if entry.kind is EntryKind.NOTE]
    assert {"fenced-on-return": "us-east-1"} in notes
    assert world.regions["us-east-1"]["EVENTS"].config["subjects"] == ["secondsite.fenced.us-east-1.EVENTS"]


def test_a_finished_failover_is_resumed_to_fence_what_returned(kit: Kit, tmp_path: Path) -> None:
    """Nothing else is done again."""
    deployment, procedure = _procedure(Strategy.parse("warm-standby/leafnode-mirror"), Fault.REGION, kit)
    world = FakeWorld(deployment, {"us-east-1"})

    async def run() -> OperationOutcome:
        with Journal(tmp_path / "journal", world) as journal:
            return await _execute(procedure, deployment, world, journal)

    outcome = asyncio.run(run())
    assert outcome.finished
    assert "us-east-1 is unfenced" in outcome_text("over", outcome, tmp_path)
    before = len(read_journal(tmp_path / "journal"))
    assert asyncio.run(run()).finished
    assert {entry.kind for entry in read_journal(tmp_path / "journal")[before:]} <= {EntryKind.NOTE}
    world.dead.clear()
    assert asyncio.run(run()).finished
    assert world.regions["us-east-1"]["EVENTS"].config["subjects"] == ["secondsite.fenced.us-east-1.EVENTS"]
    entries = read_journal(tmp_path / "journal")
    assert entries[-1].data == {"fenced-on-return": "us-east-1"}
    assert unfenced(records(entries)) == ()
    assert "unfenced" not in status_text(entries)
    assert asyncio.run(run()).finished
    again = read_journal(tmp_path / "journal")
    assert sum("fenced-on-return" in entry.data for entry in again) == 1


class _Reviver:
    """Brings the lost region back once the mirrors are promoted, and takes its time."""

    def __init__(self, world: FakeWorld) -> None:
        self._world = world

    async def carry_out(self, step: Step) -> str | None:
        if step.id == "promote-stores":
            await asyncio.sleep(0.3)
            assert not self._world.regions["us-west-2"]["EVENTS"].config.get("mirror")
            self._world.dead.clear()
            await asyncio.sleep(0.8)
        return "tester"

    def has_command(self, _step: Step) -> bool:
        return False


def test_a_failed_step_holds_up_only_what_waits_for_it(kit: Kit, tmp_path: Path) -> None:
    """And says where, why and what to do; resumed, it ends."""
    deployment, procedure = _procedure(Strategy.parse("warm-standby/leafnode-mirror"), Fault.REGION, kit)
    world = FakeWorld(deployment, {"us-east-1"})
    doors = world.secrets
    world.secrets = _Failing()

    async def run() -> OperationOutcome:
        with Journal(tmp_path / "journal", world) as journal:
            return await execute(procedure, deployment, world, journal, options=Options(allowed=LOST))

    with pytest.raises(InputError, match="the store does not answer"):
        asyncio.run(run())
    world.secrets = doors
    plan = asyncio.run(make_plan(procedure, deployment, world, allowed=LOST))
    assert not plan.refusals
    world.secrets = _Failing(after=1)
    outcome = asyncio.run(run())
    (problem,) = outcome.problems
    assert str(problem) == f"{procedure.name}: verify-secrets: store: the store does not answer; wake it"
    assert "promote-streams" in outcome.steps
    assert "change-traffic" not in outcome.steps
    world.secrets = doors
    assert asyncio.run(run()).finished


class _Failing(UnrefreshedSecrets):
    """Answers ``after`` times, the same everywhere, and then no more."""

    def __init__(self, after: int = 0) -> None:
        self._left = after

    async def reference(self, key: bytes) -> dict[str, str]:
        del key
        self._left -= 1
        if self._left < 0:
            raise MachineError.at("store", "the store does not answer", "wake it")
        return {"api-secrets": "same"}

    async def fingerprints(self, region: str, key: bytes) -> dict[str, str]:
        del region, key
        return {"api-secrets": "same"}
