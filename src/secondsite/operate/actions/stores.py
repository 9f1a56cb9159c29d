"""Promoting the databases: the old primary fenced while it can be reached, its last commit waited for, then promoted.

Where it cannot be reached it stays unfenced: what it commits from then on is on its own disks alone. Where the standby
cannot follow to the end, or cannot be promoted, the fence is removed again: somebody goes on taking writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, failed, insisting
from secondsite.operate.actions.manual import promote_stores
from secondsite.operate.world import Stores
from secondsite.stores.postgres_place import StoreRefusedError
from secondsite.stores.server import StoreServer, StoreState

_FOLLOWED_WITHIN_S = 60.0
_PROMOTING = "promoting"


@frozen
class PromoteStores:
    """Asked again where it is done, it says so and changes nothing."""

    async def look(self, context: Context, step: Step, door: Stores) -> Prospect:
        changes: list[str] = []
        now: list[str] = []
        guards: list[Guard] = []
        for store in step.targets:
            standby = await state_of(door.server(step.region, store))
            home = await state_of(door.server(other_region(context, step), store))
            if home is not None and standby is not None:
                guards += strange(store, step.region, standby, home)
            if _comes_back(context, step) and (standby is None or not standby.standby):
                now.append(f"{store} in {step.region} does not follow yet")
                changes += _switch(store, step.region, other_region(context, step))
                continue
            if standby is None:
                guards.append(_silent(store, step.region))
                continue
            if not standby.standby:
                now.append(f"{store} in {step.region} {standby.described}")
                continue
            if home is None:
                now.append(f"{store} in {other_region(context, step)} does not answer: it stays unfenced")
            whole = home is not None and not home.standby and not home.fenced
            changes += _switch(store, step.region, other_region(context, step))[0 if whole else 1 :]
            now.append(f"{store} in {step.region} {standby.described}")
        return Prospect(tuple(changes), tuple(now), tuple(guards))

    async def run(self, context: Context, step: Step, door: Stores) -> Facts:
        return {"stores": {store: await _promoted(context, step, door, store) for store in step.targets}}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return promote_stores(context, step)


async def _promoted(context: Context, step: Step, door: Stores, store: str) -> Mapping[str, Any]:
    other = other_region(context, step)
    standby, serving = door.server(step.region, store), door.server(other, store)
    before, home = await standby.look(), await state_of(serving)
    refuse_strange(store, step.region, before, home)
    if not before.standby and before.fenced and not _begun(context, store):
        what = f"{store} in {step.region} is fenced and has no primary"
        raise failed(what, "attach it to its primary first; nothing was changed")
    context.note(_PROMOTING, {"store": store, "region": step.region})
    fenced = before.standby and home is not None and not home.standby
    if fenced:
        await context.stopping(other)
        context.note("fencing", {"store": store, "region": other})
    try:
        if fenced:
            await serving.fence()
        after = await _taken_over(standby, serving if fenced else None)
    except (MachineError, asyncio.CancelledError):
        if fenced:
            await serving.unfence()
        raise
    if after.fenced:  # from when it lost its place
        await insisting(context, standby.unfence)
    return {
        **after.facts,
        "fenced": fenced or bool(home and home.fenced),
        "by": "secondsite",
    }


def _begun(context: Context, store: str) -> bool:
    """Whether an earlier attempt at this step was about to promote it."""
    return any(note.get(_PROMOTING, {}).get("store") == store for note in context.noted)


def other_region(context: Context, step: Step) -> str:
    return context.away if step.region == context.home else context.home


async def _taken_over(standby: StoreServer, fenced: StoreServer | None) -> StoreState:
    if fenced is not None:
        position = (await fenced.look()).position
        if not await standby.replayed_up_to(position, _FOLLOWED_WITHIN_S):
            raise failed(
                "the standby does not receive what the primary has", "find out why it does not follow, then resume"
            )
    return await standby.promote()


async def state_of(server: StoreServer) -> StoreState | None:
    """None for silence; one that answers and will not have us is no lost one."""
    try:
        return await server.look()
    except StoreRefusedError:
        raise
    except MachineError:
        return None


def _switch(store: str, region: str, other: str) -> tuple[str, str]:
    return f"{store}: fenced in {other}, until {region} has all of it", f"{store}: promoted in {region}"


def _comes_back(context: Context, step: Step) -> bool:
    """Whether a step before it makes this server a standby."""
    return any(one.verb is Verb.FOLLOW_STORES for one in context.procedure.leading_to(step.id))


def _silent(store: str, region: str) -> Guard:
    return Guard("silent-store", f"{store} in {region} does not answer", "start it, then plan again", absolute=True)


def strange(store: str, region: str, mine: StoreState, other: StoreState) -> tuple[Guard, ...]:
    """Where the two logins do not lead to a server and its copy: nothing is promoted, fenced or rewound then."""
    if mine.same_server(other):
        what = f"{store} in {region} is the other region's server: both logins lead to it"
    elif mine.stranger_to(other):
        what = f"{store} in {region} is no copy of the other region's"
    else:
        return ()
    return (Guard("strange-store", what, "check the logins of both regions", absolute=True),)


def refuse_strange(store: str, region: str, mine: StoreState, other: StoreState | None) -> None:
    for guard in strange(store, region, mine, other) if other is not None else ():
        raise failed(guard.what, guard.remedy)
