"""A repair in the fake world, from its plan to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from attrs import evolve
from fake_world import FakeWorld

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
from secondsite.operate.journal import Journal
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import procedures
from secondsite.strategies.design import Kit


def repair_of(deployment: Deployment, kit: Kit) -> Procedure:
    return procedures(deployment, evolve(kit, system=deployment.system))[Fault.BAD_WRITE]


def carried_out(
    procedure: Procedure, world: FakeWorld, path: Path, progress: Callable[[StepProgress], None] = lambda _: None
) -> OperationOutcome:
    async def run() -> OperationOutcome:
        with Journal(path, world.clock) as journal:
            hash_ = (await make_plan(procedure, world.deployment, world)).hash
            options = Options(approved=hash_)
            return await execute(procedure, world.deployment, world, journal, options=options, progress=progress)

    return asyncio.run(run())
