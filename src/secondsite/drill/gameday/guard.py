"""Who gives a region back when whoever took it away is dead: a process in the same cluster, or beside it.

It beats a Lease, so that a game day sees it before it begins, and undoes what is written down when its time is over: by
the cluster's clock or by its own from when it first saw the fault, whichever is first. Too early spoils a drill, too
late a day.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from attrs import define, field

from secondsite.kube.cluster import Cluster, ClusterConflictError, ClusterPlace
from secondsite.kube.faults import FaultStanding, beat, guard_of, standing, undo
from secondsite.model.errors import MachineError

BEATS = 3
"""How many rounds a beat is good for."""


@define
class FaultGuard:
    """``report`` gets what a person should know."""

    place: ClusterPlace
    namespaces: Sequence[str]
    holder: str
    every_s: float
    report: Callable[[str], None]
    _since: dict[str, float] = field(factory=dict)

    async def watch(self) -> None:
        """For ever; a cluster that does not answer is asked again."""
        while True:
            try:
                async with self.place.open() as cluster:
                    await self.round(cluster)
            except MachineError as error:
                self.report(str(error.problems[0]))
            await asyncio.sleep(self.every_s)

    async def round(self, cluster: Cluster) -> None:
        for namespace in self.namespaces:
            try:
                await beat(cluster, namespace, self.holder, BEATS * self.every_s, datetime.now(UTC))
            except ClusterConflictError:
                self.report(f"{namespace}: another guard is running, too")
            fault = await standing(cluster, namespace)
            if fault is not None and self.due(fault):
                await undo(cluster, fault.record)
                self.report(f"{namespace}: fault {fault.record.id} lasted {fault.record.lasts_s:g} s and is undone")

    def due(self, fault: FaultStanding) -> bool:
        now = time.monotonic()
        since_s = max(now - self._since.setdefault(fault.record.id, now), time.time() - fault.written_at)
        return since_s >= fault.record.lasts_s


async def guarded(place: ClusterPlace, namespace: str) -> bool:
    """Whether a guard beats: seen by two beats that differ, never by comparing clocks."""
    async with place.open() as cluster:
        first = await guard_of(cluster, namespace)
        if first is None:
            return False
        deadline = time.monotonic() + max(first.lasts_s, 1.0)
        while time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            again = await guard_of(cluster, namespace)
            if again is not None and again.version != first.version:
                return True
    return False


async def give_back(place: ClusterPlace, namespaces: Sequence[str]) -> tuple[str, ...]:
    """Every fault that stands, due or not; their ids."""
    given = []
    async with place.open() as cluster:
        for namespace in namespaces:
            fault = await standing(cluster, namespace)
            if fault is not None:
                await undo(cluster, fault.record)
                given.append(fault.record.id)
    return tuple(given)
