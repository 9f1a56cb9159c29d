"""What a plan says of services and of the record before anything is done, and what a run does not pass over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from attrs import define, field
from fake_world import FakeDoors, FakeWorld
from odd_world import AWAY, context_of, failover_of, layout, step_of

from secondsite.model.procedure import Verb
from secondsite.operate.action import FinalError, Prospect
from secondsite.operate.verbs import EXECUTORS, left_by_hand
from secondsite.operate.world import Replicas
from secondsite.strategies.design import Kit


@define
class Cluster:
    """One service, as the cluster of the standby has it."""

    api: Replicas
    refuses: str = ""
    scaled: list[int] = field(factory=list)
    reached: tuple[str, ...] = (AWAY,)

    def reaches(self, region: str) -> bool:
        return region in self.reached

    async def replicas(self, region: str) -> Mapping[str, Replicas]:
        assert region == AWAY
        return {"api": self.api}

    async def scale(self, _region: str, _service: str, replicas: int) -> None:
        self.scaled.append(replicas)
        self.api = Replicas(replicas, replicas, replicas)

    async def rehearse(self, _region: str, _service: str, _replicas: int) -> str:
        return self.refuses

    async def crowded(self, _region: str, _more: Mapping[str, int]) -> str:
        return ""


class Owned(FakeDoors):
    """A record that external-dns keeps and that our key may not change."""

    async def owner(self) -> str:
        return "external-dns kgents"

    async def may(self) -> str:
        return "no permission to change api.example.io: REFUSED"


def looked(kit: Kit, cluster: Cluster) -> Prospect:
    world = FakeWorld(layout(kit), set())
    world.services = cluster
    procedure = failover_of(world.deployment, kit)
    step = step_of(procedure, Verb.SCALE_SERVICES)
    return asyncio.run(EXECUTORS[Verb.SCALE_SERVICES].look(context_of(world, procedure), step))


def ran(kit: Kit, cluster: Cluster, *allowed: str) -> None:
    world = FakeWorld(layout(kit), set())
    world.services = cluster
    procedure = failover_of(world.deployment, kit)
    context = context_of(world, procedure, allowed=frozenset(allowed))
    asyncio.run(EXECUTORS[Verb.SCALE_SERVICES].run(context, step_of(procedure, Verb.SCALE_SERVICES)))


CASES = {
    "a right": (Replicas(1, 1, lacking=("update deployments/scale.apps api in shop",)), "no-right", True),
    "a controller out of reach": (Replicas(1, 1, unheld=("argo-cd shop",)), "reconciled", False),
    "not deployed": (Replicas(0, 0, there=False), "no-workload", False),
}


@pytest.mark.parametrize(("api", "guard", "absolute"), CASES.values(), ids=CASES)
def test_what_forbids_it_is_in_the_plan_and_stops_a_run(kit: Kit, api: Replicas, guard: str, absolute: object) -> None:
    [told] = looked(kit, Cluster(api)).guards
    assert (told.id, told.absolute) == (guard, absolute)
    cluster = Cluster(api)
    with pytest.raises(FinalError):
        ran(kit, cluster)
    assert cluster.scaled == []
    if not absolute:
        ran(kit, cluster, guard)
        assert cluster.scaled == ([2] if api.there else [])


def test_what_its_server_would_refuse_is_in_the_plan(kit: Kit) -> None:
    [told] = looked(kit, Cluster(Replicas(1, 1), refuses="exceeded quota")).guards
    assert (told.id, told.absolute) == ("no-right", True)
    assert "exceeded quota" in told.what


def test_an_autoscaler_that_would_go_below_is_told_also_where_enough_run(kit: Kit) -> None:
    cluster = Cluster(Replicas(2, 2, floor=1, holds=("argo-cd argocd/shop",)))
    assert looked(kit, cluster).changes == (
        f"pause argo-cd argocd/shop in {AWAY}: it would restore the replicas",
        f"api in {AWAY}: 2 -> 2 replicas, its autoscaler keeps 1 -> 2",
    )
    ran(kit, cluster)
    assert cluster.scaled == [2]


def test_a_region_without_a_cluster_is_somebodys(kit: Kit) -> None:
    world = FakeWorld(layout(kit), set())
    procedure = failover_of(world.deployment, kit)
    world.services = Cluster(Replicas(2, 2))
    assert not {step.verb for step, _ in left_by_hand(world, procedure, AWAY)} & {Verb.SCALE_SERVICES}
    world.services = Cluster(Replicas(2, 2), reached=())
    assert Verb.SCALE_SERVICES in {step.verb for step, _ in left_by_hand(world, procedure, AWAY)}


def test_a_record_that_somebody_keeps_or_that_we_may_not_change_stops_before_it_is_touched(kit: Kit) -> None:
    world = FakeWorld(layout(kit), set())
    world.dns = Owned(world)
    before = world.record
    procedure = failover_of(world.deployment, kit)
    context, step = context_of(world, procedure), step_of(procedure, Verb.CHANGE_TRAFFIC)
    guards = {one.id: one.absolute for one in asyncio.run(EXECUTORS[Verb.CHANGE_TRAFFIC].look(context, step)).guards}
    assert guards == {"no-right": True, "reconciled": False}
    with pytest.raises(FinalError, match="no permission to change"):
        asyncio.run(EXECUTORS[Verb.CHANGE_TRAFFIC].run(context, step))
    assert world.record == before
