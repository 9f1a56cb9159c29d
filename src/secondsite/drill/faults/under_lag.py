"""The way between the regions is slow for a while, then the region is lost: what had not crossed is gone."""

from __future__ import annotations

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault

_DELAY_MS = 1500.0
_SLOW_S = 5.0


async def play(stage: Stage) -> None:
    check = stage.watch()
    await stage.lab.wan.set(stage.home, stage.away, delay_ms=_DELAY_MS)
    stage.note("slowed", delay_ms=_DELAY_MS)
    await stage.pass_time(_SLOW_S, f"{_DELAY_MS / 1000:g} s each way between the regions")
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    if await stage.fail_over():
        await stage.settled()


DRILL = Drill(
    "region-loss-under-lag", "the link is slow, then the region is lost", Fault.REGION, play, mirrored, databases=True
)
