"""The dead region comes back by itself, writable, while clients have moved on: there may be one writer only.

Whoever keeps watch over an unfenced region fences it when it answers; a share of the users never asks for the name
again and writes to it as soon as it is there.
"""

from __future__ import annotations

import asyncio
import time

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.script import Drill, mirrored
from secondsite.drill.stage import Stage
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.operate.action import Context
from secondsite.operate.actions.fence import fence_returned
from secondsite.operate.world import Decision

_BACK_S = 8.0
_FENCE_AGAIN_S, _ANSWER_S = 0.2, 2.0
_STUBBORN = 0.04


async def play(stage: Stage, *, fenced: bool = True) -> None:
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    await stage.fail_over()
    promoted_ns = time.monotonic_ns()
    if fenced:
        stage.background(_keep_fenced(stage))
    stage.tell(f"{stage.home} comes back, linked and writable")
    await stage.lab.restart_region(stage.home)
    await stage.lab.start_services(stage.home)
    stage.note("returned", region=stage.home)
    await stage.pass_time(_BACK_S, "two regions are up")
    stored, queued = stage.stored_by(stage.home, promoted_ns), stage.buffered_by(stage.home, promoted_ns)
    stage.observe(f"writes that the old primary stored after it came back: {stored}", stored == 0)
    stage.note("queued-by-the-old-primary", count=queued)
    if queued:
        told = (
            f"the returned region's API promised {queued} writes (202) that it cannot store: clients kept its address"
        )
        stage.observe(told, None)
    await stage.settled()


async def _keep_fenced(stage: Stage) -> None:
    """As the executor does while it runs: an unfenced region is tried again and again."""
    world = stage.world(Decision("the drill's trigger", time.time(), "unfenced"))
    context = Context(stage.setup.deployment, stage.procedure, world, {}, lambda _kind, _facts: None)
    done = False
    while not done:
        try:
            async with asyncio.timeout(_ANSWER_S):
                done = await fence_returned(context, stage.home)
        except (MachineError, TimeoutError):
            stage.note("not-fenced-yet", region=stage.home)
        await asyncio.sleep(_FENCE_AGAIN_S)
    stage.note("fenced-on-return", region=stage.home)
    stage.tell(f"{stage.home} is fenced")


DRILL = Drill(
    "zombie-primary",
    "the dead region comes back by itself",
    Fault.REGION,
    play,
    mirrored,
    ignoring_ttl=_STUBBORN,
)
