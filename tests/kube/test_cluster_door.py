"""The door to a cluster, on a real kube-apiserver: who it is, what we may, and changes that nobody is overrun by.

No kubelet runs there: pods are ready when the test says so, by patching status as a kubelet's reports would.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from attrs import evolve
from kube_api import ADMIN, KubeApi, kube_api
from nats_world import free_port
from operated_cluster import (
    APPLICATIONS,
    KUSTOMIZATIONS,
    SHOP,
    application,
    applied,
    at_address,
    autoscaler,
    established,
    got,
    made_ready,
    service,
)
from running_system import named

from secondsite.kube.cluster import Cluster, ClusterConflictError, ClusterPlace, ClusterRefusedError, Right
from secondsite.kube.kubeconfig import context_of
from secondsite.kube.workload import HELD, WorkloadState, held_of
from secondsite.model.errors import MachineError
from secondsite.model.operate import Reconciler, ReconcilerKind
from secondsite.model.service import Role, Service
from secondsite.operate.cluster_workloads import ClusterWorkloads

pytestmark = pytest.mark.slow
STRANGER = "stranger"
WEST = "us-west-2"
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube_api(tmp_path_factory.mktemp("kube"), {STRANGER: "nobody"}) as made:
        established(made)
        yield made


@pytest.fixture
def deployed(api: KubeApi) -> KubeApi:
    """As it stands before a failover: one of each, ready."""
    api.run(ADMIN, "-n", SHOP, "delete", "deployments,hpa", "--all", "--wait=false")
    tracked = {"annotations": {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{SHOP}/api"}}
    applied(api, [service("api", 1, **tracked), service("worker", 1), autoscaler("api", 1)])
    api.run(ADMIN, "-n", "argocd", "delete", "applications", "--all")
    applied(api, [application("shop")])
    made_ready(api)
    return api


def place(api: KubeApi, who: str = ADMIN) -> ClusterPlace:
    return ClusterPlace(context_of(who, api.folder / "config"), who)


def in_cluster(where: ClusterPlace, ask: Callable[[Cluster], Awaitable[Result]]) -> Result:
    async def asked() -> Result:
        async with where.open() as cluster:
            return await ask(cluster)

    return asyncio.run(asked())


def look(where: ClusterPlace, name: str = "api") -> WorkloadState:
    seen = in_cluster(where, lambda cluster: cluster.workload("Deployment", SHOP, name))
    assert seen is not None
    return seen


def door(api: KubeApi, who: str = ADMIN) -> ClusterWorkloads:
    services = tuple(Service(name, SHOP, "Deployment", Role.API) for name in ("api", "worker"))
    with_data = Service("postgres", SHOP, "StatefulSet", Role.DATABASE)
    return ClusterWorkloads({WEST: place(api, who)}, (*services, with_data))


def test_it_is_the_cluster_that_was_meant(api: KubeApi) -> None:
    uid = in_cluster(place(api), lambda cluster: cluster.identity())
    assert uid == got(api, "namespace", "kube-system")["metadata"]["uid"]
    assert in_cluster(evolve(place(api), uid=uid), lambda cluster: cluster.identity()) == uid
    with pytest.raises(ClusterRefusedError, match="is another cluster"):
        in_cluster(evolve(place(api), uid="4f9c3a1e"), lambda cluster: cluster.identity())


def test_a_refusal_of_us_is_no_silence(api: KubeApi) -> None:
    config = place(api).config
    assert config.user is not None
    unknown = config._replace(user=type(config.user)(token="of nobody"))
    with pytest.raises(ClusterRefusedError, match="rejects these credentials"):
        in_cluster(evolve(place(api), config=unknown), lambda cluster: cluster.identity())
    silent = config._replace(cluster=type(config.cluster)(server=f"https://127.0.0.1:{free_port()}", insecure=True))
    with pytest.raises(MachineError, match="does not answer") as caught:
        in_cluster(evolve(place(api), config=silent), lambda cluster: cluster.identity())
    assert not isinstance(caught.value, ClusterRefusedError)


def test_rights_are_asked_before_anything_is_done(deployed: KubeApi) -> None:
    wanted = (
        Right("update", "apps", "deployments/scale", SHOP, "api"),
        Right("list", "autoscaling", "horizontalpodautoscalers", SHOP),
    )
    assert in_cluster(place(deployed), lambda cluster: cluster.may(wanted)) == ()
    assert in_cluster(place(deployed, STRANGER), lambda cluster: cluster.may(wanted)) == wanted
    with pytest.raises(ClusterRefusedError, match="forbidden"):
        look(place(deployed, STRANGER))


def test_what_somebody_else_changed_is_not_overrun(deployed: KubeApi) -> None:
    where = place(deployed)
    seen = look(where)
    in_cluster(where, lambda cluster: cluster.scale(seen, 5, dry_run=True))
    assert look(where) == seen
    deployed.done(ADMIN, "-n", SHOP, "scale", "deployment/api", "--replicas=3")
    with pytest.raises(ClusterConflictError):
        in_cluster(where, lambda cluster: cluster.scale(seen, 2))
    assert look(where).wanted == 3
    newer = look(where)
    in_cluster(where, lambda cluster: cluster.scale(newer, 4))
    assert look(where).wanted == 4


def test_only_pods_of_the_newest_change_count_as_ready(deployed: KubeApi) -> None:
    where = place(deployed)
    assert (look(where).wanted, look(where).ready) == (1, 1)
    deployed.done(ADMIN, "-n", SHOP, "scale", "deployment/api", "--replicas=2")
    assert (look(where).wanted, look(where).ready) == (2, 0)
    made_ready(deployed)
    assert (look(where).wanted, look(where).ready) == (2, 2)


def test_a_service_is_scaled_with_its_autoscaler_and_what_puts_it_back_is_held(deployed: KubeApi) -> None:
    before = asyncio.run(door(deployed).replicas(WEST))
    assert set(before) == {"api", "worker"}  # and no database
    assert (before["api"].floor, before["api"].holds) == (1, ("argo-cd argocd/shop",))
    assert (before["worker"].floor, before["worker"].holds) == (None, ())
    asyncio.run(door(deployed).scale(WEST, "api", 2))
    after = asyncio.run(door(deployed).replicas(WEST))["api"]
    assert (after.wanted, after.floor, after.holds) == (2, 2, ())
    asyncio.run(door(deployed).scale(WEST, "api", 2))  # again: the same end
    app = got(deployed, APPLICATIONS, "shop", "-n", "argocd")
    assert app["spec"]["syncPolicy"].get("automated") is None
    assert json.loads(app["metadata"]["annotations"][HELD]) == {"had": {"selfHeal": True, "prune": False}}


def test_a_change_is_rehearsed_by_the_server_itself(deployed: KubeApi) -> None:
    """Nothing changes, and what it would refuse is known before the failover: an autoscaler's limit, for one."""
    assert asyncio.run(door(deployed).rehearse(WEST, "api", 2)) == ""
    assert "must be greater than or equal to `minReplicas`" in asyncio.run(door(deployed).rehearse(WEST, "api", 12))
    now = asyncio.run(door(deployed).replicas(WEST))["api"]
    assert (now.wanted, now.floor, now.holds) == (1, 1, ("argo-cd argocd/shop",))


def test_what_was_held_is_let_go_with_what_it_had(deployed: KubeApi) -> None:
    asyncio.run(door(deployed).scale(WEST, "api", 2))
    assert asyncio.run(door(deployed).release(WEST)) == ("autoscaler shop/api", "argo-cd argocd/shop")
    assert asyncio.run(door(deployed).replicas(WEST))["api"].floor == 1
    app = got(deployed, APPLICATIONS, "shop", "-n", "argocd")
    assert app["spec"] == application("shop")["spec"]
    assert HELD not in app["metadata"].get("annotations", {})
    assert asyncio.run(door(deployed).release(WEST)) == ()  # what somebody else holds is not ours to let go


def test_a_kustomization_of_flux_is_held_and_let_go(deployed: KubeApi) -> None:
    flux = "kustomize.toolkit.fluxcd.io"
    spec = {"interval": "10m", "path": "./apps"}
    applied(
        deployed,
        [
            service("worker", 1, labels={f"{flux}/name": "apps", f"{flux}/namespace": "other"}),
            named("Kustomization", "apps", "other", f"{flux}/v1", spec=spec),
        ],
    )

    def now() -> dict[str, Any]:
        return got(deployed, KUSTOMIZATIONS, "apps", "-n", "other")

    assert asyncio.run(door(deployed).replicas(WEST))["worker"].holds == ("flux-kustomization other/apps",)
    asyncio.run(door(deployed).scale(WEST, "worker", 2))
    assert now()["spec"] == {**spec, "suspend": True}
    assert json.loads(now()["metadata"]["annotations"][HELD]) == {"had": False}
    assert asyncio.run(door(deployed).replicas(WEST))["worker"].holds == ()
    assert asyncio.run(door(deployed).release(WEST)) == ("flux-kustomization other/apps",)
    assert now()["spec"] == spec
    deployed.done(
        ADMIN, "-n", "other", "patch", KUSTOMIZATIONS, "apps", "--type=merge", "-p", '{"spec":{"suspend":true}}'
    )
    assert asyncio.run(door(deployed).release(WEST)) == ()  # somebody else suspended it
    assert now()["spec"] == {**spec, "suspend": True}


def test_a_controller_out_of_reach_is_told_and_not_passed_over(deployed: KubeApi) -> None:
    deployed.done(ADMIN, "-n", "argocd", "delete", "applications", "--all")
    assert asyncio.run(door(deployed).replicas(WEST))["api"].unheld == ("argo-cd shop",)
    flux = Reconciler(ReconcilerKind.FLUX_KUSTOMIZATION, "worker", WEST, "flux-system", ("worker",))
    assert asyncio.run(evolve(door(deployed), reconcilers=(flux,)).replicas(WEST))["worker"].unheld == (
        "flux-kustomization worker",
    )


def test_rights_that_are_lacking_are_named(deployed: KubeApi) -> None:
    """Whoever may look and not scale is told so by the plan, not in the middle of the failover."""
    rules = ["get", "list"]
    deployed.run(ADMIN, "create", "clusterrole", "looks", f"--verb={','.join(rules)}", "--resource=deployments.apps")
    deployed.run(ADMIN, "create", "clusterrolebinding", "looks", "--clusterrole=looks", f"--user={STRANGER}")
    try:
        seen = asyncio.run(door(deployed, STRANGER).replicas(WEST))["worker"]
    finally:
        deployed.run(ADMIN, "delete", "clusterrolebinding,clusterrole", "looks")
    assert seen.lacking == (
        f"update deployments/scale.apps worker in {SHOP}",
        f"list horizontalpodautoscalers.autoscaling in {SHOP}",
    )


def test_what_is_not_deployed_there_is_not_there(deployed: KubeApi) -> None:
    deployed.done(ADMIN, "-n", SHOP, "delete", "deployment", "worker")
    assert not asyncio.run(door(deployed).replicas(WEST))["worker"].there


def test_where_clients_enter_is_read_off_the_load_balancer(deployed: KubeApi) -> None:
    at_address(deployed, "kong", "192.0.2.7")
    assert in_cluster(place(deployed), lambda cluster: cluster.entrance(SHOP, "kong")) == ("192.0.2.7",)
    with pytest.raises(MachineError, match="there is no Service shop/kang"):
        in_cluster(place(deployed), lambda cluster: cluster.entrance(SHOP, "kang"))


def node(api: KubeApi, name: str, **has: str) -> None:
    """As its kubelet reports it."""
    api.create("/api/v1/nodes", named("Node", name))
    api.request("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"allocatable": has, "capacity": has}})


def running(name: str, on: str, cpu: str) -> dict[str, Any]:
    """A pod that its scheduler has placed."""
    container = {"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    return named("Pod", name, SHOP, spec={"nodeName": on, "containers": [container]})


def test_whether_more_pods_have_room_is_told_before_they_are_wanted(deployed: KubeApi) -> None:
    assert asyncio.run(door(deployed).crowded(WEST, {"api": 400})) == ""  # without a node nobody can say
    node(deployed, "one", cpu="4", memory="8Gi", pods="10")
    node(deployed, "cordoned", cpu="64", memory="256Gi", pods="110")
    deployed.done(ADMIN, "cordon", "cordoned")
    applied(deployed, [running("other", "one", "1500m")])
    big = service("api", 1)
    big["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "2Gi"}}
    applied(deployed, [big])
    assert asyncio.run(door(deployed).crowded(WEST, {"api": 2})) == ""
    told = asyncio.run(door(deployed).crowded(WEST, {"api": 4, "worker": 1}))
    assert told == "the nodes of us-west-2 have no room for 2 pods of api (1 cores, 2 GiB each)"
    assert asyncio.run(door(deployed, STRANGER).crowded(WEST, {"api": 400})) == ""  # who may not see it cannot say


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"had"', "[" * 10_000])
def test_what_somebody_else_wrote_there_is_not_ours(text: str) -> None:
    assert held_of({HELD: text}) is None
