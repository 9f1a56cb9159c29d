"""The region is lost while the record cannot be changed, and some users never ask for the name again."""

from __future__ import annotations

import asyncio

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.script import Drill, mirrored
from secondsite.drill.play.stage import Stage
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Switch

_STUCK_S = 8.0
_STUBBORN = 0.04


async def play(stage: Stage) -> None:
    check = stage.watch()
    await stage.lab.dns.stick()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    stage.background(_unstick(stage))
    outcome = await stage.fail_over()
    if outcome is None:
        return
    waited = _waited(stage)
    stage.observe("the record change was retried until it was accepted", outcome.finished and waited)
    await stage.settled()


async def _unstick(stage: Stage) -> None:
    await asyncio.sleep(_STUCK_S)
    await stage.lab.dns.stick(False)
    stage.note("dns-works")
    stage.report("the name server accepts changes again")


def _waited(stage: Stage) -> bool:
    """The step that changes the record took as long as nobody could."""
    step = next(step for step in stage.procedure.steps if step.verb is Verb.CHANGE_TRAFFIC)
    return stage.took_s.get(step.id, 0.0) > _STUCK_S / 2


def _dns(deployment: Deployment) -> str:
    if deployment.strategy.switch is not Switch.DNS:
        return "its record is never changed"
    return mirrored(deployment)


DRILL = Drill(
    "dns-stuck",
    "the region is lost and the record cannot be changed",
    Fault.REGION,
    play,
    _dns,
    ignoring_ttl=_STUBBORN,
)
