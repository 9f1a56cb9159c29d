"""The agent that is shipped: it copies positions where a stream is a mirror, by the file that `render` writes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from region_pair import AWAY, HOME, Pair, create, deployment_of, door, fill, stream_named

from secondsite.lab.addresses import LabAddresses
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.strategy import Strategy
from secondsite.operate.agent import Agent, agent_config, agent_text, read_agent
from secondsite.operate.positions import read_positions
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

LEAF = "warm-standby/leafnode-mirror"


def test_it_reads_what_render_writes(kit: Kit, tmp_path: Path) -> None:
    config = agent_config(lay_out(Strategy.parse(LEAF), kit), AWAY)
    assert config
    assert {(one.here, one.prefix) for one in config.streams} >= {("EVENTS", f"$JS.{HOME}.API")}
    path = tmp_path / "agent.json"
    path.write_text(agent_text(config))
    assert read_agent(path) == config
    path.write_text('{"schema": "something/else"}')
    with pytest.raises(InputError, match="not an agent configuration"):
        read_agent(path)


@pytest.mark.slow
def test_the_program_copies_positions_and_shows_that_it_lives(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """As it is deployed: a process of its own, which goes on when the primary is gone."""
    deployment = deployment_of(kit, LEAF, stream_named("AG"))
    config = agent_config(deployment, AWAY)
    assert config
    (tmp_path / "agent.json").write_text(agent_text(config))
    asyncio.run(_prepare(pair, deployment))
    alive = tmp_path / "alive"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "secondsite", "agent", "--every-s", "0.2", "--alive", alive),
            *("--nats", f"nats://127.0.0.1:{pair.ports[AWAY][0]}", "--config", tmp_path / "agent.json"),
        ],
        env={**os.environ, "NATS_USER": "app", "NATS_PASSWORD": "app"},
    )
    try:
        _until(lambda: asyncio.run(_floors(pair)) == {"worker": 4})
        pair.kill(HOME)
        before = alive.read_text()
        _until(lambda: alive.read_text() != before)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        if HOME not in pair.processes:
            pair.start(HOME)


@pytest.mark.slow
def test_where_a_stream_takes_writes_nothing_is_copied(pair: Pair, kit: Kit) -> None:
    """Or an old primary that answers again would move the positions back that the new one's workers made."""
    deployment = deployment_of(kit, LEAF, stream_named("AW"))
    config = agent_config(deployment, HOME)
    assert config

    async def run() -> int:
        await _prepare(pair, deployment, "AW")
        async with door(pair, HOME) as home:
            return await Agent(config, pair.place(HOME), 1.0, lambda _what: None).round(home)

    assert asyncio.run(run()) == 0


@pytest.mark.slow
def test_a_lab_starts_what_render_ships(kit: Kit, tmp_path: Path) -> None:
    """By region, beside the servers: the same programs in both, and an agent with the same file."""
    for strategy in STRATEGIES[1:]:
        deployment = lay_out(strategy, kit)
        if deployment.managed_plan:
            continue
        texts = files(deployment, DeployedAddresses(deployment.system.services, "nats.example.com"), "render", "image")
        regions = tuple(dict.fromkeys(site.region.name for site in deployment.sites))
        (tmp_path / "nats").mkdir(exist_ok=True)
        with closing(socket.socket()) as lock:
            lab = Lab(deployment, LabOptions(folder=tmp_path), LabAddresses(0, regions, str(tmp_path)), tmp_path, lock)
            specs = {region: lab.shipped(region) for region in regions}
            lab.supervisor.close()
        for region in regions:
            started = {spec.name.removesuffix(f"-{region}") for spec in specs[region]}
            folders = (f"{region}/kubernetes/", f"{region}/agent/", f"{region}/archive/")
            own = "".join(text for path, text in texts.items() if path.startswith(folders))
            shipped = {name for name in ("gate", "agent", "archive") if f"name: {name}\n" in own}
            assert started == shipped, (strategy.id, region)
            if "agent" in started:
                assert (tmp_path / f"agent-{region}.json").read_text() == texts[f"{region}/agent/agent.json"]


async def _prepare(pair: Pair, deployment: Deployment, name: str = "AG") -> None:
    await create(pair, deployment)
    await fill(pair, HOME, f"e.{name}.x", 6)
    async with door(pair, HOME) as home:
        subscription = await home.jetstream.connection.client.jetstream().pull_subscribe("", "worker", name)
        for message in await subscription.fetch(4, timeout=30):
            await message.ack_sync()


async def _floors(pair: Pair) -> dict[str, int]:
    async with door(pair, AWAY) as away:
        return {one.consumer: one.floor for one in await read_positions(away) if one.stream == "AG"}


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
