"""What people need on a region's Kubernetes cluster and no more: to fail over, and to apply what is rendered.

Programs of ours need nothing there. Each Role names the objects that commands of the runbook, or of the rendered
README, are about; whoever is in the group may do that, in these namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from secondsite.model.deployment import Deployment
from secondsite.model.service import Role, Service
from secondsite.operate.reconcilers import resource_of
from secondsite.publish.deploy.network_policy import policy_name
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.server_config import NatsServer, servers_of

FILE = "rights/{role}.yaml"
FAILOVER, DEPLOY = "secondsite-failover", "secondsite-deploy"
_API = "rbac.authorization.k8s.io"
_WORKLOADS = ("deployments", "statefulsets")
_IDENTITY = "kube-system"
"""Its uid tells one cluster from another: a command leads to the cluster that was meant."""

Json = Mapping[str, Any]


def rights_files(
    deployment: Deployment, book: DeployedAddresses, region: str, *, logins: str, agent: str
) -> Mapping[str, str]:
    """``REGION/rights/ROLE.yaml``. ``logins`` and ``agent`` are the Secret and the Deployment that are rendered."""
    servers = [server for server in servers_of(deployment) if server.region == region]
    roles = {
        FAILOVER: list(_failover(deployment, region)),
        DEPLOY: list(_deploy(servers, book, logins=logins, agent=agent)),
    }
    head = "# Written by `secondsite render`. Add the people who may do it to the group, or bind another subject.\n"
    return {
        f"{region}/{FILE.format(role=name)}": head + "---\n".join(map(yaml_text, objects))
        for name, objects in roles.items()
    }


def _failover(deployment: Deployment, region: str) -> Iterator[Json]:
    system = deployment.system
    namespaces = [*(one.namespace for one in system.services), *(one.namespace for one in system.secrets)]
    for namespace in dict.fromkeys(namespaces):
        services = [service for service in system.services if service.namespace == namespace]
        secrets = [secret.object_name for secret in system.secrets if secret.namespace == namespace]
        rules = [*_services(services), *_rule("", "secrets", secrets, "get")]
        yield from _granted(FAILOVER, namespace, rules)
    reconcilers = [one for one in (system.operate.reconcilers if system.operate else ()) if one.region == region]
    for namespace in dict.fromkeys(one.namespace for one in reconcilers):
        names: dict[str, list[str]] = {}
        for one in reconcilers:
            if one.namespace == namespace:
                names.setdefault(resource_of(one.kind), []).append(one.name)
        rules = []
        for resource, named in names.items():
            plural, _, group = resource.partition(".")
            rules += _rule(group, plural, named, "get", "patch")
        yield from _granted(f"{FAILOVER}-reconcilers", namespace, rules)
    yield from _granted(f"{FAILOVER}-identity", _IDENTITY, _rule("", "namespaces", [_IDENTITY], "get"))
    yield from _granted(FAILOVER, None, [*_rule("", "nodes", None, "get", "list"), *_rule("", "pods", None, "list")])


def _services(services: Sequence[Service]) -> Iterator[Json]:
    yield from _rule("apps", _WORKLOADS, None, "get", "list")
    yield from _rule("", "pods", None, "get", "list")
    scaled = [service.object_name for service in services if service.autoscale]
    yield from _rule("autoscaling", "horizontalpodautoscalers", None, "get", "list")
    yield from _rule("autoscaling", "horizontalpodautoscalers", scaled, "patch")
    for kind, plural in zip(("Deployment", "StatefulSet"), _WORKLOADS, strict=True):
        names = [service.object_name for service in services if service.kind == kind]
        yield from _rule("apps", f"{plural}/scale", names, "get", "patch", "update")
    reloaded = [f"{one.object_name}-{pod}" for one in services if one.role is Role.NATS for pod in range(one.replicas)]
    promoted = [f"{one.object_name}-0" for one in services if one.role is Role.DATABASE]
    yield from _rule("", "pods/exec", [*reloaded, *promoted], "create")
    stores = [service.object_name for service in services if service.role is Role.VECTOR_STORE]
    yield from _rule("", "services", stores, "get")
    yield from _rule("", "pods/portforward", [f"{name}-0" for name in stores], "create")


def _deploy(servers: Sequence[NatsServer], book: DeployedAddresses, *, logins: str, agent: str) -> Iterator[Json]:
    """A name cannot bound what is created: so it may create more of these kinds, and change none that is there."""
    for namespace in dict.fromkeys(book.namespace(server.cluster) for server in servers):
        here = [server.cluster for server in servers if book.namespace(server.cluster) == namespace]
        workloads = list(dict.fromkeys(map(book.workload, here)))
        configs = [*dict.fromkeys(map(book.config_map, here)), agent]
        yield from _granted(
            DEPLOY,
            namespace,
            [
                *_rule("", "configmaps", configs, "get", "patch"),
                *_rule("networking.k8s.io", "networkpolicies", list(map(policy_name, workloads)), "get", "patch"),
                *_rule("apps", "deployments", [agent], "get", "patch"),
                *_rule("apps", "statefulsets", workloads, "get", "patch"),
                *_rule("apps", "statefulsets", None, "list", "watch"),
                *_rule("", "configmaps", None, "create"),
                *_rule("networking.k8s.io", "networkpolicies", None, "create"),
                *_rule("apps", "deployments", None, "create"),
                *_rule("", "secrets", [logins], "get"),
            ],
        )
    yield from _granted(DEPLOY, None, _rule("storage.k8s.io", "storageclasses", None, "get"))


def _rule(group: str, resources: str | Iterable[str], names: Sequence[str] | None, *verbs: str) -> list[Json]:
    """``names`` None: all of them. Nothing where there are none."""
    if names is not None and not names:
        return []
    several = [resources] if isinstance(resources, str) else list(resources)
    bounds = {} if names is None else {"resourceNames": list(dict.fromkeys(names))}
    return [{"apiGroups": [group], "resources": several, **bounds, "verbs": list(verbs)}]


def _granted(name: str, namespace: str | None, rules: Iterable[Json]) -> Iterator[Json]:
    """A role and who has it: over the whole cluster for None, in the namespace of the command where it is empty."""
    scope = "Cluster" if namespace is None else ""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    yield {"apiVersion": f"{_API}/v1", "kind": f"{scope}Role", "metadata": metadata, "rules": list(rules)}
    group = DEPLOY if name.startswith(DEPLOY) else FAILOVER
    yield {
        "apiVersion": f"{_API}/v1",
        "kind": f"{scope}RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _API, "kind": f"{scope}Role", "name": name},
        "subjects": [{"apiGroup": _API, "kind": "Group", "name": group}],
    }
