"""What forbids a run, seen red; and the pure parts that decide it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeWorld
from hypothesis import given
from hypothesis import strategies as some

from secondsite import operate
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, QuorumMethod, Verb
from secondsite.model.settings import Settings
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.operate import shortfalls
from secondsite.operate.action import ALLOWABLE
from secondsite.operate.actions.consumers import start_after
from secondsite.operate.executor import execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import probe_subject
from secondsite.operate.plan import Plan, make_plan
from secondsite.operate.world import Decision
from secondsite.secrets.fingerprints import RunKey, differing, fingerprint
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

LEAF, SUPER = "warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror"


def _case(kit: Kit, strategy: str, fault: Fault = Fault.REGION) -> tuple[Deployment, Procedure]:
    deployment = lay_out(Strategy.parse(strategy), kit)
    return deployment, failover(deployment, evolve(kit, system=deployment.system), fault)


def _plan(procedure: Procedure, deployment: Deployment, world: Any, *allowed: str) -> Plan:
    return asyncio.run(make_plan(procedure, deployment, world, allowed=frozenset({"unfenced", *allowed})))


def _guards(plan: Plan) -> set[str]:
    return {guard.id for step in plan.steps for guard in step.guards}


def test_nothing_forbids_a_sound_plan(kit: Kit) -> None:
    deployment, procedure = _case(kit, LEAF)
    assert not _plan(procedure, deployment, FakeWorld(deployment, {"us-east-1"})).refusals


def test_promotion_without_a_fence_is_refused(kit: Kit, tmp_path: Path) -> None:
    deployment, procedure = _case(kit, LEAF)
    steps = tuple(
        evolve(step, after=tuple(a for a in step.after if a != "fence"))
        for step in procedure.steps
        if step.id != "fence"
    )
    unfenced, world = evolve(procedure, steps=steps), FakeWorld(deployment, {"us-east-1"})
    assert "no-fence" in _guards(_plan(unfenced, deployment, world))

    async def run() -> None:
        with Journal(tmp_path / "journal", world) as journal:
            await execute(unfenced, deployment, world, journal)

    with pytest.raises(InputError, match="no earlier step fences"):
        asyncio.run(run())
    assert (tmp_path / "journal").read_bytes() == b""


def test_a_lost_standby_is_refused(kit: Kit) -> None:
    deployment, procedure = _case(kit, LEAF)
    assert {"no-standby", "no-copy"} <= _guards(_plan(procedure, deployment, FakeWorld(deployment, {"us-west-2"})))


def test_no_client_path_is_refused_unless_allowed(kit: Kit) -> None:
    deployment, procedure = _case(kit, LEAF)
    world = FakeWorld(deployment, {"us-east-1"})
    world.path = None
    plan = _plan(procedure, deployment, world)
    assert [problem.what for problem in plan.refusals] == ["the URL that clients write to is unknown"]
    allowed = _plan(procedure, deployment, world, "no-client-path")
    assert not allowed.refusals
    assert allowed.hash == plan.hash, "what is lifted is said by name, and is no part of what was approved"


def test_nobody_declared_it(kit: Kit) -> None:
    deployment, procedure = _case(kit, LEAF)
    world = FakeWorld(deployment, {"us-east-1"})
    world.decision = Decision("", 0.0, "")
    assert "undeclared" in _guards(_plan(procedure, deployment, world, "undeclared"))
    assert _plan(procedure, deployment, world, "undeclared").refusals


@pytest.mark.parametrize("method", [QuorumMethod.WIPE_META, QuorumMethod.ADD_SERVERS, QuorumMethod.LONE_STORE, None])
def test_methods_that_destroy_are_refused(kit: Kit, method: QuorumMethod | None) -> None:
    deployment, procedure = _case(kit, SUPER)
    steps = tuple(evolve(s, method=method) if s.verb is Verb.RESTORE_QUORUM else s for s in procedure.steps)
    plan = _plan(evolve(procedure, steps=steps), deployment, FakeWorld(deployment, {"us-east-1"}))
    assert "no-quorum-method" in _guards(plan)


def test_a_mirror_that_was_cut_off_before_the_fault_is_refused(kit: Kit) -> None:
    """The lag it reports is zero; how long it has heard nothing tells."""
    contract = Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(60))
    kit = evolve(kit, system=evolve(kit.system, contracts=(contract,)))
    deployment, procedure = _case(kit, LEAF)
    world = _Silent(deployment, {"us-east-1"})
    world.decision = Decision("tester", 1.0, "a test", fault_at=world.wall() - 30)
    assert "lagging-mirror" in _guards(_plan(procedure, deployment, world))
    world.decision = Decision("tester", 1.0, "a test", fault_at=world.wall() - 3600)
    assert "lagging-mirror" not in _guards(_plan(procedure, deployment, world))


@pytest.mark.parametrize(
    ("jumped_s", "fault_s", "told"),
    [(0, 3600, ""), (7200, 3600, "+7200 s off"), (-7200, 3600, "-7200 s off"), (0, -7200, "7200 s in the future")],
)
def test_a_clock_that_jumped_hides_no_lag(kit: Kit, jumped_s: float, fault_s: float, told: str) -> None:
    """The servers' clock shows it: ahead, the mirror would seem current; back, hours behind."""
    deployment, procedure = _case(kit, LEAF)
    world = _Silent(deployment, {"us-east-1"})
    world.answered_at = (
        datetime.fromtimestamp(world.wall() - jumped_s, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "123Z")
    )
    world.decision = Decision("tester", 1.0, "a test", fault_at=world.wall() - fault_s)
    plan = _plan(procedure, deployment, world)
    assert [g.what for step in plan.steps for g in step.guards if g.id == "clock" and told in g.what] or not told
    assert ("clock" in _guards(plan)) is bool(told)
    assert not _plan(procedure, deployment, world, "clock").refusals


class _Silent(FakeWorld):
    """Its mirrors have heard nothing for an hour, and say so only there."""

    answered_at = ""

    def streams(self, region: str, within_s: float | None = None) -> Any:
        return _Wrapped(super().streams(region, within_s), self.answered_at)


class _Wrapped:
    def __init__(self, opened: Any, answered_at: str) -> None:
        self._opened, self._answered_at = opened, answered_at

    async def __aenter__(self) -> Any:
        self._door = await self._opened.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._opened.__aexit__(None, None, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def stream(self, name: str) -> Any:
        look = await self._door.stream(name)
        if not (look and look.is_mirror):
            return look
        return evolve(look, mirror_silent_s=3600.0, answered_at=self._answered_at)


@given(floor=some.integers(0, 100), diverged=some.integers(0, 100))
def test_a_consumer_never_skips(floor: int, diverged: int) -> None:
    """It starts at or before the first message it has not acknowledged, and at or before the first new one."""
    start = start_after(floor, diverged)
    assert 1 <= start <= min(floor, diverged) + 1
    assert start == floor + 1 or start == diverged + 1


@given(values=some.dictionaries(some.text(), some.binary()), other=some.dictionaries(some.text(), some.binary()))
def test_fingerprints_tell_secrets_apart_and_not_what_they_are(
    values: dict[str, bytes], other: dict[str, bytes]
) -> None:
    key, later = RunKey.fresh(), RunKey.fresh()
    same = fingerprint(key.secret, values) == fingerprint(key.secret, other)
    assert same == (values == other)
    assert fingerprint(key.secret, values) != fingerprint(later.secret, values)
    assert key.secret.hex() not in repr(key)


def test_missing_fingerprints_differ() -> None:
    assert differing({"a": "1", "b": "2", "c": ""}, {"a": "1", "b": "3", "c": ""}) == ("b", "c")


def test_probe_subjects() -> None:
    assert probe_subject("events.*.new.>") == "events.secondsite-probe.new.secondsite-probe"
    assert probe_subject("orders") == "orders"


def test_every_guard_that_may_be_lifted_is_known_by_its_id() -> None:
    """So that a typo after --allow is told, instead of lifting nothing. Shortfalls hold up no plan."""
    found: dict[str, bool] = {}
    for path in set(Path(operate.__path__[0]).rglob("*.py")) - {Path(shortfalls.__file__)}:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Guard":
                continue
            first = node.args[0]
            assert isinstance(first, ast.Constant), f"{path.name}:{node.lineno}: the id of a guard is written out"
            absolute = len(node.args) > 3 or any(keyword.arg == "absolute" for keyword in node.keywords)
            found[str(first.value)] = absolute
    assert {guard for guard, absolute in found.items() if not absolute} == ALLOWABLE


def test_load_on_a_primary_that_answers_refuses_no_plan(kit: Kit) -> None:
    """Each side is read at its own moment: a copy that is read after its origin seems to be ahead of it."""
    deployment, procedure = _case(kit, LEAF, Fault.GRAY)
    world = _UnderLoad(deployment, set())
    for _ in range(5):
        assert "origin-recreated" not in _guards(_plan(procedure, deployment, world))


class _UnderLoad(FakeWorld):
    """Every look at a stream is some writes later, which the mirror has at once."""

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[Any]:
        for held in self.regions.values():
            for stream in held.values():
                stream.last_seq += 1
        async with super().streams(region, within_s) as door:
            yield door


def test_a_field_that_a_server_does_not_take_is_refused_whatever_is_allowed(kit: Kit) -> None:
    deployment, procedure = _case(kit, LEAF)
    batched = Settings({"allow_batched": True})
    clusters = tuple(
        evolve(each, version="2.12.8", streams=tuple(evolve(stream, settings=batched) for stream in each.streams))
        for each in deployment.clusters
    )
    plan = _plan(
        procedure, evolve(deployment, clusters=clusters), FakeWorld(deployment, {"us-east-1"}), "field-not-taken"
    )
    refused = [problem.what for problem in plan.refusals]
    assert any("does not take allow_batched (2.14) of" in what for what in refused)
