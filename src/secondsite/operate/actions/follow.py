"""A database that lost its place comes back as a standby: fenced, what only it committed saved and named, then rewound.

Nothing is rewound before its rows were compared while nobody could write to it. Where this has no hands on the server's
files, a command or a person stops it, makes it follow and starts it; then it is looked at, as if it had been done here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, WaitingError, failed
from secondsite.operate.actions.manual import login
from secondsite.operate.actions.stores import other_region, refuse_strange, state_of, strange
from secondsite.operate.shell import word
from secondsite.operate.world import Stores
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_host import Followed
from secondsite.stores.server import StoreServer, StoreState
from secondsite.strategies.store_servers import SLOT
from secondsite.strategies.stores import REDIS, SYNCHRONOUS, stores_copied

SAVED = "rows-saved"
_NAMED = 20
"""Keys that stand in the journal; the files have them all."""
_FOLLOWS_WITHIN_S = 60.0
_PROMOTED_WITHIN_S = 300.0
_PAUSE_S = 0.2


@frozen
class FollowStores:
    """Asked again where it follows already, it says so and changes nothing."""

    async def look(self, context: Context, step: Step, door: Stores) -> Prospect:
        changes: list[str] = []
        now: list[str] = []
        guards: list[Guard] = []
        serving_in = other_region(context, step)
        for store in step.targets:
            serving = await state_of(door.server(serving_in, store))
            returned = await state_of(door.server(step.region, store))
            if serving is None:
                now.append(f"{store} in {serving_in} does not answer now")
            if returned is None:
                now.append(f"{store} in {step.region} does not answer yet")
            if serving and returned:
                guards += strange(store, step.region, returned, serving)
            if serving and returned and returned.follows(serving):
                now.append(f"{store} in {step.region} follows {serving_in} already")
                continue
            changes.append(f"{store}: save the rows that only {step.region} has, then make it follow {serving_in}")
        return Prospect(tuple(changes), tuple(now), tuple(guards))

    async def run(self, context: Context, step: Step, door: Stores) -> Facts:
        return {"stores": {store: await _followed(context, step, door, store) for store in step.targets}}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return follow_stores(context, step)


def follow_stores(context: ManualContext, step: Step) -> Iterable[str]:
    """The server is stopped and started by whoever runs it: a pod, a unit, an operator."""
    serving = context.away if step.region == context.home else context.home
    engines = {store.name: store.engine for store in context.deployment.system.stores}
    for store in step.targets:
        old, new = (login(region, engines[store]) for region in (step.region, serving))
        folder = word(f"rows/{step.region}-{store}")
        if engines[store] in REDIS:
            yield f"# {old[4:]} and {new[4:]}: URLs of an operator's user for {word(store)}"
            yield f"secondsite redis fence {old}"
            yield (
                f"secondsite redis salvage {old} {new} --folder {folder} || [ $? = 1 ]  # exit 1: keys were saved there"
            )
            yield f"secondsite redis follow {old} {new}"
            continue
        yield f"# {old[4:]} and {new[4:]}: superusers' connection strings for {word(store)}"
        yield f"secondsite postgres fence {old}"
        yield (
            f"secondsite postgres salvage {old} {new} --folder {folder} || [ $? = 1 ]  # exit 1: rows were saved there"
        )
        yield f'# stop the server in {word(step.region)}: pg_ctl stop -D "$PGDATA"'
        yield f'secondsite postgres follow {new} --data "$PGDATA" --tools "$(pg_config --bindir)" --slot {SLOT}'
        yield f"# start the server in {word(step.region)} again"
        yield f"secondsite postgres caught-up {old} {new}"


async def _followed(context: Context, step: Step, door: Stores, store: str) -> Mapping[str, Any]:
    serving_in = other_region(context, step)
    serving, returned = door.server(serving_in, store), door.server(step.region, store)
    primary, before = await _promoted(context, serving, serving_in, store), await returned.look()
    if primary.standby:
        raise failed(f"{store} in {serving_in} is not a primary", "promote it first; nothing was changed")
    refuse_strange(store, step.region, before, primary)
    if not before.follows(primary):
        if not before.standby:
            await returned.fence()
        saved = await _saved(context, step, door, store)
        await _made_to_follow(context, step, door, store)
    else:
        saved = _saved_before(context, store)
    after = await _caught_up(step, door, store, serving_in)
    waits = store in {each.store.name for each in stores_copied(context.deployment, SYNCHRONOUS)}
    if waits and isinstance(serving, PostgresServer):
        await serving.commits_wait()
    return {**after.facts, "saved": saved, **({"synchronous": True} if waits else {})}


async def _promoted(context: Context, serving: StoreServer, region: str, store: str) -> StoreState:
    """A step beside this one may be about to promote it: that is waited for, and nothing is done before."""
    promotes = [one for one in context.procedure.steps if one.verb is Verb.PROMOTE_STORES and one.region == region]
    end = time.monotonic() + _PROMOTED_WITHIN_S
    while (state := await serving.look()).standby and any(store in one.targets for one in promotes):
        if time.monotonic() > end:
            break
        await asyncio.sleep(_PAUSE_S)
    return state


async def _saved(context: Context, step: Step, door: Stores, store: str) -> Mapping[str, Any]:
    """Written down before anything is destroyed; the files have each row, the journal the first keys."""
    folder = door.kept(step.region, store)
    old, new = door.server(step.region, store), door.server(other_region(context, step), store)
    parts = await old.only_there(new, folder)
    state = await old.look()
    if not (state.fenced or state.standby):
        raise failed(
            f"the fence of {store} in {step.region} was removed in the meantime", "find out who removed it, then resume"
        )
    only = {one.name: {"rows": one.rows, "keys": list(one.keys[:_NAMED]), "file": str(one.file)} for one in parts}
    context.note(SAVED, {"store": store, "region": step.region, "folder": str(folder), "tables": only})
    return only


async def _made_to_follow(context: Context, step: Step, door: Stores, store: str) -> None:
    followed = await door.follow(step.region, store, other_region(context, step))
    if followed is None:
        followed = await _by_command(context, step, store)
    if followed is None:
        what = f"nothing here can stop {store} in {step.region} and rewind its files"
        raise WaitingError.at("", what, "do it by hand with the commands in the runbook, then resume")
    facts = {"store": store, "by": followed.how, "seconds": followed.seconds, "why": followed.why}
    facts |= {"parted": followed.parted} if followed.parted else {}
    context.note("followed", {**facts, "kept": str(followed.kept or "")})


async def _by_command(context: Context, step: Step, store: str) -> Followed | None:
    """The server is fenced and its rows are saved: somebody's command stops it, rewinds it and starts it again."""
    hands, begin = context.world.manual_steps, time.monotonic()
    who = await hands.carry_out(evolve(step, targets=(store,))) if hands.has_command(step) else None
    return Followed(who, time.monotonic() - begin) if who else None


async def _caught_up(step: Step, door: Stores, store: str, serving_in: str) -> StoreState:
    position = (await door.server(serving_in, store).look()).position
    returned = door.server(step.region, store)
    if not await returned.replayed_up_to(position, _FOLLOWS_WITHIN_S):
        raise failed(f"{store} in {step.region} does not receive what {serving_in} has", "check its log, then resume")
    after, primary = await returned.look(), await door.server(serving_in, store).look()
    if not after.follows(primary):
        raise failed(f"{store} in {step.region} does not follow {serving_in}", "check its log, then resume")
    return after


def _saved_before(context: Context, store: str) -> Mapping[str, Any]:
    """By an earlier attempt at this step."""
    notes = [note[SAVED] for note in context.noted if SAVED in note]
    return next((note["tables"] for note in reversed(notes) if note["store"] == store), {})
