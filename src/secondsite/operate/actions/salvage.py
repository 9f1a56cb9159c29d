"""What the old primary stored and nobody else has, brought to the stream that serves.

A message counts as there already when the serving stream has, after the sequence at which the two parted, its message
id or the mark of its salvage: so nothing is stored twice, however often this is interrupted, and whatever clients sent
again themselves. What would do harm there, or is refused, is saved whole in a stream of its own before anything is
deleted: an old value of a key that has a newer one, a rollup, what the stream's limits forbid.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from secondsite.model.procedure import Step
from secondsite.operate.action import Context, Facts, ManualContext, Prospect, Scope
from secondsite.operate.actions.salvaging import CURSOR, PACE, SalvagePace, Salvaging
from secondsite.operate.layout import DIVERGED, Reach, StreamFamily, StreamPlacement
from secondsite.operate.shell import file_word, read, word
from secondsite.operate.world import StreamsDoor


@frozen
class Salvage:
    pace: SalvagePace = PACE

    async def look(self, context: Context, step: Step) -> Prospect:
        pairs = _pairs(context, step)
        if not pairs:
            return Prospect(now=("no stream has a copy that could have diverged",))
        async with context.reached(context.home) as old, context.reached(context.away) as serving:
            if old is None or serving is None:
                what = f"{context.home if old is None else context.away} cannot be reached"
                return Prospect(changes=(f"salvage the messages that only {context.home} has",), now=(what,))
            extents = [await _extent(old, serving, *pair) for pair in pairs]
        return Prospect(changes=(f"salvage the messages that only {context.home} has",), now=tuple(extents))

    async def run(self, context: Context, step: Step) -> Facts:
        done: dict[str, Any] = {}
        pairs = _pairs(context, step)
        if not pairs:
            return {"streams": done}

        def note(cursor: Facts) -> None:
            context.note(CURSOR, cursor)
            context.progressed()

        async with context.world.streams(context.home) as old, context.world.streams(context.away) as serving:
            for family, source, target in pairs:
                salvaging = Salvaging(old, serving, family, source, target, note, self.pace, context.progressed)
                salvaged = await salvaging.run(context.noted)
                if salvaged is not None:
                    done[family.name] = salvaged.facts(target.region)
        return {"streams": done}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """Saved whole, and shown how much of it nobody else has: what to republish is for a person to decide."""
        for family, source, target in _pairs(context, step):
            yield read(target.region, f"STREAM.INFO.{target.name}", f".config.metadata[{json.dumps(DIVERGED)}]")
            yield read(source.region, f"STREAM.INFO.{source.name}", "{name: .config.name, last: .state.last_seq}")
            to = word(f"salvage/{file_word(family.name)}")
            backup = f"secondsite backup --context {word(source.region)} --stream {word(source.name)}"
            yield f'{backup} --to "file://$PWD/"{to}'
        yield "# `secondsite failback` republishes what is after that sequence; the backup keeps it in any case"


def _pairs(context: Scope, step: Step) -> list[tuple[StreamFamily, StreamPlacement, StreamPlacement]]:
    mirrored = [family for family in context.chosen(step) if family.reach is Reach.MIRRORED]
    pairs = [(family, family.at(context.home), family.at(context.away)) for family in mirrored]
    return [(family, old, new) for family, old, new in pairs if old and new]


async def _extent(
    old: StreamsDoor, serving: StreamsDoor, family: StreamFamily, source: StreamPlacement, target: StreamPlacement
) -> str:
    there, here = await old.stream(source.name), await serving.stream(target.name)
    if there is None or here is None or DIVERGED not in here.metadata:
        return f"{family.name}: nothing diverged"
    return f"{family.name}: diverged after {here.metadata[DIVERGED]}, the old primary ends at {there.last_seq}"
