"""Consumers go on where they stood: created at their acknowledged floor + 1, or after the parting of the histories.

Where more was acknowledged than the copy holds, the next messages get sequences that were acknowledged already, for
other messages: the consumer then starts right after the last message that the copy had.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.nats import Consumer, Retention
from secondsite.model.procedure import Step, Verb
from secondsite.operate.action import Context, Facts, ManualContext, Prospect, failed
from secondsite.operate.actions.record import live_positions
from secondsite.operate.layout import DIVERGED, FLOOR, StreamFamily, StreamPlacement
from secondsite.operate.positions import STREAM, position_subject
from secondsite.operate.shell import changed, read
from secondsite.operate.world import StreamsDoor
from secondsite.strategies.stream_config import consumer_config

_OWN = ("deliver_policy", "opt_start_seq", "opt_start_time", "metadata")


@frozen
class Wanted:
    """``start`` is the first sequence to deliver; ``source`` says where the floor is from."""

    family: StreamFamily
    held: StreamPlacement
    name: str
    config: Mapping[str, Any]
    start: int
    source: str

    @property
    def key(self) -> str:
        return f"{self.family.name}/{self.name}"


def start_after(floor: int, diverged: int) -> int:
    return min(floor, diverged) + 1


@frozen
class RestoreConsumers:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.away
        names = tuple(f"create the consumer {target} in {region}" for target in step.targets)
        return Prospect(changes=names)

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.away
        done: dict[str, Any] = {}
        async with context.world.streams(region) as door:
            for wanted in await wanted_consumers(context, step, door, region):
                await restore(door, wanted)
                done[wanted.key] = {"start": wanted.start, "source": wanted.source}
        return {"region": region, "consumers": done}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """At the positions that the primary's agent last copied."""
        region = context.region_of(step)
        for family in context.families:
            held = family.at(region)
            if held is None:
                continue
            for name in (one.name for one in family.origin.stream.consumers if one.durable):
                last = {"last_by_subj": position_subject(family.name, name)}
                program = f".message.data | @base64d | fromjson | (.floor + 1) as $start | {_created(held, name)}"
                position = read(region, f"STREAM.MSG.GET.{STREAM}", program, last)
                yield changed(region, f"CONSUMER.CREATE.{held.name}.{name}", f'"$({position})"')


async def wanted_consumers(context: Context, step: Step, door: StreamsDoor, region: str) -> list[Wanted]:
    """Those that the step names, and those whose position is known."""
    positions: Mapping[str, Any] = context.done(Verb.RECORD_STATE).get("positions") or {}
    found = []
    known = {family.name for family in context.families}
    replicated = [key for key in positions if key.split("/", 1)[0] in known]
    for key in dict.fromkeys([*step.targets, *replicated]):
        stream, name = key.split("/", 1)
        family = context.family(stream)
        held = family.at(region)
        look = await door.stream(held.name) if held else None
        if held is None or look is None:
            raise failed(f"{region} has no stream for the consumer {key}", "promote or restore the stream, then resume")
        position = positions.get(key)
        config = position["config"] if position else _configured(family, name)
        floor = int(position["floor"]) if position else 0
        diverged = int(look.metadata.get(DIVERGED, look.last_seq))
        source = str(position["source"]) if position else "unknown: from the first message on"
        found.append(Wanted(family, held, name, config, start_after(floor, diverged), source))
    return found


async def carry_consumers(
    source: StreamsDoor, door: StreamsDoor, family: StreamFamily, there: StreamPlacement, held: StreamPlacement
) -> dict[str, int]:
    """By consumer, the sequence at which it goes on: the two streams are equal up to the parting."""
    look = await door.stream(held.name)
    if look is None:
        return {}
    diverged = int(look.metadata.get(DIVERGED, look.last_seq))
    made: dict[str, int] = {}
    for position in await live_positions(source, family, there):
        start = start_after(position.floor, diverged)
        await restore(door, Wanted(family, held, position.consumer, position.config, start, position.source))
        made[position.key] = start
    return made


def carrying(family: StreamFamily, held: StreamPlacement, *, from_: str) -> Iterable[str]:
    """The same by hand: the two streams are equal, so a consumer goes on at its own floor."""
    there = family.at(from_)
    for consumer in family.origin.stream.consumers if there else ():
        program = f"(.ack_floor.stream_seq + 1) as $start | {_created(held, consumer.name)}"
        position = read(from_, f"CONSUMER.INFO.{there.name if there else ''}.{consumer.name}", program)
        yield changed(held.region, f"CONSUMER.CREATE.{held.name}.{consumer.name}", f'"$({position})"')


def _created(held: StreamPlacement, name: str) -> str:
    """The body of CONSUMER.CREATE by jq, from .config and $start."""
    own = ", ".join(f".{key}" for key in _OWN)
    start = f'{{name: {json.dumps(name)}, deliver_policy: "by_start_sequence", opt_start_seq: $start}}'
    return f"{{stream_name: {json.dumps(held.name)}, config: ((.config | del({own})) + {start})}}"


def _configured(family: StreamFamily, name: str) -> Mapping[str, Any]:
    consumers = family.origin.stream.consumers
    return consumer_config(next((one for one in consumers if one.name == name), Consumer(name)))


async def restore(door: StreamsDoor, wanted: Wanted) -> None:
    """One that somebody made meanwhile is replaced where it stands further back, and kept where it is ahead."""
    stream = wanted.held.name
    there = await door.consumer(stream, wanted.name)
    mark = str(wanted.start)
    if there is not None and ((there.config.get("metadata") or {}).get(FLOOR) or there.floor + 1 >= wanted.start):
        return
    if there is not None:
        await door.delete_consumer(stream, wanted.name)
    config = {key: value for key, value in wanted.config.items() if key not in _OWN}
    config |= {"name": wanted.name, "durable_name": wanted.name, "metadata": {FLOOR: mark}}
    if wanted.family.origin.stream.retention is Retention.WORKQUEUE:
        await door.purge(stream, below=wanted.start, subject=str(config.get("filter_subject") or ""))
        config["deliver_policy"] = "all"
    else:
        config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": wanted.start}
    await door.create_consumer(stream, config)
    made = await door.consumer(stream, wanted.name)
    if made is None or (made.config.get("metadata") or {}).get(FLOOR) != mark:
        raise failed(f"the consumer {wanted.key} is not as it was created", "see who else creates it, then resume")
