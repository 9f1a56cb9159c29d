"""One of the API's pods allocates memory until it reaches its limit; Kubernetes starts it again.

The memory is really taken, in the process that serves. The limit is the manifest's, watched over by the lab. The
promise is that of the example's chaos baseline, longer than that of its contract for a dying process.
"""

from __future__ import annotations

from secondsite.drill.faults.pods import note_pods, serves_at_home, until, within, without_decision
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.kubelet import Happened
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.service import Role

LIMIT_S = 45.0


async def play(stage: Stage) -> None:
    victim = stage.random.choice([pod.name for pod in stage.lab.pods(stage.home)])
    await stage.strike()
    stage.struck(stage.lab.fill_memory(victim), f"{victim} allocates memory until it reaches its limit")
    without_decision(stage)
    ended_s = await until(stage, victim, Happened.OUT_OF_MEMORY, LIMIT_S)
    within(stage, f"{victim} exceeds its memory limit and is killed", ended_s, None)
    took_s = await until(stage, victim, Happened.READY, 2 * LIMIT_S)
    within(stage, f"{victim} runs and is ready again", took_s, LIMIT_S)
    note_pods(stage)
    await stage.settled()


def _limited(deployment: Deployment) -> str:
    api = next(iter(deployment.system.with_role(Role.API)), None)
    if api and not api.memory_limit_bytes:
        return f"{api.name} has no memory limit: it uses the node's memory"
    return serves_at_home(deployment)


DRILL = Drill(
    "memory-pressure",
    "a process of the API reaches its memory limit",
    Fault.PROCESS,
    play,
    _limited,
    moves=False,
    subjects=(Subject.API,),
    pods=True,
)
