"""A promotion that failed gives the writers that it stopped back, where nothing was taken over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from secondsite.model.errors import MachineError
from secondsite.operate.action import Context, insisting
from secondsite.operate.layout import StreamFamily, StreamPlacement, fenced_subject

GIVE_BACK_S = 10.0


async def give_back(context: Context, stopped: list[tuple[StreamFamily, StreamPlacement]], region: str) -> None:
    """Undo the fences of this attempt, so that a step that fails leaves a writer. None where a copy was promoted since.

    The attempt has failed already: what fails here too stays fenced, and is told by the look that comes next.
    """
    with suppress(MachineError, TimeoutError):
        async with asyncio.timeout(GIVE_BACK_S):
            for family, placement in stopped:
                await insisting(context, partial(_open_again, context, family, placement, region))


async def _open_again(context: Context, family: StreamFamily, placement: StreamPlacement, region: str) -> None:
    copy = family.at(region)
    async with context.world.streams(region) as door, context.world.streams(placement.region) as other:
        state = None if copy is None else await door.stream(copy.name)
        if state is None or not state.is_mirror:
            return
        now = await other.stream(placement.name)
        if now is not None and now.subjects == (fenced_subject(placement),):
            await other.update({**now.config, "subjects": list(family.subjects)})
            context.note("unfenced", {"stream": placement.name, "region": placement.region})
