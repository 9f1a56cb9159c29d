"""Consumer positions are there when they are needed: with the first region dead, and no meta leader anywhere."""

from __future__ import annotations

import asyncio
import time

import pytest
from region_pair import AWAY, HOME

from secondsite.drill.play.lab_world import LabPlaces, place
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.strategy import Strategy
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import families
from secondsite.operate.live import LiveWorld
from secondsite.operate.positions import STREAM, read_positions, replicate_positions
from secondsite.operate.world import Decision
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
NO_META_LEADER = 10008


async def _refused(door: StreamApi) -> None:
    """Returns when a stream's leader no longer gives out a message, as it misses the meta leader."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            await door.message(STREAM, 1)
        except RefusedError as refused:
            if refused.code == NO_META_LEADER:
                return
        await asyncio.sleep(0.2)
    raise AssertionError("the meta group still has a leader")


def test_positions_are_read_without_a_meta_leader(kit: Kit) -> None:
    """A message of a stream that is asked of its leader is refused then; its replicas tell."""
    deployment = lay_out(Strategy.parse("warm-standby/supercluster-mirror"), kit)
    durables = {
        f"{family.name}/{consumer.name}"
        for family in families(deployment)
        for consumer in family.origin.stream.consumers
    }
    assert durables

    async def run() -> None:
        async with Lab.up(deployment, LabOptions(services=False)) as lab:
            world = LiveWorld(regions=LabPlaces(lab, AWAY), decision=Decision("tester", time.time(), "a test"))
            assert await replicate_positions(world, families(deployment), HOME, AWAY) == len(durables)
            await lab.kill_region(HOME)
            async with place(lab, AWAY).open() as opened:
                door = StreamApi(opened)
                await _refused(door)
                assert {position.key for position in await read_positions(door)} == durables

    asyncio.run(run())
