"""`writers: one` on real servers: whatever happens to the first region, no sequence is acknowledged on both sides."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from attrs import evolve, frozen
from leased_home import LeasedPair, Link, Writer, both_at_once
from nats_world import free_ports
from region_pair import AWAY, BY_HAND, HOME, _answers, create, deployment_of, door, make_world, stream_named

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Writers
from secondsite.model.procedure import Verb
from secondsite.model.units import Seconds
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place
from secondsite.nats.tasks import end_tasks
from secondsite.operate.executor import OperationOutcome, Options, StepProgress, execute
from secondsite.operate.gate import is_open_file
from secondsite.operate.journal import Journal
from secondsite.operate.live import LiveWorld, ReportedManualSteps
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow

LEAF = "warm-standby/leafnode-mirror"
LEASE_S = 1.5
PATIENT_S = 20.0
"""Whoever lives is slow here only as the machine is: its greeting is waited for. What is lost refuses at once."""
SUBJECT = "e.A.x"


def leased_deployment(kit: Kit, lease_s: float = LEASE_S, writers: Writers = Writers.ONE) -> Deployment:
    system = evolve(kit.system, operate=Operate(writers=writers, lease_s=Seconds(lease_s)))
    return deployment_of(evolve(kit, system=system), LEAF, stream_named("A"))


@frozen
class Scene:
    pair: LeasedPair
    link: Link
    deployment: Deployment
    kit: Kit
    folder: Path
    home: Writer
    away: Writer

    def world(self, *, reached: bool, reach_s: float = PATIENT_S) -> LiveWorld:
        """``reached``: whether the controller gets through to the first region."""
        places = {region: self.pair.place(region, "operator") for region in (HOME, AWAY)}
        if not reached:
            places[HOME] = nats_place(f"nats://127.0.0.1:{free_ports(1)[0]}", ConnectOptions(timeout_s=1))
        return make_world(self.pair, self.folder, "e.A.path", regions=places, reach_s=reach_s)

    async def promote(self, *, reached: bool = False, allowed: str = "") -> OperationOutcome:
        """Without any exception, where none is named."""
        world = self.world(reached=reached)
        procedure = failover(self.deployment, evolve(self.kit, system=self.deployment.system), Fault.REGION)
        plan = await make_plan(procedure, self.deployment, world, allowed=frozenset({allowed}))
        with Journal(self.folder / "over.jsonl", world.clock) as journal:
            options = Options(approved=plan.hash, allowed=frozenset({allowed}) - {""}, patience=5)
            return await execute(procedure, self.deployment, world, journal, options=options)

    async def moved(self) -> None:
        """The other region serves, and the link is whole."""
        outcome = await self.promote(reached=True)
        assert outcome.finished, _show(outcome)
        await _heard(self.away)

    async def back(
        self, struck: Callable[[StepProgress], None] = lambda _: None, reach_s: float = PATIENT_S
    ) -> OperationOutcome:
        """A failback, begun or gone on with."""
        by_hand = ReportedManualSteps(dict.fromkeys(BY_HAND, "tester"))
        world = evolve(self.world(reached=True, reach_s=reach_s), manual_steps=by_hand)
        procedure = failback(self.deployment, evolve(self.kit, system=self.deployment.system))
        short = tuple(evolve(step, limit_s=min(step.limit_s, 4.0)) for step in procedure.steps)
        procedure = evolve(procedure, steps=short)
        with Journal(self.folder / "back.jsonl", world.clock) as journal:
            approved = str(journal.entries[0].data["hash"]) if journal.entries else ""
            approved = approved or (await make_plan(procedure, self.deployment, world)).hash
            options = Options(approved=approved)
            return await execute(procedure, self.deployment, world, journal, options=options, progress=struck)

    async def both_write(self, seconds: float) -> None:
        """Until the other side was heard, and on."""
        await _heard(self.away)
        await asyncio.sleep(seconds)


async def _heard(writer: Writer) -> None:
    deadline = time.monotonic() + 30
    while not writer.acknowledged:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@frozen
class Start:
    kit: Kit
    folder: Path
    lease_s: float = LEASE_S
    held_s: float = LEASE_S
    before: tuple[str, ...] = ()
    odd: str = HOME
    writers: Writers = Writers.ONE

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[Scene]:
        deployment = leased_deployment(self.kit, self.lease_s, self.writers)
        held_s = self.held_s if self.writers is Writers.ONE else None
        pair = LeasedPair(self.folder, deployment, self.before, odd=self.odd, held_s=held_s)
        writers = Writer(pair, HOME, SUBJECT), Writer(pair, AWAY, SUBJECT)
        writing: list[asyncio.Task[None]] = []
        try:
            async with Link(pair.link, pair.ports[HOME][2]).up() as link:
                for region in (HOME, AWAY):
                    await asyncio.to_thread(pair.start, region)
                await create(pair, deployment)
                await pair.opened()
                writing += [asyncio.ensure_future(one.run()) for one in writers]
                await _heard(writers[0])
                yield Scene(pair, link, deployment, self.kit, self.folder, *writers)
        finally:
            await end_tasks(*writing)
            for region in (HOME, AWAY):
                pair.kill(region)


def _show(outcome: OperationOutcome) -> str:
    return "\n".join(str(problem) for problem in outcome.problems)


def _nothing(_scene: Scene) -> None:
    """Only the link is cut."""


def _keeper_killed(scene: Scene) -> None:
    os.kill(scene.pair.keeper(), signal.SIGKILL)


def _keeper_frozen(scene: Scene) -> None:
    os.kill(scene.pair.keeper(), signal.SIGSTOP)


def _all_frozen(scene: Scene) -> None:
    os.killpg(scene.pair.processes[HOME].pid, signal.SIGSTOP)


def _thawed(scene: Scene) -> None:
    with suppress(ProcessLookupError):
        os.killpg(scene.pair.processes[HOME].pid, signal.SIGCONT)


@pytest.mark.parametrize("fault", [_nothing, _keeper_killed, _keeper_frozen, _all_frozen])
def test_cut_off_no_sequence_is_acknowledged_both_at_once(
    fault: Callable[[Scene], None], kit: Kit, tmp_path: Path
) -> None:
    """A primary that lives, has its writers, and can be reached by nobody: promoted beside without an exception."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            scene.link.cut()
            fault(scene)
            outcome = await scene.promote()
            assert outcome.finished, _show(outcome)
            _thawed(scene)
            await scene.both_write(1.0)
            assert both_at_once(scene.home, scene.away) == []

    asyncio.run(run())


def test_available_both_take_writes_and_it_is_counted(kit: Kit, tmp_path: Path) -> None:
    """The control of the others: the same cut, and what the policy allows shows."""

    async def run() -> None:
        async with Start(kit, tmp_path, writers=Writers.AVAILABLE).scene() as scene:
            scene.link.cut()
            outcome = await scene.promote(allowed="unfenced")
            assert outcome.finished, _show(outcome)
            await scene.both_write(0.5)
            assert both_at_once(scene.home, scene.away)

    asyncio.run(run())


def _shifted() -> tuple[str, ...]:
    """What a command begins with whose clocks are 30 s ahead of ours; Linux gives no other kind to one process."""
    ahead = ("unshare", "--user", "--map-root-user", "--time", "--boottime", "30", "--monotonic", "30")
    done = subprocess.run([*ahead, "true"], capture_output=True, check=False)
    return ahead if done.returncode == 0 else ()


def test_clocks_apart_and_of_different_speed(kit: Kit, tmp_path: Path) -> None:
    """The holder's clock is 30 s ahead, and so slow that its lease lasts 1 % longer than the other side counts."""
    before = _shifted()
    if not before:
        pytest.skip("this machine gives no time namespace")

    async def run() -> None:
        async with Start(kit, tmp_path, held_s=LEASE_S * 1.01, before=before).scene() as scene:
            scene.link.cut()
            os.kill(scene.pair.keeper(), signal.SIGSTOP)
            outcome = await scene.promote()
            assert outcome.finished, _show(outcome)
            await scene.both_write(1.0)
            assert both_at_once(scene.home, scene.away) == []

    asyncio.run(run())


async def _undo_the_fence(scene: Scene, region: str = HOME) -> None:
    """A controller that owns the stream, and gives it its subjects back as soon as they are taken."""
    while True:
        with suppress(MachineError, TimeoutError):
            async with door(scene.pair, region) as streams:
                while True:
                    look = await streams.stream("A")
                    if look and not look.is_mirror and look.subjects != ("e.A.>",):
                        await streams.update({**look.config, "subjects": ["e.A.>"]})
                    await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)


def test_a_controller_that_undoes_the_fence_gives_nobody_a_lease(kit: Kit, tmp_path: Path) -> None:
    """The region is reached and is fenced; its streams have their subjects back right after, and nobody may write."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            undoing = asyncio.ensure_future(_undo_the_fence(scene))
            try:
                outcome = await scene.promote(reached=True)
                assert outcome.finished, _show(outcome)
                await scene.both_write(1.0)
                async with door(scene.pair, HOME) as home:
                    look = await home.stream("A")
                assert look
                assert look.subjects == ("e.A.>",)
                assert both_at_once(scene.home, scene.away) == []
            finally:
                await end_tasks(undoing)

    asyncio.run(run())


def test_whoever_is_the_first_process_keeps_as_a_child(tmp_path: Path) -> None:
    """As in a container, whose first process no signal from within ends."""
    program = (
        "import os, sys, time\n"
        "from secondsite.operate.guarded import as_child\n"
        "from secondsite.operate.kernel_timer import KernelTimer, now_s\n"
        "code = as_child([*sys.argv[:1]])\n"
        "if code is not None: print(os.getpid(), code); sys.exit(0)\n"
        "KernelTimer().end_at(now_s() + 0.1)\n"
        "time.sleep(20)\n"
    )
    file = tmp_path / "first.py"
    file.write_text(program)
    apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no PID namespace")
    done = subprocess.run([*apart, sys.executable, str(file)], capture_output=True, text=True, timeout=15, check=False)
    assert done.stdout.split() == ["1", str(128 + signal.SIGKILL)]


def test_a_standby_whose_services_run_takes_no_writes(kit: Kit, tmp_path: Path) -> None:
    """Before a failover, beside a home that serves, and while it is cut off: its streams are mirrors."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            stored = len(scene.home.acknowledged)
            await _more(scene.home, stored + 20)
            scene.link.cut()
            await asyncio.sleep(2 * LEASE_S)
            assert scene.away.acknowledged == {}, "it writes to its own streams without having been promoted"

    asyncio.run(run())


def test_a_region_that_returns_holds_no_lease_until_it_is_given_one(kit: Kit, tmp_path: Path) -> None:
    """Killed, taken over, and back with its streams as they were, the link whole and no controller alive."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            scene.pair.kill(HOME)
            outcome = await scene.promote()
            assert outcome.finished, _show(outcome)
            await _heard(scene.away)
            before = dict(scene.home.acknowledged)
            await asyncio.to_thread(scene.pair.start, HOME)
            async with door(scene.pair, HOME) as home:
                look = await home.stream("A")
            assert look
            assert look.subjects == ("e.A.>",), "nobody fenced it"
            await scene.both_write(2 * LEASE_S)
            assert scene.home.acknowledged == before
            assert not is_open_file(scene.pair.gate_path())
            assert both_at_once(scene.home, scene.away) == []

    asyncio.run(run())


async def _more(writer: Writer, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(writer.acknowledged) < count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def _at_the_promotion(strike: Callable[[], None]) -> Callable[[StepProgress], None]:
    """Of the first region, as its promotion begins: what stops the other one's writers comes right after."""

    def struck(progress: StepProgress) -> None:
        if progress.step.verb is Verb.PROMOTE_STREAMS and progress.seconds is None:
            strike()

    return struck


def _start_what_ended(pair: LeasedPair) -> None:
    for region in (HOME, AWAY):
        if not _answers(f"http://127.0.0.1:{pair.ports[region][1]}/healthz"):
            pair.kill(region)
            pair.start(region)


async def _come_home(scene: Scene, since: float, tries: int = 6) -> None:
    """Both regions are there again, where one was lost; gone on with until it is done; nobody wrote beside.

    A keeper whose machine gave it no time ends its server, and is started anew, as a kubelet does.
    """
    for _ in range(tries):
        await asyncio.to_thread(_start_what_ended, scene.pair)
        outcome = await scene.back()
        if outcome.finished:
            break
    assert outcome.finished, _show(outcome)
    wanted = len(scene.home.acknowledged) + 20
    for _ in range(tries):
        await asyncio.to_thread(_start_what_ended, scene.pair)
        with suppress(AssertionError):
            await _more(scene.home, wanted)
            break
    assert len(scene.home.acknowledged) >= wanted
    assert both_at_once(scene.away, scene.home, since) == []


def test_back_home_beside_a_keeper_that_stands_still(kit: Kit, tmp_path: Path) -> None:
    """The other region's server lives, nobody moves its gate, a controller undoes its fence. Its lease runs out on a
    clock so slow that it lasts 1 % longer, and 30 s ahead where this machine can have that; then home writes alone."""

    async def run() -> None:
        start = Start(kit, tmp_path, held_s=LEASE_S * 1.01, before=_shifted(), odd=AWAY)
        async with start.scene() as scene:
            await scene.moved()
            since, keeper = time.monotonic(), scene.pair.keeper(AWAY)
            undoing = asyncio.ensure_future(_undo_the_fence(scene, AWAY))
            try:
                await scene.back(_at_the_promotion(lambda: os.kill(keeper, signal.SIGSTOP)))
                await _come_home(scene, since)
            finally:
                await end_tasks(undoing)

    asyncio.run(run())


@pytest.mark.parametrize("fault", ["killed", "frozen", "cut"])
def test_back_home_from_a_region_that_is_lost_meanwhile(kit: Kit, tmp_path: Path, fault: str) -> None:
    """Its keeper is killed, which ends its server; all of it stands still, and wakes up; or the regions do not see each
    other, so that the last messages do not come over. It comes back as it was."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            await scene.moved()
            since, keeper, group = time.monotonic(), scene.pair.keeper(AWAY), scene.pair.processes[AWAY].pid
            strike: dict[str, Callable[[], None]] = {
                "killed": lambda: os.kill(keeper, signal.SIGKILL),
                "frozen": lambda: os.killpg(group, signal.SIGSTOP),
                "cut": scene.link.cut,
            }
            outcome = await scene.back(_at_the_promotion(strike[fault]), 1.0 if fault == "frozen" else PATIENT_S)
            assert not outcome.finished
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGCONT)
            scene.link.whole = True
            await _come_home(scene, since)

    asyncio.run(run())


def test_back_home_although_a_controller_undoes_the_fence(kit: Kit, tmp_path: Path) -> None:
    """It goes on all along; then the link is cut before the other region mirrors again, and that region is killed and
    comes back with its streams as the controller made them. And over again, with home's fence undone likewise."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            await scene.moved()
            since = time.monotonic()
            undoing = asyncio.ensure_future(_undo_the_fence(scene, AWAY))

            def cut(progress: StepProgress) -> None:
                if progress.step.id == "verify-path" and progress.seconds is not None:
                    scene.pair.kill(AWAY)

            try:
                await scene.back(cut)
                await asyncio.to_thread(scene.pair.start, AWAY)
                written = len(scene.away.acknowledged)
                await asyncio.sleep(2 * LEASE_S)
                assert len(scene.away.acknowledged) == written
                assert not is_open_file(scene.pair.gate_path(AWAY))
                await _come_home(scene, since)
            finally:
                await end_tasks(undoing)

    asyncio.run(run())


def test_promoted_by_hand_without_a_lease_it_takes_no_writes(kit: Kit, tmp_path: Path) -> None:
    """Somebody makes a writer of the mirror while home serves: the streams are two writers, and its servers let
    nobody in."""

    async def run() -> None:
        async with Start(kit, tmp_path).scene() as scene:
            async with door(scene.pair, AWAY) as away:
                look = await away.stream("A")
                assert look
                config = {key: value for key, value in look.config.items() if not key.startswith("mirror")}
                await away.update({**config, "subjects": ["e.A.>"]})
            await _more(scene.home, len(scene.home.acknowledged) + 20)
            assert not scene.away.acknowledged

    asyncio.run(run())
