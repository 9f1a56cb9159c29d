"""What a repair refuses: to bring back what another region serves, or to delete a copy that takes writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fake_world import FakeWorld
from odd_world import AWAY, HOME, failover_of, layout
from repairs import carried_out, repair_of

from secondsite.model.procedure import Procedure
from secondsite.operate.executor import StepProgress
from secondsite.operate.journal import StepState
from secondsite.operate.plan import make_plan
from secondsite.strategies.design import Kit

NEVER: frozenset[str] = frozenset()


def refusals(procedure: Procedure, world: FakeWorld, allowed: frozenset[str] = NEVER) -> list[str]:
    plan = asyncio.run(make_plan(procedure, world.deployment, world, allowed=allowed))
    return [problem.what for problem in plan.refusals]


def test_what_another_region_serves_is_not_brought_back_at_home(kit: Kit, tmp_path: Path) -> None:
    """After a failover home is fenced, and what was its copy takes the writes: it is no copy to be made anew."""
    deployment = layout(kit)
    world, repair = FakeWorld(deployment, set()), repair_of(deployment, kit)
    assert refusals(repair, world) == []
    assert carried_out(failover_of(deployment, kit), world, tmp_path / "over").finished
    assert refusals(repair, world) == [
        f"{AWAY} takes the writes of EVENTS, which would be restored in {HOME}",
        f"EVENTS in {AWAY} takes writes of its own (events.>), so it is no mere copy",
    ]


def test_what_nobody_sees_is_not_brought_back(kit: Kit) -> None:
    deployment = layout(kit)
    world, repair = FakeWorld(deployment, {AWAY}), repair_of(deployment, kit)
    assert any(f"{AWAY} does not answer" in one for one in refusals(repair, world))
    assert refusals(repair, world, frozenset({"cannot-look"})) == []


@pytest.mark.parametrize("step", ["restore-streams", "copies-anew"])
def test_looked_at_again_right_before(kit: Kit, tmp_path: Path, step: str) -> None:
    """Somebody promotes the copy once the step has begun."""
    deployment = layout(kit)
    world, repair = FakeWorld(deployment, set()), repair_of(deployment, kit)

    def promoted(progress: StepProgress) -> None:
        if progress.step.id == step and progress.seconds is None:
            world.regions[HOME]["EVENTS"].config["subjects"] = ["secondsite.fenced.x"]
            config = world.regions[AWAY]["EVENTS"].config
            config.pop("mirror")
            config["subjects"] = ["events.>"]

    outcome = carried_out(repair, world, tmp_path / "repair", promoted)
    assert outcome.steps[step].state is StepState.FAILED, outcome.steps
    assert f"{AWAY} takes" in outcome.steps[step].why
    assert world.regions[AWAY]["EVENTS"].created == "first", "it was not deleted"


def test_a_copy_that_takes_writes_on_its_server_is_not_deleted(kit: Kit) -> None:
    """Whatever the file says of it: what was written to it alone is nowhere else."""
    deployment = layout(kit)
    world, repair = FakeWorld(deployment, set()), repair_of(deployment, kit)
    held = world.regions[AWAY]["EVENTS"].config
    held.pop("mirror")
    held["subjects"] = ["elsewhere.>"]
    assert refusals(repair, world) == [f"EVENTS in {AWAY} takes writes of its own (elsewhere.>), so it is no mere copy"]
