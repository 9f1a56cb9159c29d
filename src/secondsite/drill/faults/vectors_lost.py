"""The region is lost with a vector store that follows nobody: what its newest snapshot holds is what is left of it.

The shipped saver takes a snapshot at intervals into the object store of the other region, and the shipped loader loads
each there. Before clients come the loader is stopped, as the runbook says: from then on the store is written to.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial

from attrs import evolve

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults import region_loss
from secondsite.drill.load.qdrant_sender import vector_of
from secondsite.drill.play.lab_backup import cut_off, was_loaded
from secondsite.drill.play.points import every_point
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.qdrant_fleet import COLLECTION, DIMENSIONS
from secondsite.lab.savers import PREFIX, loader, saver
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.strategies.snapshots import loaded_stores

_FIRST_LOAD_S = 30.0
_SEARCHED_S = 10.0
_LOOK_S = 0.1
_MOST_ENDING_S = 20.0
_HOPELESS_S = 5.0


async def play(stage: Stage, *, truncated: bool = False) -> None:
    """``truncated``: snapshots are cut off in the object store, and the store that waits has loaded none."""
    stores = stage.lab.stores.qdrant.stores
    for store in stores:
        await _loaded(stage, store)
    if truncated:
        await _spoil(stage)
    stage.background(_stop_loading(stage))
    for store in stores:
        stage.background(_search(stage, store))
    await region_loss.play(stage)
    for store in stores:
        await _observe(stage, store)


async def _loaded(stage: Stage, store: str) -> None:
    """A snapshot is on the other side, counted and written down: before that, a loss shows nothing about snapshots."""
    end = time.monotonic() + _FIRST_LOAD_S
    while not await was_loaded(stage.lab, PREFIX, store):
        if time.monotonic() > end:
            tail = stage.lab.supervisor.log_tail(loader(stage.away)).strip()
            raise MachineError.at(store, f"no snapshot was loaded within {_FIRST_LOAD_S:g} s: {tail}", "see its log")
        await asyncio.sleep(_LOOK_S)


async def _stop_loading(stage: Stage) -> None:
    """At the decision; what is being loaded is loaded to its end."""
    await _decided(stage)
    await _end_loader(stage)


async def _decided(stage: Stage) -> None:
    while True:
        if Milestone.DECIDED in stage.milestones:
            return
        await asyncio.sleep(_LOOK_S)


async def _end_loader(stage: Stage) -> None:
    name, supervisor = loader(stage.away), stage.lab.supervisor
    begin = time.monotonic()
    if supervisor.alive(name):
        os.killpg(supervisor.pid(name), signal.SIGTERM)
    for _ in range(round(_MOST_ENDING_S / _LOOK_S)):
        if not supervisor.alive(name):
            break
        await asyncio.sleep(_LOOK_S)
    stage.note("loader-stopped", seconds=round(time.monotonic() - begin, 3), ended=not supervisor.alive(name))


async def _search(stage: Stage, store: str) -> None:
    """From the decision on, until one is answered."""
    await _decided(stage)
    end = time.monotonic() + _SEARCHED_S
    while time.monotonic() < end:
        if hits := await _nearest(stage, store, "any", 1):
            after_s = stage.since_fault(time.monotonic_ns())
            stage.note("searched", store=store, region=stage.away, after_s=round(after_s, 3), hits=len(hits))
            stage.observe(f"{store} in {stage.away} answered its first search {after_s:.1f} s after the loss", True)
            return
        await asyncio.sleep(_LOOK_S)
    stage.observe(f"{store} in {stage.away} answered no search within {_SEARCHED_S:g} s of the decision", False)


async def _nearest(stage: Stage, store: str, message_id: str, count: int) -> list[str]:
    """The ids of the writes that are nearest; none where nobody answers."""
    import httpx2

    url = f"{stage.lab.stores.qdrant.url(store, stage.away)}/collections/{COLLECTION}/points/query"
    asked = {"query": vector_of(message_id, DIMENSIONS), "limit": count, "with_payload": True}
    try:
        async with httpx2.AsyncClient(timeout=2.0, trust_env=False, verify=False) as client:
            return [
                str(hit["payload"]["id"]) for hit in (await client.post(url, json=asked)).json()["result"]["points"]
            ]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError):
        return []


async def _observe(stage: Stage, store: str) -> None:
    """What was loaded is found again by its vector, and by whom it was loaded."""
    points = await every_point(stage.lab, store, stage.away)
    name = str(points[0]["payload"]["id"]) if points else ""
    right = bool(name) and name in await _nearest(stage, store, name, 1)
    runs = stage.lab.stores.qdrant.runs
    stage.observe(f"{store} in {stage.away} finds a point by its own vector ({runs})", right)
    if tail := _refusal(stage):
        stage.observe(f"the loader of {stage.away} stopped: {tail}", False)


def _refusal(stage: Stage) -> str:
    lines = stage.lab.supervisor.log_tail(loader(stage.away)).splitlines()
    return next((line for line in reversed(lines) if "was changed" in line or "changed since" in line), "")


async def _spoil(stage: Stage) -> None:
    """The loader ends, and what it loaded is gone, as where nobody had started it; then it begins anew, with halves."""
    import httpx2

    lab = stage.lab
    await _end_loader(stage)
    lab.supervisor.kill(saver(stage.home))
    await cut_off(lab, PREFIX)
    async with httpx2.AsyncClient(timeout=5.0, trust_env=False, verify=False) as client:
        for store in lab.stores.qdrant.stores:
            await client.delete(f"{lab.stores.qdrant.url(store, stage.away)}/collections/{COLLECTION}")
    await lab.restart(loader(stage.away))
    stage.setup = evolve(stage.setup, profile=evolve(stage.setup.profile, settle_s=_HOPELESS_S))


def fits(deployment: Deployment) -> str:
    return "" if loaded_stores(deployment) else "no store of it is loaded from snapshots in another region"


truncated = partial(play, truncated=True)
DRILL = Drill(
    "vectors-lost",
    "the serving region is lost with a vector store that only snapshots leave",
    Fault.REGION,
    play,
    fits,
    subjects=(Subject.STATE,),
    databases=True,
    vectors=True,
)
