"""The region is lost, failed over, repaired and failed back to, by both of the strategy's procedures."""

from __future__ import annotations

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.script import Drill, mirrored
from secondsite.drill.stage import PATIENCE, Stage
from secondsite.model.fault import Fault
from secondsite.operate.executor import Options
from secondsite.strategies.compose import failback


async def play(stage: Stage) -> None:
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    outcome = await stage.fail_over()
    if not (outcome and outcome.finished):
        return
    await stage.settled()
    stage.tell("failback")
    procedure = failback(stage.setup.deployment, stage.setup.kit)
    journal = stage.writer.folder / "failback.jsonl"
    await stage.lab.start_services()
    back = await stage.carry_out(procedure, journal, "the old region is repaired", Options(patience=PATIENCE))
    stage.observe("the failback procedure completes", bool(back and back.finished))
    stage.salvage = []
    stage.survivors = [stage.home, stage.away]


DRILL = Drill("failback", "lost, failed over, and failed back to", Fault.REGION, play, mirrored)
