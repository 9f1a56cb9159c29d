"""A failover and a failback by nobody but a person: every command as the runbook prints it, on real servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from attrs import evolve
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, make_world, stream_named, synchronised
from typed_commands import Typist

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import Retention
from secondsite.model.procedure import Procedure, Verb
from secondsite.operate.action import ManualContext
from secondsite.operate.layout import families
from secondsite.operate.positions import replicate_positions
from secondsite.operate.verbs import commands
from secondsite.publish.runbook.by_hand import checks
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
LEAF = "warm-standby/leafnode-mirror"
ELSEWHERE = (Verb.PROMOTE_STORES, Verb.FOLLOW_STORES, Verb.VERIFY_SECRETS)
"""What needs databases and a cluster is typed in `test_page_by_hand.py`."""


def type_all(typist: Typist, deployment: Deployment, procedure: Procedure, fault: Fault | None) -> None:
    """Step by step; a step that needs the lost region may fail, as the runbook says of it."""
    context = ManualContext(deployment, procedure, HOME if fault is None else AWAY, fault)
    needs_home = (Verb.DETECT, Verb.DECIDE, Verb.FENCE)
    for step in procedure.steps:
        if step.verb in ELSEWHERE or (fault is not None and step.verb in needs_home):
            continue
        done = typist.type(commands(context, step))
        assert done.returncode == 0, (step.id, done.stderr, done.stdout, commands(context, step))
        for check in checks(context, step):
            shown = typist.type((check,))
            assert shown.returncode == 0, (step.id, check, shown.stderr, shown.stdout)


def test_over_and_back_by_hand(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """Nothing is lost, what was processed is not processed again, and the roles are as before."""
    wanted = evolve(stream_named("W"), retention=Retention.INTEREST)
    deployment = deployment_of(kit, LEAF, stream_named("H"), wanted)
    ready = evolve(kit, system=deployment.system)
    typist = Typist(tmp_path, {region: pair.url(region) for region in (HOME, AWAY)})
    typist.prepare()
    asyncio.run(_prepare(pair, deployment, tmp_path))
    pair.kill(HOME)
    try:
        type_all(typist, deployment, failover(deployment, ready, Fault.REGION), Fault.REGION)
        asyncio.run(_write_in(pair, AWAY))
        assert asyncio.run(_wanted(pair, AWAY)) == ("interest", 4)
    finally:
        pair.start(HOME)
    type_all(typist, deployment, failback(deployment, ready), None)
    assert asyncio.run(_ids(pair, HOME)) == [f"e.H.x-{n}" for n in (*range(20), *range(50, 55))]
    assert asyncio.run(_roles(pair)) == (("e.H.>",), True, 13)
    assert asyncio.run(_wanted(pair, HOME)) == ("interest", 4)


async def _prepare(pair: Pair, deployment: Deployment, folder: Path) -> None:
    await create(pair, deployment)
    await fill(pair, HOME, "e.H.x", 20)
    await fill(pair, HOME, "e.W.x", 4)
    await synchronised(pair, deployment)
    async with door(pair, HOME) as home:
        subscription = await home.jetstream.connection.client.jetstream().pull_subscribe("", "worker", "H")
        for message in await subscription.fetch(12, timeout=30):
            await message.ack_sync()
    await replicate_positions(make_world(pair, folder), families(deployment), HOME, AWAY)


async def _write_in(pair: Pair, region: str) -> None:
    await fill(pair, region, "e.H.x", 5, start=50)
    async with door(pair, region) as there:
        worker = await there.consumer("H", "worker")
    assert worker
    assert worker.pending == 13


async def _wanted(pair: Pair, region: str) -> tuple[str, int]:
    """What a stream with interest retention keeps for its consumer."""
    async with door(pair, region) as there:
        state, worker = await there.stream("W"), await there.consumer("W", "worker")
    assert state
    assert worker
    return state.config["retention"], worker.pending


async def _ids(pair: Pair, region: str) -> list[str]:
    async with door(pair, region) as there:
        return [message.headers["Nats-Msg-Id"] async for message in there.messages("H", 1, 100)]


async def _roles(pair: Pair) -> tuple[tuple[str, ...], bool, int]:
    async with door(pair, HOME) as home, door(pair, AWAY) as away:
        look, copy, worker = await home.stream("H"), await away.stream("H"), await home.consumer("H", "worker")
    assert look
    assert copy
    assert worker
    return look.subjects, copy.is_mirror, worker.pending
