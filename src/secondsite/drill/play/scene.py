"""Where a drill plays: who is where, what is noted of it, and what runs beside it.

Whatever is noted is on the disk before the next act begins.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field

from secondsite.drill.evidence.events import EventName, Milestone
from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.evidence.observation import Observation
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.venue import DrillVenue
from secondsite.model.procedure import Procedure
from secondsite.nats.tasks import end_tasks
from secondsite.operate.layout import StreamFamily, families

ReportProgress = Callable[[str], None]


@define(kw_only=True)
class Scene:
    """``procedure`` is the one that is carried out."""

    setup: Setup
    venue: DrillVenue
    writer: EvidenceWriter
    procedure: Procedure
    report: ReportProgress
    random: random.Random
    milestones: dict[Milestone, int] = field(factory=dict)
    observations: list[Observation] = field(factory=list)
    tasks: list[asyncio.Task[None]] = field(factory=list)

    @property
    def home(self) -> str:
        return self.setup.deployment.primary.region.name

    @property
    def away(self) -> str:
        standby = self.setup.deployment.standby
        return standby.region.name if standby else self.setup.deployment.sites[-1].region.name

    @property
    def families(self) -> tuple[StreamFamily, ...]:
        return families(self.setup.deployment)

    @property
    def new_side(self) -> tuple[str, ...]:
        """Networks of what has to serve; none where the region that was hit may serve on."""
        return self.writer.manifest.new_side

    def note(self, event: str, at_ns: int | None = None, **data: Any) -> int:
        return self.writer.event(event, at_ns, **data).monotonic_ns

    def reach(self, milestone: Milestone, at_ns: int | None = None, **data: Any) -> None:
        """The first time counts."""
        if milestone not in self.milestones:
            self.milestones[milestone] = self.note(milestone, at_ns, **data)

    async def pass_time(self, seconds: float, what: str) -> None:
        self.report(f"{what} ({seconds:g} s)")
        await asyncio.sleep(seconds)

    def since_fault(self, at_ns: int) -> float:
        return (at_ns - self.milestones.get(Milestone.FAULT, at_ns)) / 1e9

    def observe(self, what: str, holds: bool | None, *, unproven: bool = False) -> None:
        self.observations.append(Observation(what, holds, unproven))
        self.note(EventName.OBSERVATION, what=what, holds=holds, unproven=unproven)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def cancel(self) -> None:
        ended = self.tasks.copy()
        self.tasks.clear()
        await end_tasks(*ended)
        for task in ended:
            if not task.cancelled() and (error := task.exception()):
                raise error
