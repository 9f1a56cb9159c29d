"""Consumers in the other region: where they stood, as their application made them, and with nothing lost for others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named

from secondsite.model.nats import Consumer, Retention, Stream
from secondsite.nats.streams import ConsumerState, StreamApi
from secondsite.operate.actions.consumers import WantedConsumer, restore
from secondsite.operate.actions.record import live_positions
from secondsite.operate.consumer_config import filters_of, is_users
from secondsite.operate.layout import StreamFamily, StreamPlacement, families
from secondsite.operate.positions import read_positions, replicate_positions
from secondsite.strategies.design import Kit

LEAF = "warm-standby/leafnode-mirror"
MINE: dict[str, Any] = {"durable_name": "worker", "ack_policy": "explicit", "deliver_policy": "all", "max_deliver": -1}


def test_filters_are_all_that_a_consumer_takes() -> None:
    assert filters_of({}) == ("",)
    assert filters_of({"filter_subject": "jobs.a"}) == ("jobs.a",)
    assert filters_of({"filter_subjects": ["jobs.a", "jobs.c"]}) == ("jobs.a", "jobs.c")
    assert filters_of({"filter_subjects": [">"]}) == ("",)


def test_consumers_of_mirrors_are_nobodys() -> None:
    assert is_users({"durable_name": "worker"})
    assert not is_users({"name": "an-ephemeral-one"})
    assert not is_users({"durable_name": "JS_MIRROR_KqLeXvAs", "sourcing": True})


@pytest.mark.slow
def test_of_a_work_queue_only_what_a_consumer_has_done_is_purged(pair: Pair, kit: Kit) -> None:
    """One consumer has done 30 jobs on two subjects, another has eight left between them."""
    queue = Stream("JOBS", subjects=("e.jobs.>",), retention=Retention.WORKQUEUE, consumers=(Consumer("b"),))
    family = _family(kit, queue)

    async def run() -> list[str]:
        async with door(pair, AWAY) as away:
            await away.create({"name": "JOBS", "subjects": ["e.jobs.>"], "retention": "workqueue"})
            for number in range(10):
                for subject in ("a", "b", "c"):
                    await fill(pair, AWAY, f"e.jobs.{subject}", 1, start=number)
            config = {"filter_subjects": ["e.jobs.a", "e.jobs.c"], "ack_policy": "explicit", "durable_name": "ac"}
            held = _at_away(family)
            await restore(away, WantedConsumer(family, held, "ac", config, 31, "replicated"))
            left = {"filter_subject": "e.jobs.b", "ack_policy": "explicit", "durable_name": "b"}
            await restore(away, WantedConsumer(family, held, "b", left, 7, "replicated"))
            return [message.subject async for message in away.messages("JOBS", 1, 30)]

    assert asyncio.run(run()) == ["e.jobs.b"] * 8


@pytest.mark.slow
def test_the_applications_own_create_succeeds_after_a_failover(pair: Pair, kit: Kit) -> None:
    """It goes on at its position whatever its deliver policy; one that delivers all keeps its configuration."""
    family = _family(kit, stream_named("C"))

    async def run() -> None:
        async with door(pair, AWAY) as away:
            await away.create({"name": "C", "subjects": ["e.C.>"]})
            await fill(pair, AWAY, "e.C.x", 20)
            for policy in ("all", "new"):
                mine = {**MINE, "durable_name": policy, "deliver_policy": policy}
                for _ in range(2):
                    await restore(away, WantedConsumer(family, _at_away(family), policy, mine, 13, "replicated"))
                if policy == "all":
                    await away.create_consumer("C", {**mine, "name": policy})
                assert await _next(away, policy) == 13
                again = WantedConsumer(family, _at_away(family), policy, mine, 13, "replicated")
                await restore(away, again)
                assert await _next(away, policy) == 14

    asyncio.run(run())


@pytest.mark.slow
def test_nobody_is_given_the_first_messages_before_the_position_is_set(pair: Pair, kit: Kit) -> None:
    """A worker waits for its consumer to be there, as workers do, and asks again and again."""
    family = _family(kit, Stream("FIRST", subjects=("e.first.>",), consumers=(Consumer("worker"),)))

    async def run() -> tuple[list[str], ConsumerState | None]:
        async with door(pair, AWAY) as away, pair.place(AWAY).open() as opened:
            await away.create({"name": "FIRST", "subjects": ["e.first.>"]})
            await fill(pair, AWAY, "e.first.a", 50)
            worker = opened.connection.client
            inbox = worker.new_inbox()
            given = await worker.subscribe(inbox)
            asking = asyncio.create_task(_ask_always(worker, inbox))
            await restore(away, WantedConsumer(family, _at_away(family), "worker", MINE, 41, "replicated"))
            found: list[str] = []
            while len(found) < 10:
                message = await given.next_msg(timeout=10)
                if message.reply:
                    found.append(message.reply.split(".")[-4])
            asking.cancel()
            return found, await away.consumer("FIRST", "worker")

    given, state = asyncio.run(run())
    assert given == [str(sequence) for sequence in range(41, 51)]
    assert state
    assert "pause_until" not in state.config


async def _ask_always(client: Client, inbox: str) -> None:
    while True:
        await client.publish("$JS.API.CONSUMER.MSG.NEXT.FIRST.worker", b'{"batch": 100, "expires": 1000000000}', inbox)
        await asyncio.sleep(0)


@pytest.mark.slow
def test_a_mirrors_own_consumer_is_not_copied(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """On a work queue it is a durable, beside those of the application."""
    queue = Stream("Q", subjects=("e.Q.>",), retention=Retention.WORKQUEUE, consumers=(Consumer("worker"),))
    deployment = deployment_of(kit, LEAF, queue)

    async def run() -> tuple[set[str], set[str]]:
        await create(pair, deployment)
        world = make_world(pair, tmp_path)
        await replicate_positions(world, families(deployment), HOME, AWAY)
        async with door(pair, HOME) as home, door(pair, AWAY) as away:
            held = families(deployment)[0].at(HOME)
            assert held
            live = await live_positions(home, families(deployment)[0], held)
            copied = [one for one in await read_positions(away) if one.stream == "Q"]
        return {one.consumer for one in live}, {one.consumer for one in copied}

    assert asyncio.run(run()) == ({"worker"}, {"worker"})


async def _next(door: StreamApi, name: str) -> int:
    subscription = await door.jetstream.connection.client.jetstream().pull_subscribe_bind(name, "C")
    (message,) = await subscription.fetch(1, timeout=30)
    await message.ack_sync()
    return int(message.metadata.sequence.stream)


def _family(kit: Kit, stream: Stream) -> StreamFamily:
    return families(deployment_of(kit, LEAF, stream))[0]


def _at_away(family: StreamFamily) -> StreamPlacement:
    held = family.at(AWAY)
    assert held
    return held
