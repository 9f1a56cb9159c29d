"""The write gate: who may write, decided from looks; and kept before a real server that comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as some
from region_pair import (
    AWAY,
    BINARY,
    HOME,
    Pair,
    create,
    deployment_of,
    door,
    linked,
    make_world,
    stream_named,
    wait_until,
)

from secondsite.cli.__main__ import run
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.strategy import Strategy
from secondsite.nats.streams import StreamApi
from secondsite.nats.tasks import end_tasks
from secondsite.operate.action import Context
from secondsite.operate.actions.fence import fence_returned, takes_writes
from secondsite.operate.gate import Gate, GateView, is_open_file, may_write, next_state, write_gate_file
from secondsite.operate.gate_config import watched
from secondsite.operate.layout import families, promoting_subject, writer_config
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.write_gate import gate_file, gated_subjects

LEAF = "warm-standby/leafnode-mirror"
LOOKS = some.builds(GateView, some.sampled_from([True, False, None]), some.sampled_from([True, False, None]))
WITHIN_S = 60.0


@given(looks=some.lists(LOOKS, min_size=1, max_size=4))
def test_nobody_may_write_beside_another_writer(looks: list[GateView]) -> None:
    found = may_write(tuple(looks))
    if any(seen.writable and seen.displaced for seen in looks):
        assert found is False
    if found:
        assert all(seen.writable is False or seen.displaced is False for seen in looks)


@given(history=some.lists(some.sampled_from([True, False, None]), max_size=12))
def test_it_opens_on_two_looks_and_shuts_on_one(history: list[bool | None]) -> None:
    """What is not known changes nothing."""
    is_open, before = False, None
    for at, now in enumerate(history):
        was, is_open = is_open, next_state(is_open, before, now)
        if now is None:
            assert is_open == was
        if now is False:
            assert not is_open
        if is_open and not was:
            assert history[at - 1 : at + 1] == [True, True]
        before = now


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path, gate_file(HOME))
    write_gate_file(tmp_path / gate_file(HOME), (), is_open=True)
    try:
        for region in (HOME, AWAY):
            found.start(region)
        yield found
    finally:
        for region in (HOME, AWAY):
            found.kill(region)


@frozen
class Case:
    pair: Pair
    deployment: Deployment
    kit: Kit

    @property
    def gate(self) -> Gate:
        streams = watched(self.deployment, HOME)
        place = self.pair.place
        denied = gated_subjects(self.deployment, HOME)
        operator, system = place(HOME, "operator"), place(HOME, "sys")
        return Gate(HOME, operator, system, streams, denied, self.pair.folder, lambda _what: None)

    def return_home(self) -> None:
        """As a region does: shut."""
        write_gate_file(self.gate.file, self.gate.denied, is_open=False)
        self.pair.start(HOME)

    async def takes_writes(self, login: str = "app") -> bool:
        """Asked as a writer would; whoever is refused gets no answer."""
        family = families(self.deployment)[0]
        with suppress(MachineError, TimeoutError):
            async with asyncio.timeout(1.0), self.pair.place(HOME, login).open() as opened:
                return await takes_writes(StreamApi(opened), family, family.origin)
        return False

    async def promote_away(self) -> None:
        async with door(self.pair, AWAY) as away:
            for family in families(self.deployment):
                held = family.at(AWAY)
                look = await away.stream(family.name)
                assert held
                assert look
                await away.update(writer_config(look.config, (promoting_subject(held),)))


async def _until(asked: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not await asked():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@pytest.mark.slow
def test_a_region_that_returns_writes_only_while_it_is_mirrored(gated: Pair, kit: Kit) -> None:
    """Mirrored: it is opened. Promoted elsewhere meanwhile, or later, or nobody to ask: shut, for writers only."""
    case = Case(gated, deployment_of(kit, LEAF, stream_named("A")), kit)

    async def shut_for(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert not await case.takes_writes()

    async def run() -> None:
        await linked(gated)
        await create(gated, case.deployment)
        await _until(case.takes_writes)
        keeper = asyncio.ensure_future(case.gate.keep())
        gated.kill(HOME)
        case.return_home()
        assert not await case.takes_writes()
        await _until(case.takes_writes)

        gated.kill(HOME)
        gated.kill(AWAY)
        case.return_home()
        await shut_for(3.0)
        gated.start(AWAY)
        await _until(case.takes_writes)

        await case.promote_away()
        await _until(lambda: _not(case.takes_writes))
        gated.kill(HOME)
        case.return_home()
        await shut_for(3.0)
        assert await case.takes_writes("operator")
        await _fenced(case)
        await end_tasks(keeper)

    asyncio.run(run())


async def _not(asked: Callable[[], Awaitable[bool]]) -> bool:
    return not await asked()


async def _fenced(case: Case) -> None:
    """Whoever fences it is let through."""
    world = make_world(case.pair, case.pair.folder, regions={r: case.pair.place(r, "operator") for r in (HOME, AWAY)})
    procedure = failover(case.deployment, case.kit, Fault.REGION)
    assert await fence_returned(Context(case.deployment, procedure, world, {}, lambda _kind, _facts: None), HOME)
    assert not await case.takes_writes("operator")


def test_what_has_no_mirror_has_no_gate(kit: Kit) -> None:
    for strategy in ("backup-restore/backup", "warm-standby/stretch", "active-active/sourced/weighted"):
        assert watched(lay_out(Strategy.parse(strategy), kit), HOME) == ()


def test_shut_before_a_server_starts(tmp_path: Path) -> None:
    """By the command, on the example; the server takes the file."""
    example = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
    where = ["--nats", "nats://127.0.0.1:1", "--system", "nats://127.0.0.1:1", "--folder", str(tmp_path)]
    assert run(["gate", "--file", str(example), *where, "--shut"]) == 0
    text = (tmp_path / "gate" / "us-east-1.conf").read_text()
    assert text.startswith("deny: [")
    assert '"kgent.>"' in text
    assert run(["gate", "--file", str(example), "--strategy", "warm-standby/stretch", *where, "--shut"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_does_not_outlive_its_keeper(gated: Pair, number: signal.Signals) -> None:
    """Nor does it start open: a keeper that is killed must not leave a gate that nobody shuts."""
    gated.kill(HOME)
    config = gated.folder / f"{HOME}.conf"
    where = [
        "--nats",
        f"nats://127.0.0.1:{gated.ports[HOME][0]}",
        "--system",
        f"nats://127.0.0.1:{gated.ports[HOME][0]}",
    ]
    example = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
    arguments = ["gate", "--file", str(example), *where, "--folder", str(gated.folder)]
    logins = {"NATS_USER": "operator", "NATS_PASSWORD": "operator"}
    system = {"NATS_SYSTEM_USER": "sys", "NATS_SYSTEM_PASSWORD": "sys"}
    keeper = subprocess.Popen(
        [sys.executable, "-m", "secondsite.cli", *arguments, "--server", f"{BINARY} -c {config}"],
        env={**os.environ, **logins, **system},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        asyncio.run(_until(lambda: _listens(gated.ports[HOME][0])))
        assert not is_open_file(gated.folder / gate_file(HOME))
        wait_until((gated.folder / "gate" / f"{HOME}.beat").exists, "the keeper's beat")
        keeper.send_signal(number)
        asyncio.run(_until(lambda: _not(lambda: _listens(gated.ports[HOME][0]))))
    finally:
        keeper.kill()
        keeper.wait()


async def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
