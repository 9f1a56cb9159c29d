"""What a watch begins, on two real servers: every watch reads it, another ends it, and none acts without the lease."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from attrs import evolve, field, frozen
from observed import Says, observation, rules
from region_pair import AWAY, HOME, Pair, create, deployment_of, fill, make_world, stream_named, synchronised
from watched_world import ALL_WELL, GONE

from secondsite.cli.watch_parts import switched_by_people
from secondsite.discover.system_file.reading import load_system
from secondsite.discover.system_file.writing import write_system
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.nats.tasks import end_tasks
from secondsite.operate.executor import StepProgress
from secondsite.operate.journal import ABORTED, EntryKind, Journal, read_journal, records
from secondsite.operate.lease import Lease
from secondsite.operate.live import LiveWorld, RealClock
from secondsite.operate.world import Decision
from secondsite.strategies.compose import failover
from secondsite.strategies.design import Kit
from secondsite.watch.notices import Notice
from secondsite.watch.operations import FAILOVER, Operations
from secondsite.watch.process import Watch, WatchSettings

pytestmark = pytest.mark.slow
FIRST, SECOND = Decision("watch first", 1.0, "lost"), Decision("watch second", 1.0, "first left it")


@frozen
class Machines:
    """Each operates with a disk of its own."""

    pair: Pair
    deployment: Deployment
    kit: Kit
    folder: Path
    log: list[str] = field(factory=list)

    def operations(self, name: str, progress: Callable[[StepProgress], None] = lambda _one: None) -> Operations:
        procedure = failover(self.deployment, self.kit, Fault.REGION)

        def world_of(_procedure: Procedure, decision: Decision) -> LiveWorld:
            return evolve(make_world(self.pair, self.folder, "e.A.path"), decision=decision)

        folder = self.folder / name
        lifted = frozenset({"unfenced"})
        return Operations(
            self.deployment, {Fault.REGION: procedure}, world_of, folder, self.log.append, progress, lifted
        )


@pytest.fixture
def machines(kit: Kit, tmp_path: Path) -> Iterator[Machines]:
    pair = Pair(tmp_path)
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("A"))

    async def prepare() -> None:
        await create(pair, deployment)
        await fill(pair, HOME, "e.A.x", 5)
        await synchronised(pair, deployment)

    try:
        for region in (HOME, AWAY):
            pair.start(region)
        asyncio.run(prepare())
        yield Machines(pair, deployment, evolve(kit, system=deployment.system), tmp_path)
    finally:
        for region in (HOME, AWAY):
            pair.kill(region)


def test_what_was_begun_is_read_by_every_watch(machines: Machines) -> None:
    async def run() -> None:
        first, second = machines.operations("first"), machines.operations("second")
        assert await second.last() is None
        assert not first.by_person(Fault.REGION)
        assert first.by_person(Fault.GRAY), "a fault without a procedure is nobody's to begin"
        machines.pair.kill(HOME)
        assert (await first.begin(Fault.REGION, evolve(FIRST, at=9.0, detected_at=7.0), "")).finished
        known = records(read_journal(first.journal(FAILOVER)))
        assert (known["detect"].facts["at"], known["decide"].facts["at"]) == (7.0, 9.0)
        last = await second.last()
        assert last
        assert (last.is_open, last.is_failover, last.acting, last.who) == (False, True, "", "watch first")
        assert 0 <= last.age_s < 30
        assert {step.state for step in last.steps} == {"done"}
        assert await second.take_over(SECOND) is None

    asyncio.run(run())


@pytest.mark.parametrize("earlier", [False, True])
def test_what_one_left_in_the_middle_another_ends(machines: Machines, *, earlier: bool) -> None:
    """Also where its own last operation still lies on its disk."""
    if earlier:
        with Journal(machines.operations("second").journal(FAILOVER), RealClock()) as journal:
            journal.append(EntryKind.PLAN, "", {"procedure": "failover", "steps": [], "who": SECOND.who})
            journal.append(EntryKind.NOTE, "", {ABORTED: "an earlier one"})

    async def run() -> None:
        reached = asyncio.Event()

        def progress(one: StepProgress) -> None:
            if one.step.id == "promote-streams":
                reached.set()

        machines.pair.kill(HOME)
        begun = asyncio.ensure_future(machines.operations("first", progress).begin(Fault.REGION, FIRST, ""))
        await asyncio.wait_for(reached.wait(), 60)
        await end_tasks(begun)
        second = machines.operations("second")
        last = await second.last()
        assert last
        assert (last.is_open, last.acting, last.who) == (True, "", "watch first")
        outcome = await second.take_over(SECOND)
        assert outcome
        assert outcome.finished
        ended = await second.last()
        assert ended
        assert not ended.is_open

    asyncio.run(run())


def test_nothing_is_begun_without_the_lease(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person may go on with the local journal alone; two watches that did would both act."""

    async def not_had(lease: Lease) -> Lease:
        return lease

    async def run() -> None:
        machines.pair.kill(HOME)
        monkeypatch.setattr(Lease, "__aenter__", not_had)
        with pytest.raises(MachineError, match="the lease could not be acquired"):
            await machines.operations("first").begin(Fault.REGION, FIRST, "")
        assert await machines.operations("second").last() is None

    asyncio.run(run())


def test_with_its_store_away_a_watch_asks_and_begins_once_it_is_back(machines: Machines) -> None:
    """Lease and journal are kept by the standby's servers, which stand still while observers see that the first is
    lost. The clock is the test's."""

    async def run() -> None:
        now, notices, log = [1000.0], list[Notice](), list[str]()
        operations = machines.operations("first")
        settings = WatchSettings("west", HOME, frozenset({Fault.REGION}))
        watch = Watch(settings, rules(), operations, notices.append, log.append, clock=lambda: now[0])

        async def second(says: Mapping[str, Says | None]) -> None:
            now[0] += 1
            for name, what in says.items():
                if what is not None:
                    watch.hear(observation(name, int(now[0]), what))
            await watch.judge()
            await asyncio.sleep(0)

        await watch.read_journal()
        for _ in range(5):
            await second(ALL_WELL)
        machines.pair.kill(HOME)
        machines.pair.signal(AWAY, signal.SIGSTOP)
        await watch.read_journal()
        for _ in range(12):
            await second(GONE)
        assert [one.kind for one in notices] == ["asks"], log
        with pytest.raises(MachineError):
            await operations.begin(Fault.REGION, FIRST, "")
        machines.pair.signal(AWAY, signal.SIGCONT)
        assert await machines.operations("second").last() is None, "nothing was begun where nobody could be told"
        await watch.read_journal()
        async with asyncio.timeout(60):
            while watch.acting is None:
                await second(GONE)
            await watch.acting
        assert [one.kind for one in notices] == ["asks", "begins", "ended"], log
        last = await machines.operations("second").last()
        assert last
        assert (last.is_open, last.is_failover) == (False, True)

    asyncio.run(run())


def test_people_who_switch_the_record_are_asked(kit: Kit, tmp_path: Path) -> None:
    """As the file says, whatever the strategy could do by itself; what `init` assumed is nobody's word."""
    deployment = deployment_of(kit, "warm-standby/leafnode-mirror", stream_named("A"))
    procedure = failover(deployment, kit, Fault.REGION)

    def by_person(text: str) -> bool:
        system = evolve(kit.system, traffic=evolve(kit.system.traffic, automatic=True), marks={})
        file = tmp_path / "secondsite.yaml"
        lines = [
            f"traffic:\n  {text}" if one.startswith("traffic:") else one for one in write_system(system).split("\n")
        ]
        file.write_text("\n".join(lines))
        declared = switched_by_people(load_system(file))
        made: dict[Fault, Procedure] = {Fault.REGION: procedure}
        operations = Operations(deployment, made, _no_world, tmp_path, print, print, declared=declared)
        return operations.by_person(Fault.REGION)

    assert not by_person("automatic: true")
    assert not by_person("automatic: false  # assumed: no manifest says so")
    assert by_person("automatic: false")


def _no_world(_procedure: Procedure, _decision: Decision) -> LiveWorld:
    raise AssertionError
