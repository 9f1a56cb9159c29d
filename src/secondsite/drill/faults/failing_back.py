"""The region is lost, failed over, repaired and failed back to, by both of the strategy's procedures."""

from __future__ import annotations

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.final_reads import all_led
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import PATIENCE, Stage
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.nats.streams import StreamApi
from secondsite.operate.executor import Options, StepProgress
from secondsite.operate.journal import StepState
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
    stage.report(f"failback: {stage.home} is there again, alone")
    await stage.sites.isolate(stage.home)
    names = [placement.name for family in stage.families if (placement := family.at(stage.home))]
    await all_led(place(stage.lab, stage.home), names, 30.0)

    def serve_again(progress: StepProgress) -> None:
        if progress.step.id == Verb.RESYNCHRONISE and progress.state == StepState.DONE:
            stage.background(stage.lab.start_services(stage.home))

    stage.on_step = serve_again
    procedure = failback(stage.setup.deployment, stage.setup.kit)
    journal = stage.writer.folder / "failback.jsonl"
    back = await stage.carry_out(procedure, journal, "the old region is repaired", Options(patience=PATIENCE))
    stage.on_step = None
    stage.observe("the failback procedure completes", bool(back and back.finished))
    away = stage.away
    stage.observe(
        f"{away} mirrors {stage.home} again, so that the next loss is failed over alike", await _mirrors(stage)
    )
    await stage.pass_time(4.0, "clients follow")
    stage.salvage = []
    stage.survivors = [stage.home, stage.away]


async def _mirrors(stage: Stage) -> bool:
    placements = [one for family in stage.families if (one := family.at(stage.away))]
    async with place(stage.lab, stage.away).open() as opened:
        states = [await StreamApi(opened).stream(one.name) for one in placements]
    return all(state is not None and state.is_mirror for state in states)


DRILL = Drill("failback", "lost, failed over, and failed back to", Fault.REGION, play, mirrored, returns=True)
