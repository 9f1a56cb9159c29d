"""A region's cluster as failovers change it: workloads with an autoscaler and controllers that put back what they have.

There is no kubelet, no controller manager and no controller: `made_ready` says what they would, by patching status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kube_api import ADMIN, KubeApi
from running_system import named, workload

SHOP = "shop"
KUSTOMIZATIONS, APPLICATIONS = "kustomizations.kustomize.toolkit.fluxcd.io", "applications.argoproj.io"


def controllers() -> list[dict[str, Any]]:
    """The kinds of Argo CD and Flux."""
    return [_kind(APPLICATIONS, "Application", "v1alpha1"), _kind(KUSTOMIZATIONS, "Kustomization", "v1")]


def _kind(name: str, kind: str, version: str) -> dict[str, Any]:
    plural, _, group = name.partition(".")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
        "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
    }
    return named("CustomResourceDefinition", name, version="apiextensions.k8s.io/v1", spec=spec)


def service(name: str, replicas: int, **metadata: Any) -> dict[str, Any]:
    made = workload("Deployment", name, SHOP, {"image": f"{name}:1"}, replicas=replicas)
    return {**made, "metadata": {**made["metadata"], **metadata}}


def autoscaler(name: str, floor: int) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    spec = {"scaleTargetRef": target, "minReplicas": floor, "maxReplicas": 10, "targetCPUUtilizationPercentage": 70}
    return named("HorizontalPodAutoscaler", name, SHOP, "autoscaling/v1", spec=spec)


def application(name: str) -> dict[str, Any]:
    """Of Argo CD, which puts back what differs from its source."""
    automated = {"selfHeal": True, "prune": False}
    return named("Application", name, "argocd", "argoproj.io/v1alpha1", spec={"syncPolicy": {"automated": automated}})


def applied(api: KubeApi, objects: Iterable[dict[str, Any]]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    api.done(ADMIN, "apply", "-f", "-", stdin=text)


def established(api: KubeApi) -> None:
    applied(api, controllers())
    for name in (APPLICATIONS, KUSTOMIZATIONS):
        api.done(ADMIN, "wait", "--for", "condition=established", f"crd/{name}")
    applied(api, [named("Namespace", name) for name in (SHOP, "argocd", "other")])


def made_ready(api: KubeApi, namespace: str = SHOP) -> None:
    """Every Deployment has the pods that it wants."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    for one in json.loads(api.request("GET", path))["items"]:
        wanted, known = one["spec"]["replicas"], one.get("status", {})
        status = {"observedGeneration": one["metadata"]["generation"], "replicas": wanted, "readyReplicas": wanted}
        if status.items() - known.items():
            api.request("PATCH", f"{path}/{one['metadata']['name']}/status", {"status": status})


def at_address(api: KubeApi, name: str, address: str, namespace: str = SHOP) -> None:
    """A Service whose load balancer was given an address."""
    spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}]}
    applied(api, [named("Service", name, namespace, spec=spec)])
    _patched(api, "service", name, namespace, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})


def _patched(api: KubeApi, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None:
    api.done(
        ADMIN,
        *("-n", namespace, "patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps(patch)),
    )


def got(api: KubeApi, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(api.done(ADMIN, "get", *arguments, "-o", "json"))
    return found
