"""One matrix: every strategy, there and back and there and back again, the primary dead, alive, frozen, cut off or
refusing us, the controller killed at every line of its journal.

Clients write all along. After each call, each death and each end the laws hold: what was acknowledged is somewhere, one
region writes, somebody writes, and what is deleted was looked at. `make drills` kills at each line; here at a few.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve
from kill_points import KilledJournal, Points
from living_world import LivingWorld

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind, Writers
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import EntryKind, Journal, OperationEnd, end_of
from secondsite.operate.layout import Reach, families
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.write_gate import leased

CONDITIONS = ("dead", "alive", "frozen", "cut", "refusing")
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 # thousands of journals, each line synchronised
SILENT = ("dead", "frozen", "cut")
FEW = 2
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
    deaths: int = 0
    attempts: int = 0

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

    # --- moves

    def carry_out(self, fault: Fault | None) -> Path:
        """Killed at lines of its journal, each time from the same begin; then once undisturbed."""
        procedure = self.procedure(fault)
        begin = self.world.kept()
        lines = self._lines(procedure)
        chosen = range(lines) if self.every else [(7 * (n + 1) + 3 * self.deaths) % lines for n in range(FEW)]
        for at in chosen:
            self.world = begin.kept()
            self._killed_at(procedure, 3 * at + (at + self.deaths) % 3)
        self.world = begin
        path = self._path()
        outcome = self.attempt(procedure, path)
        assert outcome.finished, [str(problem) for problem in outcome.problems]
        self._hold()
        return path

    def _path(self) -> Path:
        return self.folder / str(next(self._names))

    def _lines(self, procedure: Procedure) -> int:
        """How many there are; what was done for that is forgotten."""
        kept, path = self.world, self._path()
        self.world = kept.kept()
        assert self.attempt(procedure, path).finished
        self.world = kept
        return len(path.read_bytes().splitlines())

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
        self.world.check_laws()
        self.world.check_somebody_writes()

    def attempt(self, procedure: Procedure, path: Path, points: Points | None = None) -> OperationOutcome:
        world, allowed = self.world, self.allowed()
        self.attempts += 1

        async def run() -> OperationOutcome:
            with _journal(path, world, points) as journal:
                begun = journal.entries
                plan = None if begun else await make_plan(procedure, self.deployment, world, allowed=allowed)
                hash_ = plan.hash if plan else str(begun[0].data["hash"])
                options = Options(hash_, allowed)
                return await execute(procedure, self.deployment, world, journal, options=options)

        return world.run(run())

    def refused(self, fault: Fault | None, why: str) -> None:
        """Nothing is begun, nobody is stopped."""
        path = self._path()
        with pytest.raises(InputError, match=why):
            self.attempt(self.procedure(fault), path)
        assert not path.read_bytes()
        self.world.check_laws()


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
            life.refused(fault, "no lost region")
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
        life.refused(None, "")
        return
    if condition != "alive":
        life.strike(condition)
        life.world.excepted.clear()
        life.refused(None, "cannot be reached|no lost region|does not answer|no connection")
        life.mend()
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
