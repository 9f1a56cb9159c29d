"""Consumer positions that survive a region: a mirror carries no consumers, so their floors are copied beside it.

One message per consumer on a stream of the standby, the newest only. Read after a loss, a position is at most one
interval old: what was processed since is processed again, nothing is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from secondsite.backup.strict import parse, structure
from secondsite.model.errors import MachineError
from secondsite.operate.consumer_config import is_users
from secondsite.operate.layout import StreamFamily
from secondsite.operate.world import StreamsDoor, World
from secondsite.strategies.rights import POSITIONS

STREAM = POSITIONS
_PREFIX = "secondsite.positions"


def position_subject(stream: str, consumer: str) -> str:
    return f"{_PREFIX}.{stream}.{consumer}"


@frozen
class Position:
    """``floor``: everything up to this stream sequence is acknowledged. ``at`` is the wall clock, 0 for now."""

    stream: str
    consumer: str
    floor: int
    config: Mapping[str, Any]
    source: str
    at: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.stream}/{self.consumer}"

    def facts(self) -> dict[str, Any]:
        return {"floor": self.floor, "config": dict(self.config), "source": self.source, "at": self.at}


@frozen
class _Noted:
    """What a message of the stream holds."""

    floor: int
    config: dict[str, Any]
    at: float


async def replicate_positions(world: World, families: tuple[StreamFamily, ...], source: str, target: str) -> int:
    """Copy the floors of every durable consumer in ``source`` once; how many. Raises MachineError."""
    async with world.streams(source) as origin, world.streams(target) as door:
        placements = [family.at(target) for family in families]
        replicas = max((one.stream.replicas for one in placements if one), default=1)
        clusters = {one.cluster.name for one in placements if one and one.cluster.gateways}
        await make_positions(door, replicas, next(iter(clusters), ""))
        count = 0
        for family in families:
            there = family.at(source)
            if there is not None and await origin.stream(there.name) is not None:
                count += await copy_positions(origin, door, family.name, there.name, world.clock.wall())
    return count


async def copy_positions(origin: StreamsDoor, door: StreamsDoor, family: str, stream: str, wall: float) -> int:
    """Of one stream's durable consumers; how many. Raises MachineError where one was not stored."""
    count = 0
    for consumer in await origin.consumers(stream):
        if is_users(consumer.config):
            body = {"floor": consumer.floor, "config": dict(consumer.config), "at": wall}
            answer = await door.publish(position_subject(family, consumer.name), json.dumps(body).encode(), {})
            if answer.code:
                what = f"the position of {family}/{consumer.name} is not stored: {answer.why} ({answer.code})"
                raise MachineError.at("", what, f"see the stream {STREAM}")
            count += 1
    return count


async def make_positions(door: StreamsDoor, replicas: int, cluster: str) -> None:
    """The stream that holds them, where it is missing yet. ``cluster`` places it in a super-cluster."""
    if await door.stream(STREAM) is not None:
        return
    config: dict[str, Any] = {
        "name": STREAM,
        "subjects": [f"{_PREFIX}.>"],
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "allow_direct": True,
        "storage": "file",
    }
    await door.create(config | ({"placement": {"cluster": cluster}} if cluster else {}))


async def read_positions(door: StreamsDoor) -> tuple[Position, ...]:
    """What was replicated, from the side that survived."""
    state = await door.stream(STREAM)
    if state is None:
        return ()
    positions: dict[str, Position] = {}
    async for message in door.copied(STREAM, state.first_seq, state.last_seq):
        try:
            stream, consumer = message.subject.removeprefix(f"{_PREFIX}.").split(".", 1)
            body = structure(parse(message.data), _Noted)
            if not 0 <= body.floor < 2**64:
                continue
            position = Position(stream, consumer, body.floor, body.config, "replicated", body.at)
        except ValueError:
            continue  # somebody else's: a consumer without a position goes on from the first message
        positions[position.key] = position
    return tuple(positions.values())
