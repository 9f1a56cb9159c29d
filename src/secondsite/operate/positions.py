"""Consumer positions that survive a region: a mirror carries no consumers, so their floors are copied beside it.

One message per consumer on a stream of the standby, the newest only. Read after a loss, a position is at most one
interval old: what was processed since is processed again, nothing is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.operate.consumer_config import is_users
from secondsite.operate.layout import StreamFamily
from secondsite.operate.world import StreamsDoor, World

STREAM = "secondsite-positions"
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


async def replicate_positions(world: World, families: tuple[StreamFamily, ...], source: str, target: str) -> int:
    """Copy the floors of every durable consumer in ``source``; how many. Raises MachineError."""
    async with world.streams(source) as origin, world.streams(target) as door:
        if await door.stream(STREAM) is None:
            await door.create(_config(families, target))
        count = 0
        for family in families:
            held = family.at(source)
            if held is None or await origin.stream(held.name) is None:
                continue
            for found in await origin.consumers(held.name):
                if is_users(found.config):
                    body = {"floor": found.floor, "config": dict(found.config), "at": world.clock.wall()}
                    await door.publish(position_subject(family.name, found.name), json.dumps(body).encode(), {})
                    count += 1
    return count


async def keep_positions(
    world: World, families: tuple[StreamFamily, ...], source: str, target: str, interval_s: float
) -> None:
    """Until cancelled. A round that fails is tried again at the next interval: the positions grow older meanwhile."""
    while True:
        with suppress(MachineError):
            await replicate_positions(world, families, source, target)
        await world.clock.sleep(interval_s)


async def read_positions(door: StreamsDoor) -> tuple[Position, ...]:
    """What was replicated, from the side that survived."""
    look = await door.stream(STREAM)
    if look is None:
        return ()
    found: dict[str, Position] = {}
    async for message in door.copied(STREAM, look.first_seq, look.last_seq):
        try:
            stream, consumer = message.subject.removeprefix(f"{_PREFIX}.").split(".", 1)
            body = json.loads(message.data)
            floor, config = int(body["floor"]), dict(body["config"])
            position = Position(stream, consumer, floor, config, "replicated", float(body["at"]))
        except (ValueError, KeyError, TypeError):
            continue  # somebody else's: a consumer without a position goes on from the first message
        found[position.key] = position
    return tuple(found.values())


def _config(families: tuple[StreamFamily, ...], region: str) -> dict[str, Any]:
    """As many replicas as the streams whose positions these are."""
    held = [family.at(region) for family in families]
    replicas = max((one.stream.replicas for one in held if one), default=1)
    clusters = {one.cluster.name for one in held if one and one.cluster.gateways}
    placement = {"placement": {"cluster": next(iter(clusters))}} if clusters else {}
    return {
        "name": STREAM,
        "subjects": [f"{_PREFIX}.>"],
        "num_replicas": replicas,
        "max_msgs_per_subject": 1,
        "allow_direct": True,
        "storage": "file",
        **placement,
    }
