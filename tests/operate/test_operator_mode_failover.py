"""Operator mode: accounts are JWTs that each region's servers were given, and the streams go over and come back."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from identities import USER, Identity, Operated
from region_pair import (
    AWAY,
    HOME,
    Pair,
    create,
    deployment_of,
    door,
    fill,
    make_world,
    stream_named,
    synchronised,
    wait_until,
)
from there_and_back import Walk

from secondsite.nats.connection import RejectedError
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.operate.layout import families
from secondsite.operate.positions import replicate_positions
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow


class OperatedPair(Pair):
    """Two regions that trust one operator. Its account is preloaded in both: neither needs the other to let it in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.operated = Operated()
        self.told = self.operated.config
        self.credentials = folder / "client.creds"
        self.operated.write_credentials(self.credentials)

    def place(self, region: str, login: str = "") -> NatsPlace:
        options = ConnectOptions(timeout_s=2, credentials=self.credentials)
        return nats_place(f"nats://127.0.0.1:{self.ports[region][0]}", options)

    def _config(self, region: str) -> str:
        port, http, leaf = self.ports[region]
        denied = json.dumps(self.denied)
        link = (
            f"leafnodes {{ listen: 127.0.0.1:{leaf} }}\n"
            if region == HOME
            else "leafnodes { reconnect: 1s, remotes: [{\n"
            f"  account: {self.operated.account.public}, credentials: {json.dumps(str(self.credentials))}\n"
            f"  urls: [nats-leaf://127.0.0.1:{self.ports[HOME][2]}]\n"
            f"  deny_imports: {denied}, deny_exports: {denied} }}] }}\n"
        )
        return (
            f"server_name: {region}\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{http}\n"
            f'jetstream {{ domain: {region}, store_dir: "{self.folder / region}" }}\n{self.told}\n{link}'
        )


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[OperatedPair]:
    found = OperatedPair(tmp_path)
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


def test_streams_go_over_and_come_back_with_accounts_from_jwts(pair: OperatedPair, kit: Kit, tmp_path: Path) -> None:
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("A"))
    world = make_world(pair, tmp_path, "e.A.path")
    walk = Walk(deployment, evolve(kit, system=deployment.system), world, tmp_path)

    async def begun() -> None:
        await create(pair, deployment)
        await fill(pair, HOME, "e.A.x", 20)
        await synchronised(pair, deployment)
        await replicate_positions(world, families(deployment), HOME, AWAY)

    asyncio.run(begun())
    pair.kill(HOME)
    outcome = asyncio.run(walk.over())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    asyncio.run(fill(pair, AWAY, "e.A.y", 10))
    pair.start(HOME)
    outcome = asyncio.run(walk.back())
    assert outcome.finished, [str(problem) for problem in outcome.problems]
    assert asyncio.run(_kept(pair)) == {"e.A.x": 20, "e.A.y": 10, "e.A.path": 2}


async def _kept(pair: OperatedPair) -> dict[str, int]:
    found: dict[str, int] = {}
    async with door(pair, HOME) as home:
        async for message in home.messages("A", 1, 1000):
            found[message.subject] = found.get(message.subject, 0) + 1
    return found


def test_writers_that_the_preloaded_account_revokes_are_let_in_by_a_reload(pair: OperatedPair, tmp_path: Path) -> None:
    """How a region is started with its writers shut out: the operator's own user gets in meanwhile."""
    operated, person = pair.operated, Identity(USER)
    by_hand = tmp_path / "person.creds"
    operated.write_credentials(by_hand, person)
    opened = operated.config
    shut = opened.replace(operated.jwts[operated.account.public], operated.without(operated.user))
    pair.kill(HOME)
    pair.told = shut
    pair.start(HOME)
    assert [asyncio.run(_gets_in(pair, creds)) for creds in (pair.credentials, by_hand)] == [False, True]
    pair.told = opened
    pair.write_config(HOME)
    pair.signal(HOME, signal.SIGHUP)
    wait_until(lambda: asyncio.run(_gets_in(pair, pair.credentials)), "the writers after the reload")


async def _gets_in(pair: OperatedPair, credentials: Path) -> bool:
    options = ConnectOptions(timeout_s=2, credentials=credentials)
    try:
        async with nats_place(f"nats://127.0.0.1:{pair.ports[HOME][0]}", options).open() as jetstream:
            await jetstream.ask("INFO")
    except RejectedError:
        return False
    return True
