"""The rendered Roles on a real kube-apiserver: enough for the runbook's and the README's commands, and no more."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_api import ADMIN, KubeApi, kube_api

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.kube.cluster import ClusterPlace, ClusterRefusedError
from secondsite.kube.kubeconfig import context_of
from secondsite.model.deployment import Deployment
from secondsite.model.strategy import Strategy
from secondsite.operate.cluster_workloads import ClusterWorkloads, scaled_here
from secondsite.publish.deploy.cluster_rights import DEPLOY, FAILOVER
from secondsite.publish.deploy.tree import files
from secondsite.strategies.compose import lay_out
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.design import Kit

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
REGION = "us-west-2"
ANN, EVE, STRANGER = "ann", "eve", "stranger"


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    """The example: its runbook is printed, and says what a person types."""
    kit = Kit.of(load_system(EXAMPLE / "secondsite.yaml"), load_catalogue(None))
    return lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)


@pytest.fixture(scope="module")
def texts(deployment: Deployment) -> dict[str, str]:
    book = DeployedAddresses(deployment.system.services, "nats.example.com")
    return dict(files(deployment, book, "secondsite render", "secondsite:1"))


@pytest.fixture(scope="module")
def api(deployment: Deployment, texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """With the system's workloads and secrets, and ann and eve in the groups of the two roles."""
    groups = {ANN: FAILOVER, EVE: DEPLOY, STRANGER: "nobody"}
    with kube_api(tmp_path_factory.mktemp("kube"), groups) as made:
        objects = list(standing(deployment))
        made.done(ADMIN, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        for role in (FAILOVER, DEPLOY):
            made.done(ADMIN, "apply", "-f", "-", stdin=texts[f"{REGION}/rights/{role}.yaml"])
        yield made


def standing(deployment: Deployment) -> Iterator[dict[str, object]]:
    """What the system runs, and in each namespace something that it does not."""
    system = deployment.system
    used = [*(each.namespace for each in system.services), *(each.namespace for each in system.secrets)]
    for space in dict.fromkeys([*used, "other"]):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        yield workload("Deployment", "unknown", space)
        yield named("Secret", "unknown", space)
        yield autoscaler("unknown", space)
    for service in system.services:
        if service.kind in ("Deployment", "StatefulSet"):
            yield workload(service.kind, service.name, service.namespace)
        if service.autoscale:
            yield autoscaler(service.name, service.namespace)
        yield pod(f"{service.name}-0", service.namespace)
    yield from (named("Secret", secret.name, secret.namespace) for secret in system.secrets)
    yield named("Secret", "nats-logins", "kgents-agents")


def named(kind: str, name: str, namespace: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def pod(name: str, namespace: str) -> dict[str, object]:
    return named("Pod", name, namespace) | {"spec": {"containers": [{"name": "c", "image": "x"}]}}


def workload(kind: str, name: str, namespace: str) -> dict[str, object]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "nats", "image": "x"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return named(kind, name, namespace) | {
        "apiVersion": "apps/v1",
        "spec": spec | ({"serviceName": name} if kind == "StatefulSet" else {}),
    }


def autoscaler(name: str, namespace: str) -> dict[str, object]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9}
    return named("HorizontalPodAutoscaler", name, namespace) | {"apiVersion": "autoscaling/v1", "spec": spec}


def typed(text: str) -> list[list[str]]:
    """Every command of kubectl in the text, as arguments; the context is who types it."""
    found = re.findall(r"kubectl --context us-west-2 ((?:'[^']*'|[^'|`&\n)#])*)", text)
    return [shlex.split(line) for line in dict.fromkeys(found)]


def test_the_runbooks_commands_are_allowed(api: KubeApi) -> None:
    commands = typed((EXAMPLE / "docs" / "saas" / "runbook.md").read_text("utf-8"))
    assert len(commands) > 10
    assert {"scale", "exec", "get"} <= {word for command in commands for word in command}
    beforehand = [command for command in commands if "curl" in command]
    assert beforehand
    for command in beforehand:  # from inside a service's pods, which the rights of a failover leave out
        assert api.denied(ANN, *command), command
    for command in commands:
        if "port-forward" not in command and command not in beforehand:
            assert not api.denied(ANN, *command), command
            assert api.denied(STRANGER, *command), command
    assert api.done(ANN, "auth", "can-i", "create", "pods/qdrant-0", "--subresource=portforward", "-n", "kgents-triad")


IDENTITY = ("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
TRIAD, AGENTS = ("-n", "kgents-triad"), ("-n", "kgents-agents")
MORE = {
    "another workload": (*TRIAD, "scale", "deployment/unknown", "--replicas=0"),
    "another namespace": ("-n", "other", "scale", "deployment/unknown", "--replicas=0"),
    "delete what it scales": (*TRIAD, "delete", "deployment", "kgent-api", "--wait=false"),
    "change what runs": (*TRIAD, "set", "image", "deployment/kgent-api", "*=evil"),
    "another secret": (*TRIAD, "get", "secret", "unknown"),
    "all secrets": (*TRIAD, "get", "secrets"),
    "another autoscaler": (*TRIAD, "patch", "hpa", "unknown", "-p", "{}"),
    "write a secret it reads": (*TRIAD, "annotate", "secret", "postgres-credentials", "x=y"),
    "enter another pod": (*TRIAD, "exec", "kgent-api-0", "--", "sh"),
    "run a pod": (*TRIAD, "run", "x", "--image=x"),
    "take more rights": (*TRIAD, "create", "rolebinding", "x", "--clusterrole=admin", "--user=ann"),
    "another namespace's identity": ("get", "namespace", "other"),
}


def test_a_failover_asks_which_cluster_it_is(api: KubeApi) -> None:
    assert len(api.done(ANN, *IDENTITY)) == 36


def test_the_executors_door_has_the_rights_that_it_asks_for(api: KubeApi, deployment: Deployment) -> None:
    """It looks at every service, and scales one: by the role alone."""
    services = deployment.system.services
    place = ClusterPlace(context_of(ANN, api.folder / "config"), ANN)
    door = ClusterWorkloads({REGION: place}, services)
    asyncio.run(door.scale(REGION, "kgent-api", 2))
    now = asyncio.run(door.replicas(REGION))
    assert {name for name, one in now.items() if one.there} == {one.name for one in services if scaled_here(one)}
    assert [right for one in now.values() for right in one.lacking] == []
    assert (now["kgent-api"].wanted, now["kgent-api"].floor) == (2, 2)
    stranger = ClusterWorkloads({REGION: ClusterPlace(context_of(STRANGER, api.folder / "config"), STRANGER)}, services)
    with pytest.raises(ClusterRefusedError, match="forbidden"):
        asyncio.run(stranger.replicas(REGION))


@pytest.mark.parametrize("tried", MORE)
def test_one_thing_more_is_refused(api: KubeApi, tried: str) -> None:
    assert api.denied(ANN, *MORE[tried])


def test_what_is_rendered_is_applied(api: KubeApi, texts: dict[str, str], tmp_path: Path) -> None:
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for _ in range(2):  # made, then changed; an API server this old knows no `endPort`
        for folder in (REGION, f"{REGION}/agent"):
            ended = api.run(EVE, "apply", "--validate=false", "-k", str(tmp_path / folder))
            assert ended.returncode == 0, ended.stderr
    patch = str(tmp_path / REGION / "kubernetes" / "nats.patch.yaml")
    api.done(EVE, *AGENTS, "patch", "statefulset", "nats", "--patch-file", patch)
    assert not api.denied(EVE, *AGENTS, "rollout", "status", "statefulset", "nats", "--timeout=1s")
    assert not api.denied(EVE, *AGENTS, "get", "secret", "nats-logins", "-o", "json")
    template = json.loads(api.done(ADMIN, *AGENTS, "get", "statefulset", "nats", "-o", "json"))["spec"]["template"]
    assert template["spec"]["automountServiceAccountToken"] is False


BEYOND = {
    "another workload": (*AGENTS, "patch", "deployment", "unknown", "-p", "{}"),
    "another namespace": (*TRIAD, "create", "configmap", "x"),
    "delete what it made": (*AGENTS, "delete", "configmap", "nats-servers"),
    "another secret": (*AGENTS, "get", "secret", "unknown"),
    "its roles": (*AGENTS, "get", "roles"),
    "enter a server": (*AGENTS, "exec", "nats-0", "--", "sh"),
    "stop a service": (*TRIAD, "scale", "deployment/kgent-api", "--replicas=0"),
}


@pytest.mark.parametrize("tried", BEYOND)
def test_one_thing_more_than_to_deploy_is_refused(api: KubeApi, tried: str) -> None:
    assert api.denied(EVE, *BEYOND[tried])


def test_no_role_says_everything(texts: dict[str, str]) -> None:
    """No star, no way to write a secret, to grant, or to delete."""
    for role in (FAILOVER, DEPLOY):
        text = texts[f"{REGION}/rights/{role}.yaml"]
        assert "*" not in text.replace("rbac.authorization.k8s.io", "")
        assert not re.search(r"- (delete|deletecollection|escalate|bind|impersonate)\b", text)
