"""There, back, and there again: the region is lost a second time after the failback, and failed over like the first."""

from __future__ import annotations

import time

from secondsite.drill.evidence.events import EventName
from secondsite.drill.faults.failing_back import home_again, lost_and_over, note_silence
from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.operated import PATIENCE
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.lab.moment import Moment
from secondsite.model.fault import Fault
from secondsite.operate.executor import Options

_DECIDED_S = 3.0
_FOLLOW_S = 6.0


async def play(stage: Stage) -> None:
    begin_ns = time.monotonic_ns()
    if not await lost_and_over(stage):
        return
    note_silence(stage, "failover", begin_ns)
    await home_again(stage)
    begin_ns = time.monotonic_ns()
    moment: Moment = await stage.lab.kill_region(stage.home)
    stage.note(EventName.LOST_AGAIN, moment.monotonic_ns, region=stage.home)
    stage.report(f"{stage.home} is lost again")
    await stage.pass_time(_DECIDED_S, "waiting until somebody decides")
    journal = stage.writer.folder / "second-failover.jsonl"
    again = await stage.carry_out(stage.procedure, journal, "lost again", Options(patience=PATIENCE))
    stage.observe("the second failover completes", bool(again and again.finished))
    await stage.pass_time(_FOLLOW_S, "clients follow")
    note_silence(stage, "second failover", begin_ns)
    leave_home(stage)


DRILL = Drill(
    "second-loss",
    "lost, restored by a failback, and lost again",
    Fault.REGION,
    play,
    mirrored,
    returns=True,
    again=True,
)
