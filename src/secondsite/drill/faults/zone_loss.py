"""A zone of the serving region is lost, with the NATS server and the API pods in it: the others elect, nobody moves.

Nothing of it is started anew meanwhile: a volume stays in its zone, and pods of a lost node move only minutes later.
"""

from __future__ import annotations

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.nats.streams import StreamApi

_ZONE_S = 12.0


async def play(stage: Stage) -> None:
    server = await leading(stage)
    await stage.strike()
    await stage.lab.end_kubelet()
    pods = in_zone(stage)
    stage.struck(stage.lab.kill(server, *pods), f"the zone with {', '.join((server, *pods))} is lost")
    for milestone in (Milestone.DETECTED, Milestone.DECIDED, Milestone.EXECUTED, Milestone.CONVERGED):
        stage.reach(milestone, stage.milestones[Milestone.FAULT])
    await stage.pass_time(_ZONE_S, "the zone stays down")
    await stage.lab.restart(server, *pods)
    stage.note("zone-back", server=server)
    await stage.settled()


def in_zone(stage: Stage) -> tuple[str, ...]:
    """As many pods of the API as a zone has at least: their share, rounded up."""
    pods = [pod.name for pod in stage.lab.pods(stage.home)]
    zones = max(1, stage.setup.deployment.primary.region.zones)
    return tuple(pods[: -(-len(pods) // zones)])


async def leading(stage: Stage) -> str:
    """The server that leads the first replicated stream."""
    replicated = next(f for f in stage.families if f.origin.stream.replicas > 1)
    async with place(stage.lab, stage.home).open() as opened:
        state = await StreamApi(opened).stream(replicated.name)
    return state.leader if state else stage.lab.servers(stage.home)[0].name


def fits(deployment: Deployment) -> str:
    home = [c for c in deployment.clusters if c.region in ("", deployment.primary.region.name)]
    if sum(cluster.servers for cluster in home) < 3:
        return "the region has only one server: losing it means losing the region"
    if not any(stream.replicas > 1 for cluster in home for stream in cluster.streams):
        return "no stream has more than one replica"
    return ""


DRILL = Drill("zone-loss", "a zone of the serving region is lost", Fault.ZONE, play, fits, moves=False, pods=True)
