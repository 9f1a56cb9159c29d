"""One of the API's pods is killed: the others serve, Kubernetes starts it again."""

from __future__ import annotations

from secondsite.drill.faults.pods import limit_of, ready_again, serves_at_home, without_decision
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault


async def play(stage: Stage) -> None:
    pods = [pod.name for pod in stage.lab.pods(stage.home)]
    victim = stage.random.choice(pods)
    await stage.strike()
    stage.struck(stage.lab.kill(victim), f"{victim} is killed, one of {len(pods)}")
    without_decision(stage)
    await ready_again(stage, victim, limit_of(stage, "api"))
    await stage.settled()


DRILL = Drill(
    "api-killed",
    "a process of the API is killed",
    Fault.PROCESS,
    play,
    serves_at_home,
    moves=False,
    subjects=(Subject.API,),
    pods=True,
)
