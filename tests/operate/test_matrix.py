"""There and back, twice, of every strategy that can, with the controller killed on the way; and what refuses us.

After each death and each end the laws hold: one writer, somebody who writes, and nothing that was acknowledged is gone.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from fake_world import FakeWorld
from kill_points import KilledJournal, Points

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Link, Strategy
from secondsite.operate.executor import Options, execute
from secondsite.operate.journal import Journal, OperationEnd, end_of
from secondsite.operate.layout import families
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES

LOST = frozenset({"unfenced"})
KILLS = 6
BOTH_WAYS = [strategy for strategy in STRATEGIES if "leafnode" in strategy.id]
ONE_WRITER = [one for one in STRATEGIES[1:] if one.link not in (Link.STRETCH, Link.SOURCED)]
"""Of the others no stream has one writer that could be stopped."""


class KilledError(BaseException):
    """Not an Exception: nothing may catch it."""


def _die() -> None:
    raise KilledError


@frozen
class Life:
    """One deployment, through its incidents."""

    deployment: Deployment
    kit: Kit
    world: FakeWorld
    folder: Path
    chance: random.Random

    def procedure(self, fault: Fault | None) -> Procedure:
        if fault is None:
            return failback(self.deployment, self.kit)
        return failover(self.deployment, self.kit, fault)

    def carry_out(self, name: str, fault: Fault | None, *, kills: int) -> None:
        """Killed here and there, each time gone on with."""
        path = self.folder / name
        for _ in range(kills):
            points = Points(_die, self.chance.randrange(1, 200))
            try:
                asyncio.run(self._attempt(path, fault, points))
            except KilledError:
                self.world.check_one_writer()
        assert asyncio.run(self._attempt(path, fault, Points(_die))), name
        self.world.check_one_writer()
        self.world.check_somebody_writes()

    async def _attempt(self, path: Path, fault: Fault | None, points: Points) -> bool:
        procedure, world = self.procedure(fault), self.world
        with KilledJournal(path, world, points) as journal:
            begun = journal.entries
            if begun and end_of(begun) is OperationEnd.DONE:
                return True
            known = begun[0].data["hash"] if begun else ""
            hash_ = known or (await make_plan(procedure, self.deployment, world, allowed=LOST)).hash
            options = Options(approved=str(hash_), allowed=LOST)
            return (await execute(procedure, self.deployment, world, journal, options=options)).finished

    def write(self, number: int) -> None:
        """One acknowledged message in each stream that takes writes."""
        for region, held in self.world.regions.items():
            for stream in held.values():
                if region not in self.world.dead and not stream.config.get("mirror"):
                    asyncio.run(self._publish(region, stream.config, number))

    async def _publish(self, region: str, config: Any, number: int) -> None:
        subjects = [one for one in config.get("subjects") or () if not one.startswith(("secondsite.", "$"))]
        async with self.world.streams(region) as door:
            for subject in subjects[:1]:
                told = subject.replace(">", "x").replace("*", "x")
                await door.publish(told, b"", {"Nats-Msg-Id": f"{region}-{number}"})
        self._mirror()

    def _mirror(self) -> None:
        """What mirrors do by themselves."""
        for family in families(self.deployment):
            held = [self.world.regions[one.region].get(one.name) for one in (family.origin, *family.copies)]
            found = [stream for stream in held if stream]
            longest = max(found, key=lambda stream: stream.last_seq)
            for stream in found:
                if stream.config.get("mirror"):
                    stream.messages, stream.last_seq = list(longest.messages), longest.last_seq


@pytest.fixture
def make_life(kit: Kit, tmp_path: Path) -> Any:
    def make(strategy: Strategy, seed: int) -> Life:
        deployment = lay_out(strategy, kit)
        ready = evolve(kit, system=deployment.system)
        return Life(deployment, ready, FakeWorld(deployment, set()), tmp_path, random.Random(seed))

    return make


@pytest.mark.parametrize("strategy", BOTH_WAYS, ids=lambda strategy: strategy.id)
@pytest.mark.parametrize("alive", [False, True], ids=["dead", "alive"])
def test_there_and_back_twice(make_life: Any, strategy: Strategy, *, alive: bool) -> None:
    life = make_life(strategy, seed=11)
    home = life.deployment.primary.region.name
    for number in range(2):
        life.write(number * 10)
        if not alive:
            life.world.dead.add(home)
        life.carry_out(f"over{number}", Fault.GRAY if alive else Fault.REGION, kills=KILLS)
        life.write(number * 10 + 1)
        life.world.dead.clear()
        life.carry_out(f"back{number}", None, kills=KILLS)
    kept = {m.headers.get("Nats-Msg-Id") for s in life.world.regions[home].values() for m in s.messages}
    assert {"1", "2", "3"} <= kept
    assert {one.split("-")[-1] for one in kept if one and "-" in one} >= {"0", "1", "10", "11"}


@pytest.mark.parametrize("strategy", ONE_WRITER, ids=lambda strategy: strategy.id)
def test_a_primary_that_refuses_us_is_left_alone(make_life: Any, strategy: Strategy) -> None:
    """Whatever the strategy: a refusal is no silence, so nothing is promoted beside it and nothing is stopped."""
    life = make_life(strategy, seed=1)
    life.world.refusing_us.add(life.deployment.primary.region.name)
    before = life.world.end()
    with pytest.raises(InputError, match=r"does not know these credentials.*no lost region"):
        life.carry_out("over", Fault.REGION, kills=0)
    assert life.world.end() == before
    with Journal(life.folder / "over", life.world) as journal:
        assert not journal.entries
