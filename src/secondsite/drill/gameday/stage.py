"""What a game day acts on: load and detection as in the lab, the procedure in the world of `operate:`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from attrs import define, evolve, field

from secondsite.drill.gameday.form import StoredForm
from secondsite.drill.gameday.venue import StagingVenue
from secondsite.drill.play.operated import OperatedScene
from secondsite.model.procedure import Procedure, Step
from secondsite.operate.commands import Commands
from secondsite.operate.executor import Options
from secondsite.operate.journal import Journal
from secondsite.operate.lease import lease_of
from secondsite.operate.live import LiveWorld
from secondsite.operate.world import Decision

NOT_REHEARSED = "nobody: not on a game day"
WorldOf = Callable[[Decision, Procedure], LiveWorld]


@define
class GameDayHands:
    """Commands that somebody gave for steps; of the others it is said that nobody did them.

    ``skipped`` are the steps that were not rehearsed.
    """

    commands: Mapping[str, str]
    target: str
    skipped: list[str] = field(factory=list)

    async def carry_out(self, step: Step) -> str | None:
        if step.id in self.commands or str(step.verb) in self.commands:
            return await Commands(self.commands, target=self.target).carry_out(step)
        self.skipped.append(step.id)
        return NOT_REHEARSED

    def has_command(self, step: Step) -> bool:
        return Commands(self.commands).has_command(step)


@define(kw_only=True)
class GameDayStage(OperatedScene):
    """``world_of`` is how `failover` and `failback` see the same clusters. ``survivors``: whose copies count."""

    venue: StagingVenue
    world_of: WorldOf
    hands: GameDayHands
    form: StoredForm | None = None
    survivors: list[str] = field(factory=list)

    def world(self, decision: Decision | None = None) -> LiveWorld:
        made = self.world_of(decision or Decision("", 0.0, ""), self.carried or self.procedure)
        return evolve(made, manual_steps=self.hands)

    @asynccontextmanager
    async def acting(self, world: LiveWorld, journal: Journal, options: Options) -> AsyncIterator[Options]:
        """Under the operator's lease: a watch or a person that acts meanwhile is told who does."""
        async with lease_of(self.setup.deployment, world, journal, self.report) as lease:
            yield evolve(options, hold=lease.hold)

    async def begin(self) -> None:
        await self.put_under_load()
        self.report(f"load of {self.setup.rate_per_s:g} writes a second; waiting for steady state")
        await asyncio.sleep(self.setup.profile.steady_s)
        await self.steady()
        await self.calm()
        await asyncio.sleep(self.random.uniform(0, self.setup.profile.ttl_s))

    async def given_back(self) -> None:
        """The region is there again, as it was."""
        await self.venue.repair()
        self.note("undone", region=self.home)
        self.report(f"{self.home} is given back")
