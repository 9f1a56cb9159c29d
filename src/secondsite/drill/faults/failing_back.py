"""The region is lost, failed over, repaired and failed back to, by both of the strategy's procedures."""

from __future__ import annotations

import time

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.final_reads import all_led
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.operated import PATIENCE, OperatedScene
from secondsite.drill.play.saved_rows import observe_saved_rows
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.nats.streams import StreamApi
from secondsite.operate.executor import Options, StepProgress
from secondsite.operate.journal import StepState
from secondsite.operate.layout import one_meta_group
from secondsite.strategies.compose import failback

_FOLLOW_S = 4.0


async def play(stage: Stage) -> None:
    if not await lost_and_over(stage):
        return
    await home_again(stage)
    stage.salvage = []
    stage.survivors = [stage.home, stage.away]


async def lost_and_over(stage: Stage) -> bool:
    """Whether the first failover got to its end."""
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    outcome = await stage.fail_over()
    if not (outcome and outcome.finished):
        return False
    await stage.settled()
    return True


async def home_again(stage: Stage) -> None:
    """The old region is repaired and everything goes back to it."""
    joined = one_meta_group(stage.setup.deployment)
    stage.report(f"failback: {stage.home} is back{'' if joined else ', alone'}")
    await (stage.sites.join(stage.home) if joined else stage.sites.isolate(stage.home))
    names = [placement.name for family in stage.families if (placement := family.at(stage.home))]
    await all_led(place(stage.lab, stage.home), names, 30.0)

    def serve_again(progress: StepProgress) -> None:
        if progress.step.id == Verb.RESYNCHRONISE and progress.state == StepState.DONE:
            stage.background(stage.lab.start_services(stage.home))

    stage.on_step = serve_again
    begin_ns = time.monotonic_ns()
    await failed_back(stage)
    stage.on_step = None
    await observe_saved_rows(stage, begin_ns)
    note_silence(stage, "failback", begin_ns)


async def failed_back(stage: OperatedScene) -> None:
    """By the strategy's own procedure, until clients had time to follow."""
    procedure = failback(stage.setup.deployment, stage.setup.kit)
    journal = stage.writer.folder / "failback.jsonl"
    back = await stage.carry_out(procedure, journal, "the old region is repaired", Options(patience=PATIENCE))
    stage.observe("the failback procedure completes", bool(back and back.finished))
    mirrors = await _mirrors(stage)
    stage.observe(
        f"{stage.away} mirrors {stage.home} again, so that the next loss can be failed over in the same way", mirrors
    )
    await stage.pass_time(_FOLLOW_S, "clients follow")


def note_silence(stage: OperatedScene, during: str, begin_ns: int) -> None:
    """The longest time in which nobody was acknowledged anything, from then until now."""
    longest_s = stage.longest_silence_s(begin_ns, time.monotonic_ns())
    stage.note("silence", during=during, seconds=round(longest_s, 3))
    stage.observe(f"{during}: the longest time without an acknowledged write was {longest_s:.1f} s", None)


async def _mirrors(stage: OperatedScene) -> bool:
    placements = [one for family in stage.families if (one := family.at(stage.away))]
    async with stage.venue.place(stage.away).open() as opened:
        states = [await StreamApi(opened).stream(one.name) for one in placements]
    return all(state is not None and state.is_mirror for state in states)


DRILL = Drill(
    "failback", "lost, failed over, and failed back to", Fault.REGION, play, mirrored, returns=True, databases=True
)
