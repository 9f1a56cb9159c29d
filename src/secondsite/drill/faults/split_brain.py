"""A client stays at the old database while the other one is promoted: whatever it was acknowledged there would be lost.

Somebody declares a failover of a region that lives, so its databases answer and the procedure can fence them. The
client lifts what a session can lift, and tries again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from attrs import frozen

from secondsite.drill.evidence.events import Milestone
from secondsite.drill.faults.region_loss import leave_home
from secondsite.drill.play.script import Drill, several_regions
from secondsite.drill.play.stage import Stage
from secondsite.lab.moment import Moment
from secondsite.lab.postgres_files import TABLE, WRITER
from secondsite.lab.postgres_fleet import conninfo
from secondsite.lab.redis_fleet import WRITER as KEYS_WRITER
from secondsite.lab.redis_fleet import url
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Action, Context, Facts, Through
from secondsite.operate.actions.people import ByHand
from secondsite.operate.actions.stores import PromoteStores
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.world import Stores
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.stores import store_replicas

_TRIES = 10
_PAUSE_S = 0.2
_LIFTED = "SET default_transaction_read_only = off"
_INSERT = f"INSERT INTO {TABLE} (id, key, data) VALUES (%s, 0, 'split')"  # noqa: S608 - our own table


async def play(stage: Stage, executors: Mapping[Verb, Action] = EXECUTORS) -> None:
    await stage.strike()
    stage.struck(Moment.now(), f"somebody declares a failover, and {stage.home} lives")
    stage.reach(Milestone.DETECTED)
    stage.reach(Milestone.DECIDED, by="a person, played by the drill")
    leave_home(stage)
    outcome = await stage.fail_over("somebody declared it", executors=executors)
    if outcome is not None and outcome.finished:
        for store in stage.lab.stores.followed:
            taken = [await _tried(stage, store, number) for number in range(_TRIES)].count(True)
            what = f"a client that stayed at the old {store} was acknowledged {taken} of {_TRIES} writes"
            stage.observe(what, taken == 0)
        await stage.settled()
    stage.lab.kill(*stage.lab.processes(stage.home))


async def _tried(stage: Stage, store: str, number: int) -> bool:
    """Whether one write was acknowledged, in a session of its own."""
    await asyncio.sleep(_PAUSE_S)
    try:
        if store in stage.lab.stores.redis.stores:
            fleet = stage.lab.stores.redis
            async with RedisPlace(url(fleet.endpoint(fleet.find(store, stage.home)), KEYS_WRITER)).open() as keys:
                await keys.ask("SET", f"split-{number}", "split")
            return True
        databases = stage.lab.databases
        at = databases.endpoint(databases.find(store, stage.home))
        async with PostgresPlace(conninfo(at, WRITER)).open() as session:
            await session.rows(_LIFTED)
            await session.rows(_INSERT, [f"split-{number}"])
    except MachineError:
        return False
    return True


def fits(deployment: Deployment) -> str:
    return several_regions(deployment) or ("" if store_replicas(deployment) else "no store follows in another region")


@frozen
class PromoteUnfenced(PromoteStores):
    """What goes wrong: the old primary goes on as before."""

    async def run(self, context: Context, step: Step, door: Stores) -> Facts:
        return {"stores": {each: (await door.server(step.region, each).promote()).facts for each in step.targets}}


_PROMOTES: Action = Through(lambda world, _: world.stores, PromoteUnfenced(), ByHand())
unfenced = partial(play, executors={**EXECUTORS, Verb.PROMOTE_STORES: _PROMOTES})
DRILL = Drill(
    "split-brain",
    "a client stays at the old database",
    Fault.GRAY,
    play,
    fits,
    subjects=(),
    databases=True,
)
