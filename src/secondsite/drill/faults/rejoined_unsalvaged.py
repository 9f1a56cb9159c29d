"""After a rescue the origins are deleted, not given other subjects, and the old region rejoins with its disks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import frozen

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.stage import Stage
from secondsite.model.procedure import Step, Verb
from secondsite.nats.jetstream import RefusedError
from secondsite.operate.action import Context, Facts, Prospect, until
from secondsite.operate.actions.quorum import FreeSubjects
from secondsite.operate.verbs import EXECUTORS

_UNANSWERED_S = 0.7


@frozen
class _DeleteOrigins(FreeSubjects):
    """Instead of giving them other subjects. The answer would come from a lost server: the next look tells."""

    async def look(self, context: Context, step: Step) -> Prospect:
        return Prospect(changes=tuple(f"{family.name}: deleted" for family in context.chosen(step)))

    async def run(self, context: Context, step: Step) -> Facts:
        names = [family.origin.name for family in context.chosen(step)]
        async with context.world.streams(step.region) as door:
            for name in names:

                async def gone(name: str = name) -> bool:
                    with suppress(TimeoutError, RefusedError):
                        async with asyncio.timeout(_UNANSWERED_S):
                            await door.delete(name)
                    return name not in await door.holders("")

                await until(context, gone)
        return {"deleted": names}


async def play(stage: Stage) -> None:
    """The last second before the loss does not get across, so that the old disks hold something alone."""
    check = stage.watch()
    await stage.lab.wan.cut(stage.home, stage.away)
    await stage.pass_time(1.0, "the link to the standby is cut")
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    outcome = await stage.fail_over(executors={**EXECUTORS, Verb.DELETE_ORIGIN: _DeleteOrigins()})
    if outcome is not None and outcome.finished:
        stage.rejoin = True
        await stage.settled()
