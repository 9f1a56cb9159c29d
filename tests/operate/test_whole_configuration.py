"""A configuration that was read comes out whole of everything: file, standby, promotion, failback. On real servers.

``tests/cases/streams.json`` holds what people set, `drawn_streams` what may be set at all; every field is compared as
the server tells it, on one server of each minor. Below 2.12 no mirror is promoted: there all of it is created anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from drawn_streams import drawn
from nats_world import binary_of
from region_pair import AWAY, HOME, Pair, door, fill, linked, make_world, synchronised
from there_and_back import Walk

from secondsite.discover.live import cluster_from_live
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.writing import write_system
from secondsite.lab.nats_binary import resolve
from secondsite.model.deployment import Deployment
from secondsite.model.field_support import CONSUMER_FIELDS, STREAM_FIELDS, missing
from secondsite.model.jetstream_config import dropped, own_metadata, stream_of
from secondsite.model.nats import Consumer, NatsCluster, Retention, Stream
from secondsite.model.nats_release import Version, parse_version
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.nats.inspect import inspect
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.options import ConnectOptions
from secondsite.operate.layout import families
from secondsite.operate.positions import replicate_positions
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.mirrorable import unmirrorable, why_unmirrorable
from secondsite.strategies.stream_config import consumer_config, stream_config

pytestmark = pytest.mark.slow

CASES = json.loads((Path(__file__).parent.parent / "cases" / "streams.json").read_text("utf-8"))
PLAIN = {
    "stream": {"name": "A", "subjects": ["e.A.>"]},
    "consumers": [{"durable_name": "worker", "ack_policy": "explicit"}],
}
MINORS = ("2.10", "2.11", "2.12", "2.14", "2.15")
PROMOTING = MINORS[2:]
DRAWN, WALKED = 24, 8
"""Streams drawn where they are only created anew, and where they go over and back."""
MOVED = ("deliver_policy", "opt_start_seq", "opt_start_time")
"""A consumer goes on at a position."""

Json = dict[str, Any]
Configs = dict[str, Json]


def minor_of(version: str) -> tuple[int, int]:
    return (parse_version(version) or (0, 0, 0))[:2]


async def made(pair: Pair, stream: Json, consumers: list[Json], *, promoting: bool) -> bool:
    """Whether the server took the stream, and its consumers. What it drops unsaid is held against its release."""
    if promoting and unmirrorable(stream_of(stream), NatsCluster("nats")):
        return await _made_elsewhere(pair, stream)
    name = stream["name"]
    async with door(pair, HOME) as home:
        try:
            await home.create(stream)
            for consumer in consumers:
                await home.create_consumer(name, {**consumer, "name": consumer["durable_name"]})
        except RefusedError:
            return False
        state = await home.stream(name)
        kept = {one.name: one.config for one in await home.consumers(name)}
    assert state is not None
    _told(stream, state.config, STREAM_FIELDS, home.version)
    for consumer in consumers:
        _told(consumer, kept[consumer["durable_name"]], CONSUMER_FIELDS, home.version)
    return True


async def _made_elsewhere(pair: Pair, stream: Json) -> bool:
    """What no mirror carries, such as a counter, is created in the other region as a backup or a stretch has it."""
    name, cluster = stream["name"], NatsCluster("nats")
    async with door(pair, HOME) as home, door(pair, AWAY) as away:
        try:
            await home.create(stream)
        except RefusedError:
            return False
        here = await home.stream(name)
        assert here is not None
        _told(stream, here.config, STREAM_FIELDS, home.version)
        await away.create(stream_config(stream_of(here.config), cluster))
        there = await away.stream(name)
        assert there is not None
        before, after = ({name: {**one.config, "metadata": own_metadata(one.config)}} for one in (here, there))
        assert differences(before, after) == {}
        await home.delete(name)
        await away.delete(name)
    return False


def _told(asked: Json, kept: Mapping[str, Any], fields: Mapping[str, Version], version: str) -> None:
    """A field that the answer lacks is one that `audit`, `render` and every plan stop at."""
    assert set(dropped(asked, kept)) == {field for field, _ in missing(asked, fields, version)}


def set_up(pair: Pair, minor: str) -> None:
    """As their owners made them. Of what people set, all is taken by the releases that have it."""
    promoting = minor in PROMOTING
    for case in (PLAIN, *CASES):
        if minor_of(case.get("since", "2.10")) <= minor_of(minor):
            limits = {k: v for k, v in case["stream"].get("consumer_limits", {}).items() if k != "max_ack_pending"}
            stream = {**case["stream"], "consumer_limits": limits}  # 10082: with this one the mirror stays empty
            if minor == "2.12" and "sources" in stream:
                assert "10100" in why_unmirrorable([_sourcing(stream, minor)])
                stream["sources"] = [one for one in stream["sources"] if one["name"] != "JOBS"]
            taken = asyncio.run(made(pair, stream, case["consumers"], promoting=promoting))
            assert taken or unmirrorable(stream_of(stream), NatsCluster("nats")), case["what"]

    async def take(stream: Json, consumers: list[Json]) -> None:
        await made(pair, stream, consumers, promoting=promoting)

    drawn(WALKED if promoting else DRAWN, take, asyncio.run)


def _sourcing(stream: Json, minor: str) -> NatsCluster:
    queue = Stream("JOBS", retention=Retention.WORKQUEUE, consumers=(Consumer("mail"),))
    return NatsCluster("nats", version=resolve(minor), streams=(queue, stream_of(stream)))


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


async def discovered(pair: Pair, kit: Kit) -> System:
    """What `init` reads of the live server, through the file."""
    live = await inspect(pair.url(HOME), options=ConnectOptions(sample_s=0), monitor=None)
    cluster, _ = cluster_from_live(live)
    system = evolve(kit.system, nats=(evolve(cluster, name="nats", service="nats"),))
    kept = read_system(write_system(system), "secondsite.yaml")
    assert kept.nats[0].streams == system.nats[0].streams
    return kept


@pytest.fixture
def pair(minor: str, tmp_path: Path) -> Iterator[Pair]:
    """The link carries none of the streams' subjects, as `render` has it."""
    subjects = [subject for case in CASES for subject in case["stream"].get("subjects", ())]
    found = Pair(tmp_path, denied=("e.>", *subjects), binary=binary_of(resolve(minor)))
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


@pytest.mark.parametrize("minor", MINORS)
def test_a_configuration_comes_out_whole(minor: str, pair: Pair, kit: Kit, tmp_path: Path) -> None:
    set_up(pair, minor)
    streams, consumers = asyncio.run(read(pair, HOME))
    assert len(streams) > len(CASES)
    system = asyncio.run(discovered(pair, kit))
    if minor not in PROMOTING:
        asyncio.run(created(pair, system.nats[0]))
        there, theirs = asyncio.run(read(pair, AWAY))
        assert (differences(streams, there), differences(consumers, theirs)) == ({}, {})
        return
    _over_and_back(pair, evolve(kit, system=system), tmp_path, streams, consumers)


async def created(pair: Pair, cluster: NatsCluster) -> None:
    """As `restore` and a person who was given `render` do."""
    async with door(pair, AWAY) as there:
        for stream in sorted(cluster.streams, key=lambda each: bool(each.mirror or each.sources)):
            await there.create(stream_config(stream, cluster))
            for consumer in stream.consumers:
                await there.create_consumer(stream.name, consumer_config(consumer))


async def _mirrored(pair: Pair, deployment: Deployment) -> None:
    """At home all is there already: a request that differs would be refused."""
    await linked(pair)
    for cluster in deployment.clusters:
        async with door(pair, cluster.region or HOME) as there:
            for stream in cluster.streams:
                await there.create(stream_config(stream, cluster))
    await synchronised(pair, deployment)


def _over_and_back(pair: Pair, kit: Kit, folder: Path, streams: Configs, consumers: Configs) -> None:
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    asyncio.run(_mirrored(pair, deployment))
    assert differences(streams, asyncio.run(read(pair, HOME))[0]) == {}
    asyncio.run(fill(pair, HOME, "e.A.x", 5))
    asyncio.run(synchronised(pair, deployment))
    world = make_world(pair, folder, "e.A.path")
    asyncio.run(replicate_positions(world, families(deployment), HOME, AWAY))
    walk = Walk(deployment, evolve(kit, system=deployment.system), world, folder)

    pair.kill(HOME)
    outcome = asyncio.run(walk.over())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    there, theirs = asyncio.run(read(pair, AWAY))
    assert (differences(streams, there), differences(consumers, theirs, MOVED)) == ({}, {})

    pair.start(HOME)
    outcome = asyncio.run(walk.back())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    again, ours = asyncio.run(read(pair, HOME))
    assert (differences(streams, again), differences(consumers, ours, MOVED)) == ({}, {})
