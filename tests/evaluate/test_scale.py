"""A system twice as large is twice the work, in calls and in comparisons of names: the same on every machine."""

from __future__ import annotations

import cProfile
from typing import ClassVar

import pytest
from attrs import evolve

from secondsite.audit.registry import audit
from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate import threads
from secondsite.evaluate.compare import compare
from secondsite.model.nats import Consumer, Stream
from secondsite.model.service import Role
from secondsite.model.strategy import Strategy
from secondsite.model.system import System

SIZE = 40
STRATEGIES = tuple(
    map(Strategy.parse, ("warm-standby/leafnode-mirror", "warm-standby/stretch", "active-active/sourced/weighted"))
)


class Name(str):
    """One that counts how often it is looked for one by one."""

    compared: ClassVar[int] = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)


def enlarged(system: System, size: int) -> System:
    """So many services more, and so many streams with four consumers each."""
    (api,), (cluster,) = system.with_role(Role.API), system.nats
    roles = (Role.API, Role.WORKER)
    services = (evolve(api, name=Name(f"service-{i}"), role=roles[i % 2], depends_on=("nats",)) for i in range(size))
    streams = (
        Stream(Name(f"S{i}"), (f"s{i}.>",), replicas=3, consumers=tuple(Consumer(Name(f"c{i}-{n}")) for n in range(4)))
        for i in range(size)
    )
    nats = (evolve(cluster, streams=(*cluster.streams, *streams)),)
    return evolve(system, services=(*system.services, *services), nats=nats)


def work(system: System, catalogue: Catalogue) -> tuple[int, int]:
    """How many calls there are, and how often a name is compared with another."""
    profile = cProfile.Profile()
    Name.compared = 0
    profile.runcall(compare, system, catalogue, audit, years=10, strategies=STRATEGIES)
    return sum(entry.callcount for entry in profile.getstats()), Name.compared


@pytest.mark.slow
def test_work_is_linear_in_services_and_streams(
    system: System, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "MOST", 1)  # a profile sees its own thread
    counted = [work(enlarged(system, size), catalogue) for size in (0, SIZE, 2 * SIZE)]
    for (none, half, whole), most in zip(zip(*counted, strict=True), (2.2, 2.05), strict=True):
        assert (whole - none) / (half - none) < most
