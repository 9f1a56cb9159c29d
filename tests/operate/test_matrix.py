"""One matrix: every strategy, there and back and there and back again, the primary dead, alive, frozen, cut off or
refusing us, the controller killed at every line of its journal.

Clients write all along. After each call, each death and each end the laws hold: what was acknowledged is somewhere, one
region writes, somebody writes, and what is deleted was looked at. `make drills` kills at each line; here at a few.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve
from kill_points import KilledJournal, Points
from living_world import LivingWorld

from secondsite.drill.explore.spoiled import executors
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind, Writers
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.operate.action import Action
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal
from secondsite.operate.layout import Reach, families
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.write_gate import leased

pytestmark = pytest.mark.slow

CONDITIONS = ("dead", "alive", "frozen", "cut", "refusing")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 # thousands of journals, each line synchronised
SILENT = ("dead", "frozen", "cut")
FEW = 1
"""Lines of each journal at which the controller is killed in the quick run."""
WAYS_BACK = [strategy for strategy in STRATEGIES if "leafnode" in strategy.id]


class KilledError(BaseException):
    """Not an Exception: nothing may catch it."""


def _die() -> None:
    raise KilledError


@define
class Life:
    """One deployment through its incidents. ``every``: each line of a journal is a death, or only a few are."""

    kit: Kit
    world: LivingWorld
    folder: Path
    every: bool
    _names: Iterator[int]
    executors: Mapping[Verb, Action] = EXECUTORS
    deaths: int = 0

    @property
    def deployment(self) -> Deployment:
        return self.world.deployment

    @property
    def home(self) -> str:
        return self.deployment.primary.region.name

    def procedure(self, fault: Fault | None) -> Procedure:
        return failback(self.deployment, self.kit) if fault is None else failover(self.deployment, self.kit, fault)

    def allowed(self) -> frozenset[str]:
        return frozenset() if leased(self.deployment) else frozenset({"unfenced"})

    # --- what becomes of the primary

    def strike(self, condition: str) -> Fault:
        if condition in SILENT:
            self.world.dead.add(self.home)
            self.world.silent |= {self.home} if condition != "dead" else set()
            self.world.writing |= {self.home} if condition == "cut" else set()
            if not leased(self.deployment):
                self.world.excepted |= {family.name for family in self.world.ways_of}
        if condition == "refusing":
            self.world.refusing_us.add(self.home)
        return Fault.GRAY if condition == "alive" else Fault.REGION

    def mend(self) -> None:
        for what in (self.world.dead, self.world.silent, self.world.writing, self.world.refusing_us):
            what.discard(self.home)

    def all_mirror(self, fault: Fault | None) -> bool:
        """Whether nothing was taken over yet."""
        target = self.home if fault is None else self.world.away
        held = [self.world.regions[target].get(p.name) for f in self.world.ways_of if (p := f.at(target))]
        return all(stream and stream.config.get("mirror") for stream in held)

    # --- moves

    def carry_out(self, fault: Fault | None) -> Path:
        """Undisturbed; and from the same begin with a death at lines of the journal that this left."""
        procedure, begin, path = self.procedure(fault), self.world.kept(), self._path()
        outcome = self.attempt(procedure, path)
        assert outcome.finished, [str(problem) for problem in outcome.problems]
        self._hold()
        end, lines = self.world, len(path.read_bytes().splitlines())
        chosen = range(lines) if self.every else [(7 * (n + 1) + 5 * self.deaths) % lines for n in range(FEW)]
        for at in chosen:
            self.world = begin.kept()
            self._killed_at(procedure, 3 * at + (at + self.deaths) % 3)
        self.world = end
        return path

    def path_of(self, fault: Fault | None) -> Path:
        """Of a move that is gone on with."""
        return self.folder / f"{id(self)}-{fault}"

    def _path(self) -> Path:
        return self.folder / str(next(self._names))

    def _killed_at(self, procedure: Procedure, at: int) -> None:
        """Where it had not come so far, it was done before: steps that run side by side end a few lines earlier."""
        path = self._path()
        try:
            self.attempt(procedure, path, Points(_die, at))
        except KilledError:
            self.deaths += 1
        self.world.check_laws()
        outcome = self.attempt(procedure, path)
        assert outcome.finished, (at, [str(problem) for problem in outcome.problems])
        self._hold()

    def _hold(self) -> None:
        self.world.checked.clear()
        self.world.check_laws()
        self.world.check_somebody_writes()

    def attempt(self, procedure: Procedure, path: Path, points: Points | None = None) -> OperationOutcome:
        world, allowed = self.world, self.allowed()

        async def run() -> OperationOutcome:
            with _journal(path, world, points) as journal:
                begun = journal.entries
                plan = None if begun else await make_plan(procedure, self.deployment, world, allowed=allowed)
                hash_ = plan.hash if plan else str(begun[0].data["hash"])
                options = Options(hash_, allowed, executors=self.executors)
                return await execute(procedure, self.deployment, world, journal, options=options)

        return world.run(run())

    def refused(self, fault: Fault | None, why: str) -> None:
        """Nothing is begun, nobody is stopped."""
        path, before = self._path(), self.world.configured()
        with pytest.raises(InputError, match=why):
            self.attempt(self.procedure(fault), path)
        assert not path.read_bytes()
        assert self.world.configured() == before
        self._hold()

    def not_yet(self, condition: str) -> None:
        """A way back while the old primary is as it was: refused, or without an end; whoever serves goes on."""
        self.strike(condition)
        self.world.excepted.clear()
        self.world.check_somebody_writes()
        with suppress(InputError):
            assert not self.attempt(self.procedure(None), self._path()).finished
        self._hold()
        self.mend()


def _journal(path: Path, world: LivingWorld, points: Points | None) -> Journal:
    return Journal(path, world) if points is None else KilledJournal(path, world, points)


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


MakeLife = Callable[..., Life]


@pytest.fixture
def make_life(kit: Kit, memory: Path) -> MakeLife:
    names = itertools.count()

    def make(strategy: Strategy, writers: Writers = Writers.AVAILABLE, *, every: bool = False, **operate: Any) -> Life:
        wanted = Operate(writers=writers, lease_s=Seconds(10.0), **operate)
        system = evolve(kit.system, operate=wanted)
        deployment = lay_out(strategy, evolve(kit, system=system))
        ready = evolve(kit, system=deployment.system)
        return Life(ready, LivingWorld(deployment=deployment, dead=set()), memory, every, names)

    return make


def _twice_there_and_back(life: Life, condition: str) -> None:
    for _ in range(2):
        _over(life, condition)
        _back(life, condition)


def _over(life: Life, condition: str) -> None:
    fault = life.strike(condition)
    if condition == "refusing":
        if any(family.reach not in (Reach.STRETCHED, Reach.SOURCED) for family in families(life.deployment)):
            life.refused(fault, "is not lost")
        life.mend()
        fault = life.strike("alive")
    path = life.carry_out(fault)
    life.mend()
    outcome = life.attempt(life.procedure(fault), path)
    assert outcome.finished
    life.world.excepted.clear()
    life.world.check_laws()


def _back(life: Life, condition: str) -> None:
    """Refused, or waited for, while the old primary is as it was; then carried out."""
    if any(step.blocked for step in life.procedure(None).steps):
        life.refused(None, ".")
        return
    if condition != "alive":
        life.not_yet(condition)
    life.carry_out(None)


CELLS = [
    *((strategy, Writers.AVAILABLE) for strategy in STRATEGIES[1:]),
    *((strategy, Writers.ONE) for strategy in WAYS_BACK),
]


def _id(value: Any) -> str:
    return value.id if isinstance(value, Strategy) else str(value)


@pytest.mark.parametrize(("strategy", "writers"), CELLS, ids=_id)
def test_there_and_back_twice(make_life: MakeLife, strategy: Strategy, writers: Writers) -> None:
    for condition in CONDITIONS:
        _twice_there_and_back(make_life(strategy, writers), condition)


@pytest.mark.drills
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("strategy", "writers"), CELLS, ids=_id)
def test_killed_at_every_line(make_life: MakeLife, strategy: Strategy, writers: Writers, condition: str) -> None:
    life = make_life(strategy, writers, every=True)
    _twice_there_and_back(life, condition)
    assert life.deaths > 20


LEAF = Strategy.parse("warm-standby/leafnode-mirror")


@pytest.mark.parametrize(
    ("spoiled", "condition", "writers", "seen"),
    [
        ("no-salvage", "dead", Writers.AVAILABLE, "are nowhere"),
        ("no-fence", "cut", Writers.ONE, "both regions hold the right to write"),
    ],
)
def test_a_step_that_breaks_a_law_turns_the_matrix_red(
    make_life: MakeLife, spoiled: str, condition: str, writers: Writers, seen: str
) -> None:
    life = make_life(LEAF, writers)
    life.executors = executors(spoiled)
    with pytest.raises(AssertionError, match=seen):
        _twice_there_and_back(life, condition)


@pytest.mark.parametrize("writers", Writers, ids=str)
@pytest.mark.parametrize("condition", ["alive", "cut"])
def test_calls_that_fail_leave_somebody_who_writes(make_life: MakeLife, condition: str, writers: Writers) -> None:
    """Refusals, silence and answers that are lost, at random: a move that failed left a writer, and is gone on with."""
    for seed in range(8):
        life, chance = make_life(LEAF, writers), random.Random(seed)
        for move in ("over", "back"):
            fault = life.strike(condition) if move == "over" else None
            _through_troubles(life, fault, chance, lost=condition == "cut" and move == "over")
            life.mend()
            if move == "over" and condition == "cut":
                life.world.puts_back.clear()
                life.attempt(life.procedure(fault), life.path_of(fault))
            life.world.excepted.clear()
            life.world.check_laws()


def _through_troubles(life: Life, fault: Fault | None, chance: random.Random, *, lost: bool) -> None:
    """With fewer each time, until it is done."""
    path = life.path_of(fault)
    for left in reversed(range(6)):
        calls = range(life.world.calls, life.world.calls + 400)
        life.world.fails_at = set(chance.sample(calls, 6 * left))
        try:
            outcome = life.attempt(life.procedure(fault), path)
        except InputError:
            continue  # its plan could not look
        except MachineError:
            continue
        finally:
            life.world.fails_at = set()
        life.world.check_laws()
        if outcome.finished:
            return
        if not lost and life.all_mirror(fault):
            life.world.check_somebody_writes()
    pytest.fail(f"{life.procedure(fault).name} does not end")


def test_what_a_controller_puts_back_lets_nobody_in_who_holds_no_lease(make_life: MakeLife) -> None:
    """`writers: one`: something gives each stream its subjects back within a moment, all along."""
    life = make_life(LEAF, Writers.ONE)
    for condition in ("alive", "cut"):
        life.world.puts_back.add(life.home)
        fault = life.strike(condition)
        path = life.carry_out(fault)
        life.world.puts_back.clear()
        life.mend()
        assert life.attempt(life.procedure(fault), path).finished
        assert not life.world.overlap
        _back(life, "alive")


def test_what_a_controller_puts_back_in_the_other_region_lets_nobody_in(make_life: MakeLife) -> None:
    """The way back of the same: once the other region's lease has run out, its subjects are no matter."""
    life = make_life(LEAF, Writers.ONE)
    life.carry_out(life.strike("alive"))
    life.mend()
    life.world.puts_back.add(life.world.away)
    life.carry_out(None)
    assert all(life.world.takers(family) == [life.home] for family in life.world.ways_of)
    assert not life.world.overlap


def test_a_controller_that_undoes_the_fence_of_a_failback_stops_it(make_life: MakeLife) -> None:
    """Where nobody needs a lease: seen to take writes after its fence, the other region goes on alone."""
    life = make_life(LEAF, Writers.AVAILABLE)
    life.carry_out(life.strike("alive"))
    life.mend()
    life.world.puts_back.add(life.world.away)
    outcome = life.attempt(life.procedure(None), life.path_of(None))
    assert any("still takes writes after it was fenced" in str(problem) for problem in outcome.problems)
    assert not outcome.finished
    assert not life.world.overlap
    life.world.puts_back.clear()
    life._hold()


def test_a_controller_that_owns_the_other_region_s_streams_is_named_by_a_failback(make_life: MakeLife) -> None:
    nack = Reconciler(ReconcilerKind.NACK, "events", "us-west-2", "nats", ("EVENTS",))
    life = make_life(LEAF, reconcilers=(nack,))
    life.carry_out(life.strike("alive"))
    life.mend()
    life.refused(None, "nack nats/events in us-west-2 would revert")


def test_where_writers_need_a_lease_no_controller_forbids_a_failback(make_life: MakeLife) -> None:
    nack = Reconciler(ReconcilerKind.NACK, "events", "us-west-2", "nats", ("EVENTS",))
    life = make_life(LEAF, Writers.ONE, reconcilers=(nack,))
    life.carry_out(life.strike("alive"))
    life.mend()
    life.carry_out(None)


def test_a_controller_that_owns_the_streams_is_named_before_anybody_is_stopped(make_life: MakeLife) -> None:
    nack = Reconciler(ReconcilerKind.NACK, "events", "us-east-1", "nats", ("EVENTS",))
    life = make_life(LEAF, reconcilers=(nack,))
    life.refused(life.strike("alive"), "nack nats/events in us-east-1 would revert")
