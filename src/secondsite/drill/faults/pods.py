"""What the drills inside one region share: pods that restart by themselves, and limits that are seen to be kept."""

from __future__ import annotations

import asyncio
import time

from secondsite.drill.check.served import stored_again_s
from secondsite.drill.evidence.events import Milestone
from secondsite.drill.play.stage import Stage
from secondsite.lab.kubelet import Happened, Kubelet
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.service import Role

_LOOK_S = 0.5
_PATIENCE_S = 60.0


def serves_at_home(deployment: Deployment) -> str:
    apis = [service.name for service in deployment.system.with_role(Role.API)]
    if not any(deployment.primary.replicas(name) for name in apis):
        return "no API runs in the first region"
    return ""


def without_decision(stage: Stage) -> None:
    """What follows is Kubernetes' and the servers' own doing."""
    for milestone in (Milestone.DETECTED, Milestone.DECIDED, Milestone.EXECUTED, Milestone.CONVERGED):
        stage.reach(milestone, stage.milestones[Milestone.FAULT])


def kubelet(stage: Stage) -> Kubelet:
    if stage.lab.kubelet is None:
        raise MachineError.at("lab", "no process restarts by itself in this lab", "start the lab with pods")
    return stage.lab.kubelet


async def until(stage: Stage, pod: str, what: Happened, within_s: float) -> float | None:
    """Seconds from the fault until it happened to the pod; None where it did not in time."""
    fault_ns, watched = stage.milestones[Milestone.FAULT], kubelet(stage)
    end = time.monotonic() + within_s
    while (at_ns := watched.since(pod, what, fault_ns)) is None and time.monotonic() < end:
        watched.check()
        stage.load.check()
        await asyncio.sleep(_LOOK_S)
    return None if at_ns is None else (at_ns - fault_ns) / 1e9


async def ready_again(stage: Stage, pod: str, limit_s: float | None) -> None:
    """Observed against the limit; only seen where there is none."""
    took_s = await until(stage, pod, Happened.READY, (limit_s or 0.0) + _PATIENCE_S)
    within(stage, f"{pod} runs and is ready again", took_s, limit_s)
    note_pods(stage)


async def stored_again(stage: Stage, since_ns: int, limit_s: float) -> float | None:
    """Seconds until streams store as before; None where that is not within the limit and some patience."""
    fault_ns = stage.milestones[Milestone.FAULT]
    end = time.monotonic() + limit_s + _PATIENCE_S
    while (after_s := stored_again_s(stage.history(), fault_ns, since_ns)) is None and time.monotonic() < end:
        kubelet(stage).check()
        stage.load.check()
        await asyncio.sleep(_LOOK_S)
    return after_s


def within(stage: Stage, what: str, took_s: float | None, limit_s: float | None) -> None:
    asked = "" if limit_s is None else f" (promised: within {limit_s:g} s)"
    if took_s is None:
        stage.observe(f"{what}: never{asked}", False)
    else:
        stage.observe(f"{what} after {took_s:.1f} s{asked}", None if limit_s is None else took_s <= limit_s)


def note_pods(stage: Stage) -> None:
    """What the kubelet saw and did, on the timeline."""
    for event in kubelet(stage).events:
        stage.note(f"pod-{event.what}", event.monotonic_ns, pod=event.pod)
    kubelet(stage).events.clear()


def limit_of(stage: Stage, subject: str) -> float | None:
    """What the system's contract for a dying process promises."""
    limits_s = [c.rto_s for c in stage.setup.system.contracts if c.name == f"{subject}/process" and c.rto_s is not None]
    return min(limits_s, default=None)
