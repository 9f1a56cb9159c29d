"""The controller is killed by SIGKILL all along a failover and a failback, and resumes to the same end.

Real servers, a stream of its own for each point, so that one loss of the region serves them all.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import pytest
from attrs import evolve, frozen
from kill_points import KilledJournal, Points, dying
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
)

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.operate.actions.fence import takes_writes
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import DIVERGED, families
from secondsite.operate.live import LiveWorld
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
LEAF = "warm-standby/leafnode-mirror"
ROOM_LOST, ROOM_ALIVE = 110, 180
"""Streams: more than there are points to be tried."""
EVERY_OVER, EVERY_BACK = 2, 5
"""Each point is tried in the fake world; here, where each takes seconds, every second one of a failover, and of a
failback, which has many more, every fifth."""
SIDE_BY_SIDE = 4
"""Walks at once: most of one is waiting."""


@frozen
class Walk:
    """One stream, its deployment, and where its journals and its record are."""

    pair: Pair
    name: str
    deployment: Deployment
    kit: Kit
    folder: Path

    @property
    def world(self) -> LiveWorld:
        """Nobody here is slow, only the machine: a region that lives is waited for."""
        return make_world(self.pair, self.folder, f"e.{self.name}.path", reach_s=20.0)

    def procedure(self, fault: Fault | None) -> Procedure:
        if fault is None:
            return failback(self.deployment, self.kit)
        return failover(self.deployment, self.kit, fault)

    async def run(self, fault: Fault | None, points: Points | None = None) -> OperationOutcome:
        procedure, world, path = self.procedure(fault), self.world, self.folder / f"{fault}.jsonl"
        chosen: Any = world if points is None else dying(world, points)
        with Journal(path, world.clock) if points is None else KilledJournal(path, world.clock, points) as journal:
            hash_ = journal.entries[0].data["hash"] if journal.entries else None
            approved = str(hash_ or (await make_plan(procedure, self.deployment, world)).hash)
            options = Options(approved=approved, allowed=frozenset({"unfenced"}), patience=20.0)
            return await execute(procedure, self.deployment, chosen, journal, options=options)

    async def writable(self) -> list[str]:
        """The regions whose copy takes writes, asked as a writer would."""
        family = families(self.deployment)[0]
        found = []
        for region in (HOME, AWAY):
            held = family.at(region)
            assert held
            async with self.world.streams(region) as streams:
                if await takes_writes(streams, family, held):
                    found.append(region)
        return found


def in_a_process_of_its_own(work: Coroutine[Any, Any, object]) -> int:
    """How it ended: 0, or the signal that killed it."""
    child = os.fork()
    if not child:
        code = 1
        try:
            asyncio.run(work)
            code = 0
        except BaseException:  # the parent says that it failed, this says why
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    work.close()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) <= 0, "the killed run failed before its point"
    return -os.waitstatus_to_exitcode(status)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def make_walks(pair: Pair, kit: Kit, folder: Path, prefix: str, count: int) -> list[Walk]:
    walks = []
    for number in range(count):
        name = f"{prefix}{number}"
        deployment = deployment_of(kit, LEAF, stream_named(name))
        (folder / name).mkdir()
        walks.append(Walk(pair, name, deployment, evolve(kit, system=deployment.system), folder / name))
    return walks


async def _over(walks: list[Walk]) -> None:
    """The way back has more points than the way over: those that were left are failed over undisturbed."""
    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(walk: Walk) -> None:
        async with room:
            assert (await walk.run(Fault.GRAY)).finished

    await asyncio.gather(*(one(walk) for walk in walks))


async def prepare(walks: list[Walk]) -> None:

    room = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(walk: Walk) -> None:
        async with room:
            await create(walk.pair, walk.deployment)
            await fill(walk.pair, HOME, f"e.{walk.name}.x", 3)
            await synchronised(walk.pair, walk.deployment)

    await asyncio.gather(*(one(walk) for walk in walks))


def test_killed_anywhere_while_the_region_is_lost(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    walks = make_walks(pair, kit, tmp_path, "L", ROOM_LOST)
    asyncio.run(prepare(walks))
    pair.kill(HOME)
    try:
        total = _walk(walks, Fault.REGION, _check_lost, EVERY_OVER)
    finally:
        pair.start(HOME)
    assert total > 100


def _walk(walks: list[Walk], fault: Fault | None, check: Any, every: int) -> int:
    """The first walk is not killed and tells how many points there are; the others are shared out."""
    points = Points(die)
    assert asyncio.run(walks[0].run(fault, points)).finished
    chosen = range(0, points.count, every)
    assert len(chosen) < len(walks), f"{points.count} points"
    found = walks[0].folder / f"{fault}.survivors"
    children = []
    for share in range(SIDE_BY_SIDE):
        child = os.fork()
        if not child:
            _walk_share(walks[share + 1 :: SIDE_BY_SIDE], fault, check, chosen[share::SIDE_BY_SIDE], found)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * SIDE_BY_SIDE, "what a share failed at is printed above"
    survivors = len(found.read_bytes()) if found.exists() else 0
    assert survivors <= points.count // 10, "steps that run side by side may end a few points early, not more"
    return points.count


def _walk_share(walks: list[Walk], fault: Fault | None, check: Any, share: range, found: Path) -> NoReturn:
    """In a process of its own. Each run that ended before its point is a byte in ``found``."""
    code = 1
    try:
        for at, walk in zip(share, walks, strict=False):
            if in_a_process_of_its_own(walk.run(fault, Points(die, at))) == 0:
                with found.open("ab") as file:
                    file.write(b".")
            check(walk, None)
            outcome = asyncio.run(walk.run(fault))
            assert outcome.finished, [str(problem) for problem in outcome.problems]
            check(walk, outcome)
        code = 0
    except BaseException:  # whatever it is, it is shown, and this process ends here
        print(f"failed at point {at} of {walk.name}", file=sys.stderr)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _check_lost(walk: Walk, outcome: OperationOutcome | None) -> None:
    if outcome is not None:
        asyncio.run(_promoted(walk))
        assert outcome.steps["fence"].facts["state"] == "unfenced"


async def _promoted(walk: Walk) -> None:
    async with door(walk.pair, AWAY) as away:
        look, worker = await away.stream(walk.name), await away.consumer(walk.name, "worker")
        assert look
        assert worker
        assert (look.subjects, look.is_mirror, look.metadata[DIVERGED]) == ((f"e.{walk.name}.>",), False, "3")
        assert worker.floor == 0
        found = [m async for m in away.messages(walk.name, 1, look.last_seq)]
    assert [m.headers["Nats-Msg-Id"] for m in found[:3]] == [f"e.{walk.name}.x-{n}" for n in range(3)]
    assert len(found) >= 4
    assert (walk.folder / "record").read_text() == AWAY


def test_killed_anywhere_while_both_regions_live(pair: Pair, kit: Kit, tmp_path: Path) -> None:
    """A region that is alive and useless is fenced: at no instant do both copies take writes. Then back again."""
    walks = make_walks(pair, kit, tmp_path, "G", ROOM_ALIVE)
    asyncio.run(prepare(walks))
    total = _walk(walks, Fault.GRAY, _check_alive, EVERY_OVER)
    assert total > 100
    asyncio.run(_over(walks[len(range(0, total, EVERY_OVER)) + 1 :]))
    back = _walk(walks, None, _check_back, EVERY_BACK)
    assert back > 50


def _check_alive(walk: Walk, outcome: OperationOutcome | None) -> None:
    writable = asyncio.run(walk.writable())
    assert len(writable) <= 1
    if outcome is not None:
        assert writable == [AWAY]
        assert outcome.steps["fence"].facts["state"] == "fenced"
        asyncio.run(_promoted(walk))


def _check_back(walk: Walk, outcome: OperationOutcome | None) -> None:
    writable = asyncio.run(walk.writable())
    assert len(writable) <= 1
    if outcome is not None:
        assert writable == [HOME]
        assert (walk.folder / "record").read_text() == HOME
        asyncio.run(_same_messages(walk))


async def _same_messages(walk: Walk) -> None:
    """Nothing that either side had is missing at home, and nothing is there twice."""
    async with door(walk.pair, HOME) as home, door(walk.pair, AWAY) as away:
        here, there = await home.stream(walk.name), await away.stream(walk.name)
        assert here
        assert there
        assert there.is_mirror
        ours = [m.headers["Nats-Msg-Id"] async for m in home.messages(walk.name, 1, here.last_seq)]
        theirs = [m.headers["Nats-Msg-Id"] async for m in away.messages(walk.name, 1, there.last_seq)]
        assert await home.consumer(walk.name, "worker")
    assert ours == theirs
    assert len(set(ours)) == len(ours)
