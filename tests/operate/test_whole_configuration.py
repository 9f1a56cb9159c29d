"""A configuration that was read comes out whole of everything: file, standby, promotion, failback. On real servers.

``tests/cases/streams.json`` holds what people set; every field of it is compared as the server tells it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, field, frozen
from region_pair import AWAY, HOME, Pair, create, door, fill, make_world, synchronised

from secondsite.discover.live import cluster_from_live
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.writing import write_system
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.jetstream_config import own_metadata
from secondsite.model.strategy import Strategy
from secondsite.nats.inspect import inspect
from secondsite.nats.options import ConnectOptions
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import families
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.operate.positions import replicate_positions
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow

CASES = json.loads((Path(__file__).parent.parent / "cases" / "streams.json").read_text("utf-8"))
PLAIN = {
    "stream": {"name": "A", "subjects": ["e.A.>"]},
    "consumers": [{"durable_name": "worker", "ack_policy": "explicit"}],
}
ALLOWED = frozenset({"interest-without-consumers", "unfenced"})
MOVED = ("deliver_policy", "opt_start_seq", "opt_start_time")
"""A consumer goes on at a position."""

Configs = dict[str, dict[str, Any]]


def mirrorable(stream: Mapping[str, Any]) -> dict[str, Any] | None:
    """Servers refuse the mirror's own consumer where consumers have a limit of unacknowledged messages (10082)."""
    if stream.get("allow_msg_counter"):
        return None
    limits = {key: value for key, value in stream.get("consumer_limits", {}).items() if key != "max_ack_pending"}
    return {**stream, "consumer_limits": limits}


async def set_up(pair: Pair) -> None:
    """As their owners made them."""
    async with door(pair, HOME) as home:
        for case in (PLAIN, *CASES):
            stream = mirrorable(case["stream"])
            if stream is None:
                continue
            await home.create(stream)
            for consumer in case["consumers"]:
                name = consumer["durable_name"]
                await home.create_consumer(case["stream"]["name"], {**consumer, "name": name})


async def read(pair: Pair, region: str) -> tuple[Configs, Configs]:
    """Every stream, every consumer, as the server tells it, without what the server adds."""
    streams: Configs = {}
    consumers: Configs = {}
    async with door(pair, region) as there:
        for info in await there.jetstream.pages("STREAM.LIST", "streams"):
            config = info["config"]
            if config["name"].startswith("secondsite-"):
                continue
            streams[config["name"]] = {**config, "metadata": own_metadata(config)}
            for consumer in await there.consumers(config["name"]):
                key = f"{config['name']}/{consumer.name}"
                consumers[key] = {**consumer.config, "metadata": own_metadata(consumer.config)}
    return streams, consumers


def differences(before: Configs, after: Configs, moved: tuple[str, ...] = ()) -> Mapping[str, Any]:
    return {
        f"{name}.{key}": (before[name].get(key), after.get(name, {}).get(key))
        for name in before
        for key in {*before[name], *after.get(name, {})} - set(moved)
        if before[name].get(key) != after.get(name, {}).get(key)
    }


async def laid_out(pair: Pair, kit: Kit) -> Deployment:
    """What `init` reads of the live server, through the file, in two regions."""
    live = await inspect(pair.url(HOME), options=ConnectOptions(sample_s=0), monitor=None)
    cluster, _ = cluster_from_live(live)
    system = evolve(kit.system, nats=(evolve(cluster, name="nats", service="nats"),))
    kept = read_system(write_system(system), "secondsite.yaml")
    assert kept.nats[0].streams == system.nats[0].streams
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), evolve(kit, system=kept))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """The link carries none of the streams' subjects, as `render` has it."""
    subjects = [subject for case in (PLAIN, *CASES) for subject in case["stream"].get("subjects", ())]
    found = Pair(tmp_path, denied=tuple(subjects))
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


@frozen
class Walk:
    """There and back."""

    deployment: Deployment
    kit: Kit
    world: LiveWorld
    folder: Path
    options: Options = field(default=Options(allowed=ALLOWED))

    async def over(self) -> OperationOutcome:
        with Journal(self.folder / "over.jsonl", self.world.clock) as journal:
            procedure = failover(self.deployment, self.kit, Fault.REGION)
            return await execute(procedure, self.deployment, self.world, journal, options=self.options)

    async def back(self) -> OperationOutcome:
        procedure = failback(self.deployment, self.kit)
        plan = await make_plan(procedure, self.deployment, self.world, allowed=ALLOWED)
        with Journal(self.folder / "back.jsonl", self.world.clock) as journal:
            options = evolve(self.options, approved=plan.hash)
            return await execute(procedure, self.deployment, self.world, journal, options=options)


def test_a_configuration_comes_out_whole(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    asyncio.run(set_up(pair))
    streams, consumers = asyncio.run(read(pair, HOME))
    deployment = asyncio.run(laid_out(pair, kit))
    asyncio.run(create(pair, deployment))  # at home all exists already: a request that differs would be refused
    assert differences(streams, asyncio.run(read(pair, HOME))[0]) == {}
    asyncio.run(fill(pair, HOME, "e.A.x", 5))
    asyncio.run(synchronised(pair, deployment))
    world = make_world(pair, tmp_path, "e.A.path")
    asyncio.run(replicate_positions(world, families(deployment), HOME, AWAY))
    walk = Walk(deployment, evolve(kit, system=deployment.system), world, tmp_path)

    pair.kill(HOME)
    outcome = asyncio.run(walk.over())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    there, theirs = asyncio.run(read(pair, AWAY))
    assert differences(streams, there) == {}
    assert differences(consumers, theirs, MOVED) == {}

    pair.start(HOME)
    outcome = asyncio.run(walk.back())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    again, ours = asyncio.run(read(pair, HOME))
    assert differences(streams, again) == {}
    assert differences(consumers, ours, MOVED) == {}
