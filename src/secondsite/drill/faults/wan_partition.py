"""The regions cannot reach each other and both are alive: nobody may take over, and nothing may be lost."""

from __future__ import annotations

import asyncio
import time

from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill, several_regions
from secondsite.drill.play.stage import Stage
from secondsite.lab.moment import Moment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import Reach

_CUT_S = 8.0
_CATCH_UP_S = 20.0


async def play(stage: Stage) -> None:
    check = stage.watch()
    await stage.strike()
    for other in stage.lab.regions:
        if other != stage.home:
            await stage.lab.wan.cut(stage.home, other)
    stage.struck(Moment.now(), f"{stage.home} is cut off from the other regions")
    noticed = await stage.noticed(check, _CUT_S)
    stage.observe("both signals show that the region is alive, so no failover starts", not noticed)
    for other in stage.lab.regions:
        if other != stage.home:
            await stage.lab.wan.heal(stage.home, other)
    healed = time.monotonic()
    if any(family.reach is Reach.MIRRORED for family in stage.families):
        caught_up = await _caught_up(stage)
        stage.observe(f"mirrors caught up {time.monotonic() - healed:.1f} s after the link was restored", caught_up)
    await stage.settled()


async def _caught_up(stage: Stage) -> bool:
    """What the origins held at the moment is in the mirrors; both sides are asked, the reported lag is not."""
    async with place(stage.lab, stage.home).open() as opened:
        home = StreamApi(opened)
        wanted = [(f, state.last_seq) for f in stage.families if (state := await home.stream(f.name)) is not None]
    end = time.monotonic() + _CATCH_UP_S
    while time.monotonic() < end:
        try:
            async with place(stage.lab, stage.away).open() as opened:
                away = StreamApi(opened)
                placements = [(family.at(stage.away), last) for family, last in wanted]
                states = [(await away.stream(one.name), last) for one, last in placements if one]
            if all(state and state.last_seq >= last for state, last in states):
                return True
        except MachineError:
            await asyncio.sleep(0.2)  # a region that was cut off may not answer yet
        await asyncio.sleep(0.2)
    return False


DRILL = Drill(
    "wan-partition", "the regions are cut off from each other", Fault.WAN_PARTITION, play, several_regions, moves=False
)
