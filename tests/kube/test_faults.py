"""A region of a staging cluster taken away and given back, on a real kube-apiserver: also when whoever took it is dead.

No kubelet runs there: pods are objects, and what a fault deletes is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from attrs import evolve
from kube_api import ADMIN, KubeApi, kube_api
from nats_world import wait_until
from operated_cluster import SHOP, service
from rights_page import block
from running_system import workload

from secondsite.cli.game_day import GameDayOptions, _resources
from secondsite.discover.system_file.writing import write_system
from secondsite.drill.gameday.fault import ClusterFault
from secondsite.drill.gameday.guard import FaultGuard, give_back, guarded
from secondsite.kube import faults
from secondsite.kube.cluster import Cluster, ClusterConflictError, ClusterPlace
from secondsite.kube.faults import ALLOWED, ALLOWED_LABEL, GUARD, RECORD, FaultKind, FaultRecord
from secondsite.kube.kubeconfig import context_of
from secondsite.model.access import KubeAccess, RegionPlace
from secondsite.model.errors import InputError, MachineError
from secondsite.model.operate import Operate
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
STRANGER, DRILL = "stranger", "drill"
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube_api(tmp_path_factory.mktemp("kube"), {STRANGER: "nobody", DRILL: "nobody"}) as made:
        made.create("/api/v1/namespaces", {"metadata": {"name": SHOP, "labels": {ALLOWED_LABEL: ALLOWED}}})
        made.create("/api/v1/nodes", {"metadata": {"name": "node-1"}})
        made.create("/api/v1/nodes", {"metadata": {"name": "node-2"}, "spec": {"unschedulable": True}})
        apps = f"/apis/apps/v1/namespaces/{SHOP}"
        for name, count in (("api", 3), ("idle", 0), (GUARD, 1)):
            made.create(f"{apps}/deployments", service(name, count))
        nats = workload("StatefulSet", "nats", SHOP, {"image": "nats"}, replicas=2, serviceName="nats")
        made.create(f"{apps}/statefulsets", nats)
        yield made


@pytest.fixture
def place(api: KubeApi) -> ClusterPlace:
    for name in ("api", GUARD):
        labels = {"app.kubernetes.io/name": name}
        spec = {"nodeName": "node-1", "containers": [{"name": name, "image": name}]}
        if f"{name}-0" not in names(api, f"/api/v1/namespaces/{SHOP}/pods"):
            made = {"metadata": {"name": f"{name}-0", "labels": labels}, "spec": spec}
            api.create(f"/api/v1/namespaces/{SHOP}/pods", made)
    return ClusterPlace(context_of(ADMIN, api.folder / "config"), ADMIN)


def names(api: KubeApi, path: str) -> list[str]:
    return [one["metadata"]["name"] for one in json.loads(api.request("GET", path))["items"]]


def replicas(api: KubeApi) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind in ("deployments", "statefulsets"):
        items = json.loads(api.request("GET", f"/apis/apps/v1/namespaces/{SHOP}/{kind}"))["items"]
        found |= {one["metadata"]["name"]: one["spec"]["replicas"] for one in items}
    return found


def cordoned(api: KubeApi) -> list[str]:
    items = json.loads(api.request("GET", "/api/v1/nodes"))["items"]
    return [one["metadata"]["name"] for one in items if one["spec"].get("unschedulable")]


def in_cluster(where: ClusterPlace, ask: Callable[[Cluster], Awaitable[Result]]) -> Result:
    async def asked() -> Result:
        async with where.open() as cluster:
            return await ask(cluster)

    return asyncio.run(asked())


def record_of(place: ClusterPlace, kind: FaultKind = FaultKind.SCALE_TO_ZERO, lasts_s: float = 60.0) -> FaultRecord:
    target = in_cluster(place, lambda cluster: faults.look(cluster, (SHOP,), cordon=True))
    assert target.unwilling == ()
    assert target.lacking == ()
    return faults.planned(target, "drill-1", "us-east-1", kind, lasts_s)


BEFORE = {"api": 3, "idle": 0, "nats": 2, GUARD: 1}


def test_everything_goes_but_the_guard_and_comes_back_as_it_was(api: KubeApi, place: ClusterPlace) -> None:
    record = record_of(place)

    async def taken(cluster: Cluster) -> None:
        await faults.write(cluster, record)
        await faults.inflict(cluster, record)

    in_cluster(place, taken)
    assert replicas(api) == {"api": 0, "idle": 0, "nats": 0, GUARD: 1}
    assert cordoned(api) == ["node-1", "node-2"]
    assert names(api, f"/api/v1/namespaces/{SHOP}/pods") == [f"{GUARD}-0"]
    with pytest.raises(ClusterConflictError):  # one at a time
        in_cluster(place, lambda cluster: faults.write(cluster, record))
    for expected in (("drill-1",), ()):  # twice changes nothing
        assert asyncio.run(give_back(place, (SHOP,))) == expected
        assert replicas(api) == BEFORE
        assert cordoned(api) == ["node-2"]


def test_what_somebody_else_scaled_meanwhile_stays(api: KubeApi, place: ClusterPlace) -> None:
    record = record_of(place)

    async def taken(cluster: Cluster) -> None:
        await faults.write(cluster, record)
        await faults.inflict(cluster, record)
        state = await cluster.workload("Deployment", SHOP, "api")
        assert state is not None
        await cluster.scale(state, 1)

    in_cluster(place, taken)
    asyncio.run(give_back(place, (SHOP,)))
    assert replicas(api) == {**BEFORE, "api": 1}
    in_cluster(place, lambda cluster: _scaled(cluster, 3))


async def _scaled(cluster: Cluster, count: int) -> None:
    state = await cluster.workload("Deployment", SHOP, "api")
    assert state is not None
    await cluster.scale(state, count)


def test_a_network_policy_closes_the_namespace_and_goes_again(api: KubeApi, place: ClusterPlace) -> None:
    record = record_of(place, FaultKind.NETWORK_POLICY)

    async def taken(cluster: Cluster) -> None:
        await faults.write(cluster, record)
        await faults.inflict(cluster, record)

    in_cluster(place, taken)
    path = f"/apis/networking.k8s.io/v1/namespaces/{SHOP}/networkpolicies"
    (policy,) = json.loads(api.request("GET", path))["items"]
    assert policy["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert replicas(api) == BEFORE
    asyncio.run(give_back(place, (SHOP,)))
    assert names(api, path) == []


CHAOS = """\
apiVersion: chaos-mesh.org/v1alpha1
kind: NetworkChaos
metadata: {name: cut, namespace: shop}
spec: {action: partition, mode: all, selector: {namespaces: [shop]}, duration: 5m}
---
apiVersion: litmuschaos.io/v1alpha1
kind: ChaosEngine
metadata: {name: delete-pods, namespace: shop}
spec: {engineState: active}
"""
KINDS = (("networkchaos", "chaos-mesh.org", "NetworkChaos"), ("chaosengines", "litmuschaos.io", "ChaosEngine"))


def _installed(api: KubeApi, plural: str, group: str, kind: str) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": "v1alpha1", "served": True, "storage": True, "schema": schema}]
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    api.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {"metadata": {"name": f"{plural}.{group}"}, "spec": spec},
    )


def test_resources_of_chaos_tools_are_made_and_go_again(api: KubeApi, place: ClusterPlace, tmp_path: Path) -> None:
    (tmp_path / "chaos.yaml").write_text(CHAOS)
    made = _resources(GameDayOptions(fault_by="resource", resource=tmp_path / "chaos.yaml"), (SHOP,))
    target = in_cluster(place, lambda cluster: faults.look(cluster, (SHOP,), cordon=False))
    record = faults.planned(target, "drill-1", "us-east-1", FaultKind.RESOURCE, 60, made)
    assert (record.workloads, record.nodes) == ((), ())
    fault = ClusterFault(place, record)
    asyncio.run(fault.prepare())
    with pytest.raises(MachineError, match="no kind NetworkChaos of chaos-mesh"):
        asyncio.run(fault.inflict())  # it is not installed
    for kind in KINDS:
        _installed(api, *kind)
    paths = [f"/apis/{group}/v1alpha1/namespaces/{SHOP}/{plural}" for plural, group, _ in KINDS]
    wait_until(lambda: all(_lists(api, path) for path in paths), 60)
    asyncio.run(fault.inflict())
    assert [names(api, path) for path in paths] == [["cut"], ["delete-pods"]]
    assert replicas(api) == BEFORE
    asyncio.run(give_back(place, (SHOP,)))
    assert [names(api, path) for path in paths] == [[], []]


def _lists(api: KubeApi, path: str) -> bool:
    try:
        return names(api, path) == []
    except OSError:
        return False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: x, namespace: shop}", "not a resource of chaos-mesh"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: x, namespace: prod}", "namespace prod"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: x}", "namespace default"),
        ("apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {namespace: shop}", "not a resource of"),
        ("- 1", "holds no resource"),
        ("", "holds no resource"),
        ("a: [", "cannot be read"),
    ],
)
def test_other_resources_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "chaos.yaml").write_text(text)
    with pytest.raises(InputError, match=says):
        _resources(GameDayOptions(fault_by="resource", resource=tmp_path / "chaos.yaml"), (SHOP,))


def test_the_role_of_the_page_is_enough_and_no_more(api: KubeApi, place: ClusterPlace) -> None:
    """The drill and its guard with these rights alone."""
    for role in yaml.safe_load_all(block("yaml game-day")):
        api.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    group = "rbac.authorization.k8s.io"
    subjects = [{"kind": "User", "name": DRILL, "apiGroup": group}]
    for name, path in (("game-day", f"namespaces/{SHOP}/rolebindings"), ("game-day-nodes", "clusterrolebindings")):
        bound = {"kind": "ClusterRole", "name": name, "apiGroup": group}
        api.create(f"/apis/{group}/v1/{path}", {"metadata": {"name": name}, "roleRef": bound, "subjects": subjects})
    mine = ClusterPlace(context_of(DRILL, api.folder / "config"), DRILL)
    for kind in (FaultKind.SCALE_TO_ZERO, FaultKind.NETWORK_POLICY):
        fault = ClusterFault(mine, record_of(mine, kind))
        asyncio.run(fault.prepare())
        asyncio.run(fault.inflict())
        asyncio.run(fault.undo())
        assert replicas(api) == BEFORE
    guard = FaultGuard(mine, (SHOP,), "me", 1.0, lambda _: None)
    for _ in range(2):
        in_cluster(mine, guard.round)
    for more in (
        ("delete", "deployment", "api"),
        ("get", "secrets"),
        ("delete", "node", "node-1"),
        ("get", "configmaps"),
    ):
        assert api.denied(DRILL, "-n", SHOP, *more)
    assert api.denied(DRILL, "-n", "default", "get", "pods")


def test_a_login_without_rights_is_told_before(api: KubeApi) -> None:
    stranger = ClusterPlace(context_of(STRANGER, api.folder / "config"), STRANGER)
    with pytest.raises(MachineError):
        in_cluster(stranger, lambda cluster: faults.look(cluster, (SHOP,), cordon=True))


@pytest.mark.parametrize("text", ["", "[]", '{"id": 1}'])
def test_a_record_that_nobody_here_wrote_is_not_acted_upon(api: KubeApi, place: ClusterPlace, text: str) -> None:
    path = f"/api/v1/namespaces/{SHOP}/configmaps"
    api.create(path, {"metadata": {"name": RECORD}, "data": {"fault": text}})
    try:
        with pytest.raises(MachineError, match="does not record a fault"):
            asyncio.run(give_back(place, (SHOP,)))
    finally:
        api.request("DELETE", f"{path}/{RECORD}")


def test_a_record_about_other_namespaces_is_not_acted_upon(api: KubeApi, place: ClusterPlace) -> None:
    record = record_of(place)
    foreign = evolve(record, workloads=(evolve(record.workloads[0], namespace="kube-system"),))
    in_cluster(place, lambda cluster: faults.write(cluster, foreign))
    try:
        with pytest.raises(MachineError, match="objects of other namespaces"):
            asyncio.run(give_back(place, (SHOP,)))
    finally:
        api.request("DELETE", f"/api/v1/namespaces/{SHOP}/configmaps/{RECORD}")


TAKER = """
import asyncio, sys, time
from pathlib import Path
from secondsite.drill.gameday.fault import ClusterFault
from secondsite.kube import faults
from secondsite.kube.cluster import ClusterPlace
from secondsite.kube.faults import FaultKind
from secondsite.kube.kubeconfig import context_of

async def main():
    place = ClusterPlace(context_of("admin", Path(sys.argv[1])), "admin")
    async with place.open() as cluster:
        target = await faults.look(cluster, ("shop",), cordon=True)
    fault = ClusterFault(place, faults.planned(target, "of-the-dead", "us-east-1", FaultKind.SCALE_TO_ZERO, 2.0))
    await fault.prepare()
    await fault.inflict()
    print("taken", flush=True)
    time.sleep(600)

asyncio.run(main())
"""


def test_it_comes_back_by_itself_when_whoever_took_it_was_killed(
    api: KubeApi, place: ClusterPlace, kit: Kit, tmp_path: Path
) -> None:
    guard = _guard(api, kit, tmp_path)
    try:
        wait_until(lambda: asyncio.run(guarded(place, SHOP)), 60)
        config = str(api.folder / "config")
        taker = subprocess.Popen([sys.executable, "-c", TAKER, config], stdout=subprocess.PIPE, text=True)
        assert taker.stdout
        assert taker.stdout.readline() == "taken\n"
        os.kill(taker.pid, signal.SIGKILL)
        taker.wait()
        taker.stdout.close()
        assert replicas(api)["nats"] == 0
        wait_until(lambda: replicas(api) == BEFORE and cordoned(api) == ["node-2"], 60)
        wait_until(lambda: RECORD not in names(api, f"/api/v1/namespaces/{SHOP}/configmaps"), 60)
    finally:
        guard.kill()
        guard.wait()
    assert not asyncio.run(guarded(place, SHOP))  # its last beat is there still


def _guard(api: KubeApi, kit: Kit, folder: Path) -> subprocess.Popen[bytes]:
    """The shipped one, told where by a system file."""
    home = kit.system.region.name
    places = (RegionPlace(home, kube=KubeAccess(f"file:{api.folder / 'config'}", ADMIN)),)
    services = tuple(evolve(one, namespace=SHOP) for one in kit.system.services)
    system = evolve(kit.system, services=services, operate=Operate(places=places), marks={})
    (folder / "secondsite.yaml").write_text(write_system(system))
    command = ("drill", "undo", "--guard", "--file", str(folder / "secondsite.yaml"), "--every-s", "0.3")
    return subprocess.Popen([sys.executable, "-m", "secondsite", *command])


def test_a_fault_is_due_by_either_clock(place: ClusterPlace) -> None:
    """A guard that began later goes by the cluster's clock, one with a clock that is slow by its own."""
    guard = FaultGuard(place, (SHOP,), "me", 1.0, lambda _: None)
    record = FaultRecord("r", "us-east-1", FaultKind.SCALE_TO_ZERO, 30.0, (SHOP,))
    assert not guard.due(faults.FaultStanding(record, time.time()))
    assert guard.due(faults.FaultStanding(record, time.time() - 31))
    ahead: Any = faults.FaultStanding(evolve(record, id="s", lasts_s=0.0), time.time() + 3600)
    assert guard.due(ahead)
