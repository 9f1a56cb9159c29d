"""Negative controls of the search: a step that breaks a law on purpose, which has to be found and made small."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from secondsite.model.errors import InputError
from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Action, Context, Facts, ManualContext, Prospect
from secondsite.operate.actions.fence import to_fence
from secondsite.operate.journal import FENCED
from secondsite.operate.layout import DIVERGED
from secondsite.operate.verbs import EXECUTORS
from secondsite.operate.writer_lease import end_lease


@frozen
class _NoSalvage:
    """Says that all was salvaged, and reads nothing."""

    async def look(self, _context: Context, _step: Step) -> Prospect:
        return Prospect()

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.home
        streams = {}
        async with context.world.streams(region) as old, context.world.streams(context.away) as serving:
            for family in context.families:
                here, there = family.at(region), family.at(context.away)
                state = await old.stream(here.name) if here else None
                copy = await serving.stream(there.name) if there else None
                if state and copy:
                    streams[family.name] = {"last": state.last_seq, "diverged": int(copy.metadata.get(DIVERGED, 0))}
        return {"streams": streams}

    def commands(self, _context: ManualContext, _step: Step) -> Iterable[str]:
        return ()


@frozen
class _NoFence:
    """Says that all is fenced, and fences nothing; a lease is ended, and not waited for."""

    async def look(self, _context: Context, _step: Step) -> Prospect:
        return Prospect()

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.home
        names = [placement.name for _, placement in to_fence(context, region)]
        await end_lease(context, region)
        return {"region": region, "state": FENCED, "streams": names}

    def commands(self, _context: ManualContext, _step: Step) -> Iterable[str]:
        return ()


SPOILED: Mapping[str, Mapping[Verb, Action]] = {
    "no-salvage": {Verb.SALVAGE: _NoSalvage()},
    "no-fence": {Verb.FENCE: _NoFence()},
}


def executors(spoiled: str) -> Mapping[Verb, Action]:
    """Raises InputError for a control that there is none of."""
    if spoiled and spoiled not in SPOILED:
        raise InputError.at("--control", f"unknown control {spoiled}", f"there are {', '.join(SPOILED)}")
    return {**EXECUTORS, **SPOILED.get(spoiled, {})}
