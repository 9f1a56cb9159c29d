"""Every strategy's way back: it ends with the first region serving alone, or it is blocked and says why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import evolve
from fake_world import FakeWorld

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import Reach, families, is_writable
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

HOME, AWAY = "us-east-1", "us-west-2"
RESTORED = ("none", "backup", "archive")
NO_WAY = (*RESTORED, "supercluster-mirror")


async def _run(procedure: Procedure, deployment: Deployment, world: FakeWorld, path: Path) -> OperationOutcome:
    with Journal(path, world) as journal:
        allowed = frozenset({"unfenced"})
        approved = (await make_plan(procedure, deployment, world, allowed=allowed)).hash
        options = Options(approved=approved, allowed=allowed)
        return await execute(procedure, deployment, world, journal, options=options)


def _over(strategy: Strategy, kit: Kit, folder: Path) -> tuple[FakeWorld, Procedure]:
    deployment = lay_out(strategy, kit)
    ready = evolve(kit, system=deployment.system)
    fault = Fault.REGION if strategy.link in RESTORED else Fault.GRAY
    world = FakeWorld(deployment, {HOME} if fault is Fault.REGION else set())
    outcome = asyncio.run(_run(failover(deployment, ready, fault), deployment, world, folder / "over"))
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    world.dead.clear()
    return world, failback(deployment, ready)


WAYS = [one for one in STRATEGIES[1:] if one.link not in NO_WAY]
BLOCKED = [one for one in STRATEGIES[1:] if one.link in NO_WAY and "single" not in one.id]


@pytest.mark.parametrize("strategy", WAYS, ids=lambda one: one.id)
def test_over_and_back_twice_home_serves_alone(strategy: Strategy, kit: Kit, tmp_path: Path) -> None:
    world, back = _over(strategy, kit, tmp_path)
    again = failover(world.deployment, evolve(kit, system=world.deployment.system), Fault.GRAY)
    for number, procedure in enumerate((back, again, back)):
        outcome = asyncio.run(_run(procedure, world.deployment, world, tmp_path / f"{number}"))
        assert outcome.finished, [str(problem) for problem in outcome.problems]
    assert HOME in world.record.split(",")
    for family in families(world.deployment):
        if family.reach is Reach.MIRRORED:
            assert is_writable(world.regions[HOME][family.name].config, family)
            assert all(world.regions[one.region][one.name].config.get("mirror") for one in family.copies)


@pytest.mark.parametrize("strategy", BLOCKED, ids=lambda one: one.id)
def test_no_way_back_is_said_before_anything_is_done(strategy: Strategy, kit: Kit, tmp_path: Path) -> None:
    """After a restore from a backup, clients were sent to a region in which every stream was fenced."""
    world, back = _over(strategy, kit, tmp_path)
    before = world.end()
    with pytest.raises(InputError, match=r"no link carries them back|no other region holds a stream|changes no stream"):
        asyncio.run(_run(back, world.deployment, world, tmp_path / "back"))
    assert world.end() == before
    assert world.record == AWAY


@pytest.mark.parametrize("strategy", WAYS, ids=lambda one: one.id)
def test_writers_are_stopped_only_once_all_that_follows_is_ready(strategy: Strategy, kit: Kit) -> None:
    deployment = lay_out(strategy, kit)
    back = failback(deployment, evolve(kit, system=deployment.system))
    stopping = next(step for step in back.steps if step.verb in (Verb.PROMOTE_STREAMS, Verb.ELECT))
    assert {"start-services", "verify-secrets"} <= {step.id for step in back.leading_to(stopping.id)}
    verbs = [step.verb for step in back.steps]
    assert verbs.index(Verb.VERIFY_PATH) > verbs.index(Verb.CHANGE_TRAFFIC)
