"""The first region is cut off and lives, and somebody promotes the other beside it: what `operate: writers:` decides.

Half of the users keep the address that they know, so both regions have writers. With `one` nothing may be acknowledged
on both sides; with `available` it is, as an exception that the policy names, and what it comes to is measured: from the
first write that the other region acknowledged until somebody, who reaches the first again, has fenced it.
"""

from __future__ import annotations

import time

import numpy as np
from attrs import frozen

from secondsite.drill.check.rto import reached
from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.faults.zombie_primary import fence_again
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.record import Status
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.lab.moment import Moment
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Writers
from secondsite.model.wording import counted

_NOTICED_S, _BOTH_S = 2.0, 4.0
"""How long nobody acts, and then how long the cut goes on once the other region serves."""
_STUBBORN = 0.5
BOTH_SIDES = "both-sides"


@frozen
class TakenByBoth:
    """What the first region acknowledged, of streams that the other had begun to acknowledge: sent after that."""

    count: int
    seconds: float


def taken_by_both(history: History, left: str, taken_by: str) -> TakenByBoth:
    """``left`` and ``taken_by`` are the networks of the two regions."""
    stored = history.status == Status.STORED
    old, new = (stored & reached(history.endpoint, [network]) for network in (left, taken_by))
    late = np.zeros(len(history), bool)
    for number in range(len(history.streams)):
        mine = history.stream == number
        if (new & mine).any():
            late |= old & mine & (history.intent_ns > history.ack_ns[new & mine].min())
    times = history.ack_ns[late]
    return TakenByBoth(len(times), float(times.max() - times.min()) / 1e9 if len(times) else 0.0)


async def play(stage: Stage) -> None:
    await stage.strike()
    others = [region for region in stage.lab.regions if region != stage.home]
    for other in others:
        await stage.lab.wan.cut(stage.home, other)
    stage.struck(Moment.now(), f"{stage.home} is cut off from the other regions but alive")
    leave_home(stage)
    await stage.pass_time(_NOTICED_S, "somebody believes it is lost")
    stage.reach(Milestone.DETECTED)
    stage.reach(Milestone.DECIDED, by="a person, simulated by the drill")
    if not await stage.fail_over("somebody believes it is lost"):
        return
    await stage.pass_time(_BOTH_S, "the regions are cut off from each other, but both are up")
    for other in others:
        await stage.lab.wan.heal(stage.home, other)
    healed_s = time.monotonic()
    await fence_again(stage)
    stage.report(f"fenced {time.monotonic() - healed_s:.1f} s after the link was restored")
    networks = [f"{stage.lab.addresses.network(region)}.0.0/24" for region in (stage.home, stage.away)]
    both = taken_by_both(stage.history(), networks[0], networks[1])
    policy = (stage.setup.deployment.system.operate or Operate()).writers
    stage.note(BOTH_SIDES, policy=str(policy), count=both.count, seconds=round(both.seconds, 3))
    what = f"`writers: {policy}`: {counted(both.count, 'writes')} acknowledged on both sides"
    lasted = f", for {both.seconds:.1f} s" if both.count else ""
    stage.observe(f"{what}{lasted}", both.count == 0 if policy is Writers.ONE else None)
    await stage.settled()


DRILL = Drill(
    "taken-over-alive",
    "the region is cut off but alive, and the other is promoted",
    Fault.REGION,
    play,
    mirrored,
    subjects=(),
    ignoring_ttl=_STUBBORN,
)
