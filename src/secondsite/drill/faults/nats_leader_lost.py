"""The server that leads most streams is killed: replicated streams elect, those with one replica wait for a restart."""

from __future__ import annotations

from collections import Counter

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults.pods import limit_of, ready_again, serves_at_home, stored_again, within, without_decision
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.nats.streams import StreamApi


async def play(stage: Stage) -> None:
    led = await _led(stage)
    victim = led.most_common(1)[0][0]
    await stage.strike()
    stage.struck(stage.lab.kill(victim), f"{victim} is killed, the leader of {led[victim]} of {led.total()} streams")
    without_decision(stage)
    limit_s = limit_of(stage, "nats")
    took_s = await stored_again(stage, stage.milestones[Milestone.FAULT], limit_s or 0.0)
    within(stage, "streams store as before", took_s, limit_s)
    await ready_again(stage, victim, limit_s)


async def _led(stage: Stage) -> Counter[str]:
    """How many streams each server of the region leads."""
    async with place(stage.lab, stage.home).open() as opened:
        states = [await StreamApi(opened).stream(family.name) for family in stage.families]
    home = [server.name for server in stage.lab.servers(stage.home)]
    return Counter(state.leader for state in states if state and state.leader in home) or Counter(home[:1])


DRILL = Drill(
    "nats-leader-lost",
    "the NATS server that leads the most streams is killed",
    Fault.PROCESS,
    play,
    serves_at_home,
    moves=False,
    subjects=(Subject.NATS,),
    pods=True,
)
