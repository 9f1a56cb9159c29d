"""Services behind NetworkPolicies, on a real kube-apiserver: what it keeps, whom it lets, what somebody else changed.

No network plugin runs there: no packet was stopped, and none is claimed to be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve
from kube_api import ADMIN, KubeApi, kube_api
from operated_cluster import SHOP, applied, established, got, service
from rights_page import block
from running_system import named

from secondsite.cli.__main__ import run
from secondsite.kube.cluster import ClusterConflictError, ClusterPlace, ClusterRefusedError
from secondsite.kube.fencing import FencedService, fence, lift, look
from secondsite.kube.kubeconfig import context_of
from secondsite.model.service import Role, Service
from secondsite.operate.cluster_fence import fenced_region, lifted_region, region_state

pytestmark = pytest.mark.slow
FENCER, STRANGER = "fencer", "stranger"
SERVICES = (
    *(Service(name, SHOP, "Deployment", Role.API) for name in ("api", "worker")),
    Service("postgres", SHOP, "StatefulSet", Role.DATABASE),
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube_api(tmp_path_factory.mktemp("kube"), {STRANGER: "nobody", FENCER: "nobody"}) as made:
        established(made)
        group = "rbac.authorization.k8s.io"
        for role in yaml.safe_load_all(block("yaml fence")):
            made.create(f"/apis/{group}/v1/clusterroles", role)
        subjects = [{"kind": "User", "name": FENCER, "apiGroup": group}]
        for name, path in (("fence", f"namespaces/{SHOP}/rolebindings"), ("which-cluster", "clusterrolebindings")):
            bound = {"kind": "ClusterRole", "name": name, "apiGroup": group}
            made.create(
                f"/apis/{group}/v1/{path}", {"metadata": {"name": name}, "roleRef": bound, "subjects": subjects}
            )
        yield made


@pytest.fixture
def place(api: KubeApi) -> ClusterPlace:
    """With the rights of the page and no other; nothing is cut off."""
    api.run(ADMIN, "-n", SHOP, "delete", "networkpolicies", "--all")
    applied(api, [service("api", 1), service("worker", 1)])
    return ClusterPlace(context_of(FENCER, api.folder / "config"), FENCER)


def policies(api: KubeApi) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in got(api, "-n", SHOP, "networkpolicies")["items"]}


def api_service(place: ClusterPlace) -> FencedService:
    async def seen() -> FencedService:
        async with place.open() as cluster:
            (one,) = await look(cluster, [("Deployment", SHOP, "api")])
            return one

    return asyncio.run(seen())


def test_each_service_is_cut_off_and_given_back(api: KubeApi, place: ClusterPlace) -> None:
    assert [one.version for one in asyncio.run(region_state(place, SERVICES))] == ["", ""]
    assert policies(api) == {}  # it was only rehearsed
    assert [one.fenced for one in asyncio.run(fenced_region(place, SERVICES))] == [True, True]
    kept = policies(api)
    assert set(kept) == {"secondsite-fence-api", "secondsite-fence-worker"}  # the database is left alone
    deployed = got(api, "-n", SHOP, "deployment", "api")["spec"]["selector"]["matchLabels"]
    spec = kept["secondsite-fence-api"]["spec"]
    assert spec == {"podSelector": {"matchLabels": deployed}, "policyTypes": ["Ingress", "Egress"]}
    before = kept["secondsite-fence-api"]["metadata"]["resourceVersion"]
    asyncio.run(fenced_region(place, SERVICES))  # again: the same end
    assert policies(api)["secondsite-fence-api"]["metadata"]["resourceVersion"] == before
    assert len(asyncio.run(lifted_region(place, SERVICES))) == 2
    assert policies(api) == {}
    assert asyncio.run(lifted_region(place, SERVICES)) == ()


def allowing(pods: dict[str, str]) -> dict[str, Any]:
    """A policy of the user's, which lets clients in."""
    spec = {"podSelector": {"matchLabels": pods}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80}]}]}
    return named("NetworkPolicy", "clients", SHOP, "networking.k8s.io/v1", spec=spec)


@pytest.mark.parametrize("of", ["these", "all"])
def test_where_another_policy_lets_clients_in_nothing_is_cut_off(api: KubeApi, place: ClusterPlace, of: str) -> None:
    """Policies add up: half a region that is silent would be worse than none."""
    applied(api, [allowing(dict(api_service(place).pods) if of == "these" else {})])
    found = asyncio.run(fenced_region(place, SERVICES))
    assert found[0].opened_by == ("NetworkPolicy clients",)
    assert not any(one.fenced for one in found)
    assert set(policies(api)) == {"clients"}


def test_a_policy_of_other_pods_is_no_opening(api: KubeApi, place: ClusterPlace) -> None:
    applied(api, [allowing({"app": "something-else"})])
    assert api_service(place).opened_by == ()


def test_what_changed_since_it_was_looked_at_is_left_alone(api: KubeApi, place: ClusterPlace) -> None:
    expected = api_service(place)
    applied(api, [allowing(dict(expected.pods))])

    async def tried(one: FencedService) -> None:
        async with place.open() as cluster:
            await fence(cluster, one)

    with pytest.raises(ClusterConflictError, match="read it again"):
        asyncio.run(tried(expected))
    with pytest.raises(ClusterRefusedError, match="policies add up"):
        asyncio.run(tried(api_service(place)))
    assert set(policies(api)) == {"clients"}


def test_a_policy_that_somebody_edited_is_not_deleted(api: KubeApi, place: ClusterPlace) -> None:
    asyncio.run(fenced_region(place, SERVICES))
    shut = api_service(place)
    api.done(ADMIN, "-n", SHOP, "annotate", "networkpolicy", shut.policy, "why=we-need-it")

    async def lifted() -> None:
        async with place.open() as cluster:
            await lift(cluster, shut)

    with pytest.raises(ClusterConflictError):
        asyncio.run(lifted())
    assert shut.policy in policies(api)


def test_one_that_lets_something_through_is_no_fence_of_ours(api: KubeApi, place: ClusterPlace) -> None:
    asyncio.run(fenced_region(place, SERVICES))
    patch = json.dumps({"spec": {"egress": [{}]}})
    api.done(ADMIN, "-n", SHOP, "patch", "networkpolicy", "secondsite-fence-api", "--type=merge", "-p", patch)
    assert not api_service(place).fenced


def test_who_may_not_is_told_which_right_is_missing(api: KubeApi, place: ClusterPlace) -> None:
    stranger = ClusterPlace(context_of(STRANGER, api.folder / "config"), STRANGER)
    with pytest.raises(ClusterRefusedError, match=r"create networkpolicies\.networking\.k8s\.io in shop"):
        asyncio.run(region_state(stranger, SERVICES))
    other = evolve(place, uid="4f9c3a1e")
    with pytest.raises(ClusterRefusedError, match="is another cluster"):
        asyncio.run(fenced_region(other, SERVICES))
    assert api.denied(FENCER, "-n", SHOP, "delete", "networkpolicy", "clients")
    assert policies(api) == {}


def test_the_verb_shows_before_it_does(
    api: KubeApi, place: ClusterPlace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secondsite.yaml"
    kube = f"{{kubeconfig: file:{api.folder / 'config'}, context: {FENCER}}}"
    file.write_text(
        "schema: secondsite/system/1\nname: shop\nregion: {provider: aws, name: us-east-1}\nservices:\n"
        + "".join(f"  - {{name: {one}, namespace: {SHOP}, kind: Deployment, role: api}}\n" for one in ("api", "worker"))
        + f"operate:\n  places:\n    - {{region: us-east-1, kube: {kube}}}\n"
    )
    verb = ["operate", "fence", "us-east-1", "--file", str(file)]
    assert run(verb) == 0
    assert "--apply makes secondsite-fence-api" in capsys.readouterr().out
    assert policies(api) == {}
    assert run([*verb, "--apply"]) == 0
    assert "cut off: Deployment shop/api" in capsys.readouterr().out
    assert run([*verb, "--lift"]) == 0
    assert "would be lifted" in capsys.readouterr().out
    assert len(policies(api)) == 2
    assert run([*verb, "--lift", "--apply"]) == 0
    assert policies(api) == {}
    applied(api, [allowing(dict(api_service(place).pods))])
    assert run([*verb, "--apply"]) == 1
    assert "policies add up" in capsys.readouterr().out
    assert run(["operate", "fence", "us-west-2", "--file", str(file)]) == 2
