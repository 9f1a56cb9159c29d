"""Consumers go on where they stood: created at their acknowledged floor + 1, or after the parting of the histories.

Where more was acknowledged than the copy holds, the next messages get sequences that were acknowledged already, for
other messages: the consumer then starts right after the last message that the copy had.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.nats import Consumer, Retention
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.model.procedure import Step, Verb
from secondsite.nats.streams import ConsumerState
from secondsite.operate.action import Context, Facts, ManualContext, Prospect, failed
from secondsite.operate.actions.copies import local_mirrors
from secondsite.operate.actions.interest import keep_by_interest, keeping_by_interest
from secondsite.operate.actions.record import known_positions, live_positions
from secondsite.operate.consumer_config import filters_of, may_be_set, recreated, started_at
from secondsite.operate.layout import DIVERGED, StreamFamily, StreamPlacement
from secondsite.operate.positions import STREAM, Position, position_subject
from secondsite.operate.shell import changed, read
from secondsite.operate.world import StreamsDoor
from secondsite.strategies.stream_config import consumer_config


@frozen
class WantedConsumer:
    """``start`` is the first sequence to deliver; ``source`` says where the floor is from."""

    family: StreamFamily
    placement: StreamPlacement
    name: str
    config: Mapping[str, Any]
    start: int
    source: str

    @property
    def key(self) -> str:
        return f"{self.family.name}/{self.name}"


UNKNOWN = "unknown: starts at the first message"
"""The source of a position that nobody copied."""


def start_after(floor: int, diverged: int) -> int:
    return min(floor, diverged) + 1


@frozen
class RestoreConsumers:
    async def look(self, context: Context, step: Step) -> Prospect:
        region = step.region or context.away
        names = tuple(f"create the consumer {target} in {region}" for target in step.targets)
        return Prospect(changes=names, now=await _positions_now(context, step, region))

    async def run(self, context: Context, step: Step) -> Facts:
        region = step.region or context.away
        done: dict[str, Any] = {}
        async with context.world.streams(region) as door:
            for wanted in await wanted_consumers(context, step, door, region):
                await restore(door, wanted)
                context.progressed()
                note = policy_note(wanted.family, wanted.config, wanted.start, door.version)
                done[wanted.key] = {"start": wanted.start, "source": wanted.source, **({"note": note} if note else {})}
            kept = await _by_interest(context, door, region)
        return {"region": region, "consumers": done, **kept}

    def commands(self, context: ManualContext, step: Step) -> Iterable[str]:
        """At the positions that the primary's agent last copied."""
        region = context.region_of(step)
        for family in context.families:
            placement = family.at(region)
            if placement is None:
                continue
            for consumer in (one for one in family.origin.stream.consumers if one.durable):
                last = {"last_by_subj": position_subject(family.name, consumer.name)}
                yield from _positioned(placement, consumer, (region, f"STREAM.MSG.GET.{STREAM}", last), _POSITION)
            yield from keeping_by_interest(family, placement)


async def _positions_now(context: Context, step: Step, region: str) -> tuple[str, ...]:
    """How old what is known of them is, which of them would begin anew, and which are not moved."""
    return (*await _known_now(context, step, region), *_of_local_mirrors(context, region))


async def _known_now(context: Context, step: Step, region: str) -> tuple[str, ...]:
    try:
        known = await known_positions(context)
    except (MachineError, TimeoutError):
        known = None
    if known is None:
        return ("where they stand cannot be read now",)
    there = {position.key: position for position in known}
    unknown = [key for key in step.targets if key not in there]
    copied = [there[key].at for key in step.targets if key in there and there[key].at]
    age_s = max(0.0, context.world.clock.wall() - min(copied)) if copied else 0.0
    notes = [_policy_now(context, position, region) for position in known]
    return (
        *(note for note in notes if note),
        *([f"their positions were copied {age_s:.0f} s ago"] if copied else []),
        *(
            [f"{', '.join(unknown)}: no position is known in {region}; will start at the first message"]
            if unknown
            else []
        ),
    )


def _policy_now(context: Context, position: Position, region: str) -> str:
    family = next((one for one in context.families if one.name == position.stream), None)
    placement = family.at(region) if family else None
    if family is None or placement is None:
        return ""
    note = policy_note(family, position.config, position.floor + 1, placement.cluster.version)
    return f"{position.key}: {note}" if note else ""


def policy_note(family: StreamFamily, config: Mapping[str, Any], start: int, version: str) -> str:
    """What its application has to know where a position makes another consumer of it; empty where it stays its own."""
    policy = str(config.get("deliver_policy") or "all")
    if family.origin.stream.retention is Retention.WORKQUEUE or policy == "by_start_sequence":
        return ""
    if supports(version, Feature.CONSUMER_RESET) is not Support.NO and may_be_set(config, start):
        return ""
    what = f"deliver_policy {policy} cannot be kept with a position: it becomes by_start_sequence"
    return f"{what}, and an application that creates it anew is refused (10012); let it bind to what is there"


def _of_local_mirrors(context: Context, region: str) -> Iterable[str]:
    origins = [placement for family in context.families if (placement := family.at(region))]
    for mirror in (one for origin in origins for one in local_mirrors(context, origin)):
        names = ", ".join(f"{mirror.name}/{one.name}" for one in mirror.stream.consumers if one.durable)
        if names:
            what = "reads a mirror inside its region: its position is not copied"
            yield f"{names} {what}, and in {region} it has its own"


async def _by_interest(context: Context, door: StreamsDoor, region: str) -> Facts:
    """What of it could not be had, by stream."""
    notes = {}
    for family in context.families:
        if placement := family.at(region):
            notes[family.name] = await keep_by_interest(door, family, placement)
    notes = {name: note for name, note in notes.items() if note}
    return {"kept": notes} if notes else {}


async def wanted_consumers(context: Context, step: Step, door: StreamsDoor, region: str) -> list[WantedConsumer]:
    """Those that the step names, and those whose position is known."""
    positions: Mapping[str, Any] = context.done(Verb.RECORD_STATE).get("positions") or {}
    wanted = []
    known = {family.name for family in context.families}
    replicated = [key for key in positions if key.split("/", 1)[0] in known]
    for key in dict.fromkeys([*step.targets, *replicated]):
        stream, name = key.split("/", 1)
        family = context.family(stream)
        placement = family.at(region)
        state = await door.stream(placement.name) if placement else None
        if placement is None or state is None:
            raise failed(f"{region} has no stream for the consumer {key}", "promote or restore the stream, then resume")
        position = positions.get(key)
        config = position["config"] if position else _configured(family, name)
        floor = int(position["floor"]) if position else 0
        diverged = int(state.metadata.get(DIVERGED, state.last_seq))
        source = str(position["source"]) if position else UNKNOWN
        wanted.append(WantedConsumer(family, placement, name, config, start_after(floor, diverged), source))
    return wanted


async def carry_consumers(
    source: StreamsDoor, door: StreamsDoor, family: StreamFamily, there: StreamPlacement, placement: StreamPlacement
) -> dict[str, int]:
    """By consumer, the sequence at which it goes on: the two streams are equal up to the parting."""
    state = await door.stream(placement.name)
    if state is None:
        return {}
    diverged = int(state.metadata.get(DIVERGED, state.last_seq))
    made: dict[str, int] = {}
    for position in await live_positions(source, family, there):
        start = start_after(position.floor, diverged)
        await restore(
            door, WantedConsumer(family, placement, position.consumer, position.config, start, position.source)
        )
        made[position.key] = start
    await keep_by_interest(door, family, placement)
    return made


def carrying(family: StreamFamily, placement: StreamPlacement, *, from_: str) -> Iterable[str]:
    """The same by hand: the two streams are equal, so a consumer goes on at its own floor."""
    there = family.at(from_)
    if there is None:
        return
    for consumer in family.origin.stream.consumers:
        asked = (from_, f"CONSUMER.INFO.{there.name}.{consumer.name}", "")
        yield from _positioned(placement, consumer, asked, _INFO)
    yield from keeping_by_interest(family, placement)


HELD_UNTIL = "2100-01-01T00:00:00Z"

_POSITION = ".message.data | @base64d | fromjson | {config, start: (.floor + 1)}"
_INFO = "{config, start: (.ack_floor.stream_seq + 1)}"


def _positioned(
    placement: StreamPlacement, consumer: Consumer, asked: tuple[str, str, Mapping[str, Any] | str], position: str
) -> Iterable[str]:
    """Created as it was, then set to its position: ``asked`` is the request that tells it, ``position`` reads it."""
    region, call, body = asked

    def known(program: str) -> str:
        return read(region, call, f"{position} | {program}", body)

    where = f"{placement.name}.{consumer.name}"
    kept = ".config | del(.metadata)"
    known_to = supports(placement.cluster.version, Feature.CONSUMER_RESET) is not Support.NO
    resets = known_to and may_be_set(consumer_config(consumer), 1)
    if not resets:
        kept += ' | del(.opt_start_time) | .deliver_policy = "by_start_sequence" | .opt_start_seq = $start'
    else:
        kept += f' | .pause_until = "{HELD_UNTIL}"'
    created = f"{{stream_name: {json.dumps(placement.name)}, config: (.start as $start | {kept})}}"
    yield changed(placement.region, f"CONSUMER.CREATE.{where}", f'"$({known(created)})"')
    if resets:
        yield changed(placement.region, f"CONSUMER.RESET.{where}", f'"$({known("{seq: .start}")})"')
        yield changed(placement.region, f"CONSUMER.PAUSE.{where}", {})


def _configured(family: StreamFamily, name: str) -> Mapping[str, Any]:
    consumers = family.origin.stream.consumers
    return consumer_config(next((one for one in consumers if one.name == name), Consumer(name)))


async def restore(door: StreamsDoor, wanted: WantedConsumer) -> None:
    """One that somebody made meanwhile is moved where it stands elsewhere, and kept where it has gone on.

    Where the server can set a position, its configuration stays its application's own, so that the application's
    create changes nothing and succeeds. Until it is set the consumer is paused: whoever waits for messages would be
    given the stream's first ones.
    """
    stream, name = wanted.placement.name, wanted.name
    resets = supports(door.version, Feature.CONSUMER_RESET) is Support.YES and may_be_set(wanted.config, wanted.start)
    there = await door.consumer(stream, name)
    if there is None and resets:
        await door.create_consumer(stream, recreated(wanted.config, name) | {"pause_until": HELD_UNTIL})
        there = await door.consumer(stream, name)
    if there is None or not _stands(there, wanted.start):
        await _put(door, wanted, there, resets=resets)
    if there is not None and there.config.get("pause_until") == HELD_UNTIL:
        await door.pause_consumer(stream, name, str(wanted.config.get("pause_until") or ""))


async def _put(door: StreamsDoor, wanted: WantedConsumer, there: ConsumerState | None, *, resets: bool) -> None:
    stream, name = wanted.placement.name, wanted.name
    await _purge_done(door, wanted)
    if resets:
        await door.reset_consumer(stream, name, wanted.start)
    else:
        await _start_anew(door, wanted, there)
    made = await door.consumer(stream, name)
    if made is None or made.floor + 1 < wanted.start:
        raise failed(
            f"the consumer {wanted.key} was changed after it was created", "find out who else creates it, then resume"
        )


def _stands(there: ConsumerState, start: int) -> bool:
    """One that delivered nothing yet stands right nowhere else, such as at the end by its deliver policy."""
    return there.floor + 1 == start or (there.floor + 1 > start and not there.untouched)


async def _purge_done(door: StreamsDoor, wanted: WantedConsumer) -> None:
    """What it had done of a work queue, and nothing of what other consumers have still to do."""
    if wanted.family.origin.stream.retention is Retention.WORKQUEUE and wanted.start > 1:
        for subject in filters_of(wanted.config):
            await door.purge(wanted.placement.name, below=wanted.start, subject=subject)


async def _start_anew(door: StreamsDoor, wanted: WantedConsumer, there: ConsumerState | None) -> None:
    """Below 2.14, and for one that does not deliver all, a position is a part of the configuration."""
    stream, name = wanted.placement.name, wanted.name
    if there is not None:
        await door.delete_consumer(stream, name)
    queue = wanted.family.origin.stream.retention is Retention.WORKQUEUE
    plain = recreated(wanted.config, name)
    await door.create_consumer(stream, plain if queue else started_at(wanted.config, name, wanted.start))
