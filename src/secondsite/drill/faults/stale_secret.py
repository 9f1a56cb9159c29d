"""The standby has an old secret: found by its fingerprint before a client is sent there."""

from __future__ import annotations

from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.script import Drill, several_regions
from secondsite.drill.play.stage import Stage
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault

_SYNCHRONISED_S = 3.0


async def play(stage: Stage) -> None:
    name = stage.setup.deployment.system.secrets[0].name
    stage.secrets.rotate(stage.home, name)
    stage.note("rotated", secret=name, region=stage.home)
    await refused_until_synchronised(stage, name, "stale")


async def refused_until_synchronised(stage: Stage, name: str, what: str, allowed: frozenset[str] = frozenset()) -> None:
    check = stage.watch()
    await stage.lose(stage.home)
    leave_home(stage)
    await stage.noticed(check)
    refused = await stage.fail_over(allowed=allowed) is None
    stage.observe(f"the plan refuses to move clients to a standby with a {what} {name}", refused)
    await stage.pass_time(_SYNCHRONISED_S, "somebody synchronises the secret from the secret store")
    stage.secrets.synchronise(stage.away)
    if await stage.fail_over():
        await stage.settled()


def fits(deployment: Deployment) -> str:
    return several_regions(deployment) or ("" if deployment.system.secrets else "the system has no secrets")


DRILL = Drill("standby-stale-secret", "the standby has a stale secret", Fault.REGION, play, fits)
