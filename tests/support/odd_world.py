"""A fake world in which single calls go otherwise, and what a test of one step needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeRegion, FakeWorld

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import Context, Facts, FinalError
from secondsite.operate.layout import StreamFamily
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

LEAF, SUPER = "warm-standby/leafnode-mirror", "warm-standby/supercluster-mirror"
HOME, AWAY = "us-east-1", "us-west-2"


class Impatient(FakeWorld):
    """Waits ten times, not longer."""

    waits = 0

    async def sleep(self, seconds: float) -> None:
        self.waits += seconds > 0
        if self.waits > 10:
            raise FinalError.at("", "the limit", "resume")


class Odd(Impatient):
    """``ways`` replace what a region does, by the name of the call; each gets the region it stands for."""

    ways: Mapping[str, Callable[..., Any]] = {}

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[Any]:
        async with super().streams(region, within_s):
            yield OddRegion(self, region)


class OddRegion(FakeRegion):
    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in ("world", "held", "region"):
            return found
        way = self.world.ways.get(name) if isinstance(self.world, Odd) else None
        return found if way is None else lambda *args, **named: way(self, found, *args, **named)


def layout(kit: Kit, strategy: str = LEAF) -> Deployment:
    return lay_out(Strategy.parse(strategy), kit)


def failover_of(deployment: Deployment, kit: Kit, fault: Fault = Fault.GRAY) -> Procedure:
    return failover(deployment, evolve(kit, system=deployment.system), fault)


def context_of(
    world: FakeWorld, procedure: Procedure, facts: Mapping[str, Facts] | None = None, **more: Any
) -> Context:
    notes = more.pop("notes", [])
    return Context(
        world.deployment, procedure, world, facts or {}, lambda kind, data: notes.append((kind, data)), **more
    )


def step_of(procedure: Procedure, verb: Verb) -> Step:
    return next(step for step in procedure.steps if step.verb is verb)


def told_by(error: pytest.ExceptionInfo[MachineError]) -> tuple[str, str]:
    problem = error.value.problems[0]
    return problem.what, problem.remedy


class Old(FakeWorld):
    version = ""

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[Any]:
        async with super().streams(region, within_s):
            yield FakeRegion(self, region, self.version)


def family_of(world: FakeWorld, procedure: Procedure, name: str = "EVENTS") -> StreamFamily:
    return context_of(world, procedure).family(name)
