"""How many writes a second a step would stop, as the plan says it to whoever approves."""

from __future__ import annotations

import asyncio

from attrs import evolve
from fake_world import FakeWorld
from odd_world import HOME, context_of, failover_of, layout

from secondsite.model.nats import Stream, StreamOrigin
from secondsite.operate.epoch import SAMPLE_S, ServiceStop, measured, read_sides
from secondsite.strategies.design import Kit


class _Written(FakeWorld):
    """Fifty writes to EVENTS in each sample, which ALL and MIX source; MIX takes ten of its own."""

    def monotonic(self) -> float:
        return self.slept_s

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        for name, more in (("EVENTS", 50), ("ALL", 50), ("MIX", 60)) if seconds else ():
            self.regions[HOME][name].last_seq += more


def test_what_a_stream_sources_is_nobody_s_write(kit: Kit) -> None:
    """It was counted where it was written, and again in each stream that sources it."""
    sources = (StreamOrigin("EVENTS"),)
    cluster = kit.system.nats[0]
    events = next(stream for stream in cluster.streams if stream.name == "EVENTS")
    more = (Stream("ALL", sources=sources), Stream("MIX", subjects=("m.>",), sources=sources))
    own = evolve(kit, system=evolve(kit.system, nats=(evolve(cluster, streams=(events, *more)),)))
    deployment = layout(own)
    over, world = failover_of(deployment, own), _Written(deployment, set())
    context = context_of(world, over)

    async def stop() -> ServiceStop:
        sides = await read_sides(context)
        return await measured(context, ServiceStop(HOME, ("EVENTS", "ALL", "MIX")), sides)

    stopped = asyncio.run(stop())
    assert stopped.writes_per_s == 60 / SAMPLE_S
