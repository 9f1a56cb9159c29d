"""The region is lost, and in the middle of the failover the standby loses a server."""

from __future__ import annotations

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.nats.streams import StreamApi
from secondsite.operate.executor import StepProgress


async def play(stage: Stage) -> None:
    spared = await _lone(stage)
    names = [server.name for server in stage.lab.servers(stage.away) if server.name not in spared]
    victim = stage.random.choice(names)
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)

    def strike_again(progress: StepProgress) -> None:
        if (
            progress.step.verb is Verb.RECORD_STATE
            and progress.seconds is not None
            and stage.lab.supervisor.alive(victim)
        ):
            stage.lab.kill(victim)
            stage.note("standby-lost", server=victim)
            stage.report(f"the standby loses {victim}")

    stage.on_step = strike_again
    outcome = await stage.fail_over()
    stage.on_step = None
    stage.observe("the procedure completes with one server fewer", bool(outcome and outcome.finished))
    await stage.settled()


async def _lone(stage: Stage) -> set[str]:
    """Servers that hold the only replica of a stream: such a stream is gone with its server, and that is known."""
    lone = set()
    async with place(stage.lab, stage.away).open() as opened:
        for family in stage.families:
            placement = family.at(stage.away)
            if (
                placement
                and placement.stream.replicas == 1
                and (state := await StreamApi(opened).stream(placement.name))
            ):
                lone.add(state.leader)
    return lone


DRILL = Drill("loss-during-failover", "the standby loses a server during the failover", Fault.REGION, play, mirrored)
