"""The standby lacks a secret: found by its absence before a client is sent there."""

from __future__ import annotations

from functools import partial

from secondsite.drill.faults.stale_secret import fits, refused_until_synchronised
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault


async def play(stage: Stage, allowed: frozenset[str] = frozenset()) -> None:
    name = stage.setup.deployment.system.secrets[0].name
    stage.secrets.forget(stage.away, name)
    stage.note("forgotten", secret=name, region=stage.away)
    await refused_until_synchronised(stage, name, "missing", allowed)


uncompared = partial(play, allowed=frozenset({"stale-secret"}))


DRILL = Drill("standby-missing-secret", "the standby lacks a secret", Fault.REGION, play, fits)
