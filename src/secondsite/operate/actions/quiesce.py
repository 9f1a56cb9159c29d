"""Before a promotion: no other copy takes writes, and what the old writer acknowledged has come over.

Where the other side's writers hang on a lease it is ended first and runs out while the streams are fenced and drained,
so that nobody is let in by whatever gives a fenced stream its subjects back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from secondsite.model.errors import MachineError
from secondsite.nats.streams import StreamState
from secondsite.operate.action import ANSWER_S, Context, ManualContext, failed, until
from secondsite.operate.actions.fence import fence_stream, fencing, leaseless, without_clients
from secondsite.operate.actions.give_back import give_back
from secondsite.operate.journal import UNFENCED
from secondsite.operate.layout import StreamFamily, StreamPlacement
from secondsite.operate.reconcilers import pausing, stream_owners
from secondsite.operate.shell import until_it_has
from secondsite.operate.world import StreamsDoor
from secondsite.operate.writer_lease import end_lease, ending, run_out

ASK_AGAIN_S = 0.25

Pairs = list[tuple[StreamFamily, StreamPlacement]]


async def quiesce(context: Context, pairs: Pairs, region: str) -> list[str]:
    """The regions that were stopped: of those that answer; one that does not was fenced, or marked unfenced, before."""
    drained = []
    for other in sorted({placement.region for family, _ in pairs for placement in family.others(region)}):
        async with context.reached(other, _patience_s(context, other)) as door:
            if door is None:
                _expect_unreachable(context, other)
                continue
            await _stop_all(context, door, pairs, other, region)
            drained.append(other)
    return drained


async def _stop_all(context: Context, door: StreamsDoor, pairs: Pairs, other: str, region: str) -> None:
    here = [pair for pair in pairs if pair[0].at(other)]
    await _drain(context, door, here, other, region)
    await context.stopping(other)
    ended = None if leaseless(context, other) else await end_lease(context, other)
    without_lease = ended is not None or leaseless(context, other)
    stopped: Pairs = []
    try:
        await asyncio.gather(*(_stop(context, door, f, other, stopped, leaseless=without_lease) for f, _ in here))
        await _drain(context, door, here, other, region)
        if ended is not None:
            await run_out(context, ended)
            if await _still_there(door, here, other):
                await _drain(context, door, here, other, region)
    except BaseException:
        await give_back(context, stopped, region)
        raise


async def _still_there(door: StreamsDoor, pairs: Pairs, region: str) -> bool:
    """What came in while a lease ran on, as a controller gave a stream its subjects back, is waited for. A side that is
    gone by now keeps it on its disks, and whoever is to delete that refuses to."""
    try:
        async with asyncio.timeout(ANSWER_S):
            await asyncio.gather(*(door.stream(there.name) for family, _ in pairs if (there := family.at(region))))
    except (MachineError, TimeoutError):
        return False
    return True


async def _drain(context: Context, other: StreamsDoor, pairs: Pairs, there: str, region: str) -> None:
    """Until the copies have what their origins had as they were looked at; all of them at once.

    Before the writers are stopped, so that little is left to wait for; and again after.
    """
    if "lagging-mirror" in context.allowed:
        return
    async with context.world.streams(region) as door:
        sources = [(copy, source) for family, copy in pairs if (source := family.at(there)) is not None]
        await asyncio.gather(*(_caught_up(context, door, other, *pair) for pair in sources))


async def _stop(
    context: Context,
    door: StreamsDoor,
    family: StreamFamily,
    region: str,
    stopped: Pairs,
    *,
    leaseless: bool,
) -> None:
    placement = family.at(region)
    if placement is None:
        return

    def begins() -> None:
        stopped.append((family, placement))

    if await fence_stream(door, family, placement, leaseless=leaseless, begins=begins):
        context.progressed()


async def _caught_up(
    context: Context, door: StreamsDoor, other: StreamsDoor, placement: StreamPlacement, source: StreamPlacement
) -> None:
    """It has all that the other side had at first; a stream that is no mirror any more has nothing to wait for."""
    wanted: list[int] = []
    ends = [0]

    async def whole() -> bool:
        there: StreamState | None = None if wanted else await other.stream(source.name)
        here = await door.stream(placement.name)
        if here is None or not here.is_mirror or not (wanted or there):
            return True
        wanted[:] = wanted or [there.last_seq if there else 0]
        ends[0] = here.last_seq
        return here.last_seq >= wanted[0]

    await until(context, whole, lambda: ends[0])


def _patience_s(context: Context, region: str) -> float | None:
    """One that did not answer when it was to be fenced is asked once more, and not waited for."""
    states = [facts.get("state") for facts in context.facts.values() if facts.get("region") == region]
    return ASK_AGAIN_S if UNFENCED in states else None


def _expect_unreachable(context: Context, region: str) -> None:
    """A region that was fenced and is gone now stays fenced; one that nobody tried to fence may take writes."""
    if not any(facts.get("region") == region and "state" in facts for facts in context.facts.values()):
        what = f"{region} cannot be reached and no step fenced it or marked it unfenced"
        raise failed(what, "resume after a fence step is done")


def draining(context: ManualContext, pairs: Pairs) -> Iterable[str]:
    """A planned move by hand: the serving side takes no more, and the other has all of it."""
    yield from without_clients(context, context.away)
    ends = list(ending(context, context.away))
    yield from ends[:1]
    yield from pausing(stream_owners(context, context.away, (placement.name for _, placement in pairs)))
    yield from fencing(context, context.away)
    yield from ends[1:]
    for family, placement in pairs:
        if (there := family.at(context.away)) is not None:
            yield until_it_has(placement, there)
