"""The API's pods are cut off from NATS for a while: what they promise meanwhile waits in their queues.

The promise of the example's chaos baseline begins when the network is back; a contract has no name for it.
"""

from __future__ import annotations

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults.pods import note_pods, serves_at_home, stored_again, within, without_decision
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.addresses import pods_of
from secondsite.lab.moment import Moment
from secondsite.model.fault import Fault

LIMIT_S = 90.0


async def play(stage: Stage) -> None:
    pods = pods_of(stage.home)
    await stage.strike()
    await stage.lab.wan.cut(pods, stage.home)
    stage.struck(Moment.now(), "the API is cut off from NATS")
    without_decision(stage)
    await stage.pass_time(stage.setup.profile.cut_off_s, "no traffic passes between the API and NATS")
    await stage.lab.wan.heal(pods, stage.home)
    healed_ns = stage.note("network-back")
    promised = stage.buffered_by(stage.home, stage.milestones[Milestone.FAULT])
    stage.observe(f"while disconnected, the API answered {promised} writes with 202 that it could not store", None)
    took_s = await stored_again(stage, healed_ns, LIMIT_S)
    within(stage, "with the network back, streams store as before", took_s, LIMIT_S)
    note_pods(stage)


DRILL = Drill(
    "api-cut-off",
    "the API loses its connection to NATS for a while",
    Fault.GRAY,
    play,
    serves_at_home,
    moves=False,
    subjects=(),
    procedure=Fault.PROCESS,
    pods=True,
)
