"""Promoting the databases: the old primary fenced while it can be reached, its last commit waited for, then promoted.

Where it cannot be reached it stays unfenced: what it commits from then on is on its own disks alone. Where the standby
cannot follow to the end, or cannot be promoted, the fence is lifted again: somebody goes on taking writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, failed
from secondsite.operate.actions.manual import promote_stores
from secondsite.operate.world import Stores
from secondsite.stores.postgres import PostgresServer, PostgresState
from secondsite.stores.postgres_place import StoreRefusedError

_FOLLOWED_WITHIN_S = 60.0


@frozen
class PromoteStores:
    """Asked again where it is done, it says so and changes nothing."""

    async def look(self, context: Context, step: Step, door: Stores) -> Prospect:
        changes, now, guards = [], [], []
        for store in step.targets:
            standby = await _state_of(door.server(step.region, store))
            home = await _state_of(door.server(_other(context, step), store))
            if standby is None:
                guards.append(_silent(store, step.region))
                continue
            if home is not None and home.system_identifier != standby.system_identifier:
                guards.append(_stranger(store, step.region))
            if not standby.standby:
                now.append(f"{store} takes writes in {step.region} on timeline {standby.timeline}")
                continue
            if home is None:
                now.append(f"{store} in {_other(context, step)} does not answer: it stays unfenced")
            elif not home.standby and not home.fenced:
                changes.append(f"{store}: fenced in {_other(context, step)}, until {step.region} has all of it")
            changes.append(f"{store}: promoted in {step.region}")
            now.append(f"{store} in {step.region} has replayed {standby.replayed:,} bytes of WAL")
        return Prospect(tuple(changes), tuple(now), tuple(guards))

    async def run(self, context: Context, step: Step, door: Stores) -> Facts:
        return {"stores": {store: await _promoted(context, step, door, store) for store in step.targets}}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return promote_stores(context, step)


async def _promoted(context: Context, step: Step, door: Stores, store: str) -> Mapping[str, Any]:
    standby = door.server(step.region, store)
    before = await standby.look()
    home = await _state_of(door.server(_other(context, step), store))
    fenced = False
    if home is not None and home.system_identifier != before.system_identifier:
        raise failed(f"{store} in {step.region} is no copy of the one in {_other(context, step)}", "check both logins")
    if before.standby and home is not None and not home.standby:
        await context.stopping(_other(context, step))
        context.note("fencing", {"store": store, "region": _other(context, step)})
        await door.server(_other(context, step), store).fence()
        fenced = True
    try:
        after = await _taken_over(standby, door.server(_other(context, step), store) if fenced else None)
    except MachineError:
        if fenced:
            await door.server(_other(context, step), store).unfence()
        raise
    return {
        "system_identifier": after.system_identifier,
        "timeline": after.timeline,
        "replayed": after.replayed,
        "fenced": fenced or bool(home and home.fenced),
        "by": "secondsite",
    }


def _other(context: Context, step: Step) -> str:
    return context.away if step.region == context.home else context.home


async def _taken_over(standby: PostgresServer, fenced: PostgresServer | None) -> PostgresState:
    if fenced is not None:
        position = (await fenced.look()).position
        if not await standby.replayed_up_to(position, _FOLLOWED_WITHIN_S):
            raise failed("the standby does not get what the primary has", "see why it does not follow, then resume")
    return await standby.promote()


async def _state_of(server: PostgresServer) -> PostgresState | None:
    """None for silence; one that answers and will not have us is no lost one."""
    try:
        return await server.look()
    except StoreRefusedError:
        raise
    except MachineError:
        return None


def _silent(store: str, region: str) -> Guard:
    return Guard("silent-store", f"{store} in {region} does not answer", "start it, then plan again", absolute=True)


def _stranger(store: str, region: str) -> Guard:
    what = f"{store} in {region} has another system identifier: it is no copy"
    return Guard("strange-store", what, "check the logins of both regions", absolute=True)
