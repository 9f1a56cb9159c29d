"""The region is alive and useless: its servers stand still, its health check stays green, people have to notice."""

from __future__ import annotations

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault

_PEOPLE_S = 8.0


async def play(stage: Stage) -> None:
    check = stage.watch()
    await stage.strike()
    moment = stage.lab.freeze(*(server.name for server in stage.lab.servers(stage.home)))
    stage.struck(moment, f"every NATS server of {stage.home} is paused")
    noticed = await stage.noticed(check, _PEOPLE_S)
    noticing = "turned bad" if noticed else f"stayed green for {_PEOPLE_S:g} s"
    stage.observe(f"the health check {noticing} while nothing could be stored", None)
    stage.reach(Milestone.DETECTED)
    stage.reach(Milestone.DECIDED, by="a person, simulated by the drill")
    leave_home(stage)
    if await stage.fail_over("somebody declared it, as clients get no acknowledgement"):
        await stage.settled()
    stage.lab.kill(*stage.lab.processes(stage.home))


DRILL = Drill("gray-region", "the region is alive but cannot serve", Fault.GRAY, play, mirrored)
