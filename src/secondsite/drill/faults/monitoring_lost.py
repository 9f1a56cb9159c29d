"""The region that serves is lost with its Prometheus: the other region's has to tell, and to show the service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

from secondsite.drill.check.visibility import Visibility, samples, visibility
from secondsite.drill.evidence.events import EventName, Milestone, TimelineEvent
from secondsite.drill.faults import region_loss
from secondsite.drill.play.profile import Profile
from secondsite.drill.play.script import Drill
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.stage import Stage
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.service import Role
from secondsite.strategies.observed import HOLD_S, region_unseen, why_invisible

_EVERY_S = 1.0
_BEYOND_HOLD_S = 20.0
"""Scrapes, evaluations and samples of a second each, on a machine that has other things to do."""


async def play(stage: Stage) -> None:
    answers: list[TimelineEvent] = []
    stage.background(_sample(stage, answers))
    await asyncio.sleep(2 * _EVERY_S)
    await region_loss.play(stage)
    again = await _wait_for(stage, answers)
    where = f"the Prometheus of {stage.away}"
    if again.blind:
        stage.observe(f"{where}: {again.why}", None, unproven=True)
    elif again.back_ns is None:
        stage.observe(f"{where} does not show the service: {again.why}", False)
    else:
        took_s = stage.since_fault(again.back_ns)
        stage.observe(f"{where} tells that {stage.home} is gone and counts writes after {took_s:.1f} s", True)


async def _wait_for(stage: Stage, events: list[TimelineEvent]) -> Visibility:
    end = time.monotonic() + HOLD_S + _BEYOND_HOLD_S
    while True:
        again = visibility(samples(events), stage.milestones[Milestone.FAULT])
        if again.back_ns is not None or again.blind or time.monotonic() > end:
            return again
        stage.load.check()
        await asyncio.sleep(_EVERY_S)


async def _sample(stage: Stage, events: list[TimelineEvent]) -> None:
    """For ever: what the one that is left says of both regions."""
    api = stage.setup.deployment.system.with_role(Role.API)[0]
    rule, away, home = region_unseen(api), json.dumps(stage.away), json.dumps(stage.home)
    stored = f'sum(api_events_total{{job={json.dumps(api.object_name)},region={away},outcome="stored"}})'
    firing = f'max(ALERTS{{alertname="{rule.name}",alertstate="firing",region={home}}})'
    monitoring = stage.lab.services.monitoring
    while True:
        try:
            writes, fires = await asyncio.gather(monitoring.ask(stage.away, stored), monitoring.ask(stage.away, firing))
        except MachineError as error:
            stage.note(EventName.MONITORED, silent=error.problems[0].what)
        else:
            events.append(stage.writer.event(EventName.MONITORED, writes=writes, firing=fires == 1))
        await asyncio.sleep(_EVERY_S)


def fits(deployment: Deployment) -> str:
    return "there is no second region" if len(deployment.sites) == 1 else why_invisible(deployment)


def _lasts(_profile: Profile) -> float:
    return HOLD_S + _BEYOND_HOLD_S


DRILL = Drill(
    "monitoring-lost",
    "the region is lost with its monitoring",
    Fault.REGION,
    play,
    fits,
    subjects=(Subject.OBSERVABILITY,),
    observed=True,
    lasts=_lasts,
)


def each_its_own(setup: Setup) -> Mapping[str, tuple[str, ...]]:
    """What is usual: nobody scrapes another region."""
    return {site.region.name: (site.region.name,) for site in setup.deployment.sites}
