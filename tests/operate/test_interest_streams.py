"""A stream that is kept by interest, over and back: nothing that a consumer still wants is gone, nothing is done twice.

Its mirror keeps by limits: by interest it would keep nothing, as the consumers stand on the other side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from attrs import evolve
from nats_world import binary_of, fetched
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, synchronised
from there_and_back import Walk

import nats
from secondsite.lab.nats_binary import resolve
from secondsite.model.deployment import Deployment
from secondsite.model.nats import Consumer, Discard, Retention, Stream
from secondsite.operate.layout import families
from secondsite.operate.live import LiveWorld
from secondsite.operate.positions import replicate_positions
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow

LEAF = "warm-standby/leafnode-mirror"
WANTED = Stream(
    "WANTED",
    subjects=("e.wanted.*",),
    retention=Retention.INTEREST,
    discard=Discard.NEW,
    max_messages=25,
    consumers=(
        Consumer("all", ack_policy="explicit"),
        Consumer("b", ack_policy="explicit", filter_subject="e.wanted.b"),
    ),
)


@pytest.fixture(params=("2.12", "2.15"))
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """A newer server drops at once what all have done, an older one keeps it."""
    found = Pair(tmp_path, binary=binary_of(resolve(request.param)))
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


async def done(pair: Pair, region: str, counts: Mapping[str, int]) -> dict[str, list[int]]:
    """So many messages acknowledged by each consumer; the sequences that it got."""
    client, got = await nats.connect(pair.url(region)), {}
    for name, count in counts.items():
        waiting = await client.jetstream().pull_subscribe_bind(name, stream="WANTED")
        messages = await fetched(waiting, count)
        for message in messages:
            await message.ack_sync()
        got[name] = [message.metadata.sequence.stream for message in messages]
    await client.close()
    return got


async def kept(pair: Pair, region: str) -> tuple[str, str, int]:
    async with door(pair, region) as there:
        state = await there.stream("WANTED")
    assert state is not None
    return state.config["retention"], state.config["discard"], state.config["max_msgs"]


def test_over_and_back_each_consumer_goes_on_and_nothing_it_wants_is_gone(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    deployment = deployment_of(kit, LEAF, WANTED)
    asyncio.run(create(pair, deployment))
    world = make_world(pair, tmp_path, "e.wanted.path")
    walk = Walk(deployment, evolve(kit, system=deployment.system), world, tmp_path)

    asyncio.run(_begun(pair, world, deployment))
    pair.kill(HOME)
    outcome = asyncio.run(walk.over())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    assert asyncio.run(kept(pair, AWAY)) == ("interest", "new", 25)
    got = asyncio.run(done(pair, AWAY, {"all": 5, "b": 3}))
    assert got == {"all": [16, 17, 18, 19, 20], "b": [12, 14, 16]}

    pair.start(HOME)
    outcome = asyncio.run(walk.back())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    assert asyncio.run(kept(pair, HOME)) == ("interest", "new", 25)
    assert asyncio.run(done(pair, HOME, {"b": 2})) == {"b": [18, 20]}


async def _begun(pair: Pair, world: LiveWorld, deployment: Deployment) -> None:
    """Twenty messages; one consumer has done fifteen of them, the other five of its ten."""
    for number in range(20):
        await fill(pair, HOME, "e.wanted.b" if number % 2 else "e.wanted.a", 1, start=number)
    await synchronised(pair, deployment)
    await done(pair, HOME, {"all": 15, "b": 5})
    await replicate_positions(world, families(deployment), HOME, AWAY)
