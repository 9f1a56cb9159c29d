"""A failover and the failback after it, carried out on a pair of real servers."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, field, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

ALLOWED = frozenset({"unfenced"})


@frozen
class Walk:
    """There and back."""

    deployment: Deployment
    kit: Kit
    world: LiveWorld
    folder: Path
    options: Options = field(default=Options(allowed=ALLOWED))

    async def over(self) -> OperationOutcome:
        with Journal(self.folder / "over.jsonl", self.world.clock) as journal:
            procedure = failover(self.deployment, self.kit, Fault.REGION)
            return await execute(procedure, self.deployment, self.world, journal, options=self.options)

    async def back(self) -> OperationOutcome:
        procedure = failback(self.deployment, self.kit)
        plan = await make_plan(procedure, self.deployment, self.world, allowed=ALLOWED)
        with Journal(self.folder / "back.jsonl", self.world.clock) as journal:
            options = evolve(self.options, approved=plan.hash)
            return await execute(procedure, self.deployment, self.world, journal, options=options)
