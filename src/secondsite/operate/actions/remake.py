"""A copy made anew: deleted and created again as it is, with its consumers, once its origin is another stream.

What stands in the journal before anything is deleted: when the copy was made, its configuration and its consumers. So
whoever resumes knows which life of the name it was, and one that was recreated already is not made anew again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.procedure import Step, Verb
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.streams import StreamState
from secondsite.operate.action import Context, Facts, Guard, ManualContext, Prospect, failed, until
from secondsite.operate.actions.consumers import WantedConsumer, restore
from secondsite.operate.actions.copies import copies_anew, copies_to_remake, origins_of
from secondsite.operate.consumer_config import is_users
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement
from secondsite.operate.world import OriginRestorer, StreamsDoor
from secondsite.strategies.stream_config import stream_config

COPY = "copy"
NOT_YET = (10005, 10023, 10035, 10058, 10059)
"""No suitable peers or resources yet, a leader that is new, a name that is just being given up, or is gone."""
Save = Callable[[str, str], Awaitable[str]]


@frozen
class RemakeCopies:
    async def look(self, context: Context, step: Step, restorer: OriginRestorer) -> Prospect:
        """``restorer.chosen`` are restored before; without a choice, it shows only then which were gone."""
        remade, left = copies_to_remake(context, restorer.chosen or _restored(context))
        changes = [f"{one.name} in {one.region}: save, delete and recreate it" for one in remade]
        written = [guard for one in remade for guard in await _written(context, one)]
        return Prospect(changes=tuple(changes), guards=(*map(_guard, left), *written))

    async def run(self, context: Context, step: Step, restorer: OriginRestorer) -> Facts:
        remade, left = copies_to_remake(context, _restored(context))
        done = {}
        for one in remade:
            done[f"{one.region}/{one.name}"] = await remake(context, one, restorer.save)
            context.progressed()
        return {"copies": done, "left": [_left(one) for one in left]}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        return copies_anew(context)


def _restored(context: Context) -> tuple[str, ...]:
    """What was brought back; all that may have been where a person did it."""
    names = context.done(Verb.RESTORE_ORIGINS).get("restored")
    return tuple(family.name for family in context.families) if names is None else tuple(names)


def _guard(one: StreamPlacement) -> Guard:
    """Known before anything is restored: it can be made anew only without what was written to it alone.

    Left as it is, from 2.15 on it takes everything again; before, it passes over what the restored stream stores under
    numbers that it had already (2.10.26, 2.12.8, 2.14.6 and 2.15.1, measured). What a source is known by there has its
    filter in it, but not its stream's life: with another filter it is another source, and begins where it is told.
    """
    sources = ", ".join(each.stream for each in one.stream.sources)
    what = (
        f"{one.name} in {one.region} accepts writes of its own beside what it sources from {sources}: after the repair "
        "it would hold the latter twice, or before nats-server 2.15 miss the first new messages"
    )
    remedy = (
        f"remove {sources} from its sources first, and add it again after the repair with opt_start_seq behind its "
        "last message and, before 2.15, with a filter_subject that it did not have; or give --allow sources-and-writes"
    )
    return Guard("sources-and-writes", what, remedy)


async def _written(context: Context, copy: StreamPlacement) -> list[Guard]:
    """As its server has it now, whatever the system file says of it."""
    async with context.reached(copy.region) as door:
        state = await door.stream(copy.name) if door else None
    return [] if state is None else _own_subjects(copy, state)


def _own_subjects(copy: StreamPlacement, state: StreamState) -> list[Guard]:
    if not state.subjects:
        return []
    what = f"{copy.name} in {copy.region} takes writes of its own ({', '.join(state.subjects)}), so it is no mere copy"
    remedy = "where it was promoted, fail back first; otherwise have its subjects stored by another stream"
    return [Guard("copy-takes-writes", what, remedy, absolute=True)]


def _left(one: StreamPlacement) -> str:
    what = "not recreated, so it may hold sourced messages twice, or miss some"
    return f"{one.name} in {one.region} accepts writes of its own: {what}"


async def remake(context: Context, copy: StreamPlacement, save: Save) -> Facts:
    """Returns once it holds what its origin held when it was looked at first."""
    before = _noted(context, copy) or await _begun(context, copy, save)
    wanted: dict[str, int] = {}
    ends = [0]

    async def follows() -> bool:
        async with context.world.streams(copy.region) as door:
            state = await door.stream(copy.name)
            if state is None:
                if await _linked(door, copy):
                    await asked(door.create(before["config"]), f"create {copy.name}", copy.region)
                return False
            if state.created == before["created"]:
                for guard in _own_subjects(copy, state):
                    raise failed(f"not deleted: {guard.what}", guard.remedy)
                await asked(door.delete(copy.name), f"delete {copy.name}", copy.region)
                return False
            ends[0] = state.last_seq
            return await _whole(context, copy, state, wanted)

    await until(context, follows, lambda: ends[0])
    async with context.world.streams(copy.region) as door:
        for name, consumer in before["consumers"].items():
            await restore(door, _consumer(copy, name, consumer, ends[0]))
    return {"saved": before["saved"], "ends": ends[0], "consumers": sorted(before["consumers"])}


def _noted(context: Context, copy: StreamPlacement) -> Mapping[str, Any] | None:
    entries = (one[COPY] for one in context.noted if COPY in one)
    return next((one for one in entries if (one["region"], one["stream"]) == (copy.region, copy.name)), None)


async def _begun(context: Context, copy: StreamPlacement, save: Save) -> Mapping[str, Any]:
    async with context.world.streams(copy.region) as door:
        state = await door.stream(copy.name)
        consumers = await door.consumers(copy.name) if state else ()
    saved = await save(copy.region, copy.name) if state else ""
    noted = {
        "region": copy.region,
        "stream": copy.name,
        "created": state.created if state else "",
        "config": dict(state.config if state else stream_config(copy.stream, copy.cluster)),
        "consumers": {c.name: {"config": dict(c.config), "floor": c.floor} for c in consumers if is_users(c.config)},
        "saved": saved,
    }
    context.note(COPY, noted)
    return noted


async def _whole(context: Context, copy: StreamPlacement, state: StreamState, wanted: dict[str, int]) -> bool:
    """A mirror has the sequences of its origin; a stream of several sources heard from each."""
    origin = next(iter(origins_of(context, copy)), None) if state.is_mirror else None
    if origin is None:
        return bool(state.follows) if state.follows is not None else (state.mirror_silent_s or -1) >= 0
    if not wanted:
        async with context.world.streams(origin.region) as door:
            there = await door.stream(origin.name)
        wanted[origin.name] = there.last_seq if there else 0
    return (state.mirror_silent_s or 0) >= 0 and state.last_seq >= wanted[origin.name]


def _consumer(copy: StreamPlacement, name: str, consumer: Mapping[str, Any], last: int) -> WantedConsumer:
    """Of a mirror it goes on where it stood; what sources others has other sequences now, and it begins anew."""
    start = min(int(consumer["floor"]), last) + 1 if copy.stream.mirror else 1
    family = StreamFamily(copy, (), Reach.ALONE)
    return WantedConsumer(family, copy, name, consumer["config"], start, "before it was recreated")


async def _linked(door: StreamsDoor, copy: StreamPlacement) -> bool:
    """A mirror that is made before its origin can be reached waits 40 s before it tries again (2.15.1, measured)."""
    origins = [one for one in (copy.stream.mirror, *copy.stream.sources) if one is not None]
    domains = {one.domain for one in origins if one.domain and one.domain != copy.cluster.domain}
    return all([await door.reaches(domain) for domain in sorted(domains)])


async def asked(call: Awaitable[None], what: str, region: str) -> None:
    """What is refused for the moment is asked again; what is refused for good is no wait."""
    try:
        await call
    except RefusedError as refused:
        if not refused.passing and refused.code not in NOT_YET:
            problem = refused.problems[0]
            raise failed(f"{region} does not {what}: {problem.what}", f"{problem.remedy}; then resume") from None


async def unsaved(_region: str, _stream: str) -> str:
    """Of what is elsewhere."""
    return ""
