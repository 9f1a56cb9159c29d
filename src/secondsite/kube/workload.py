"""What runs in a cluster, as far as a failover changes it: replicas, who scales them, and who puts them back. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from secondsite.model.operate import ReconcilerKind

_TRACKED = "argocd.argoproj.io/tracking-id"
_FLUX = {
    "kustomize.toolkit.fluxcd.io": ReconcilerKind.FLUX_KUSTOMIZATION,
    "helm.toolkit.fluxcd.io": ReconcilerKind.FLUX_HELM_RELEASE,
}


HELD = "secondsite.io/held"
"""The annotation that says what an object had before we changed it."""


@frozen
class GitOpsOwner:
    """``namespace`` is empty where the object does not say in which the controller's object lies."""

    kind: ReconcilerKind
    name: str
    namespace: str = ""


@frozen
class WorkloadState:
    """``ready`` counts only what the controller saw of the newest change. ``version`` is that of the object."""

    kind: str
    namespace: str
    name: str
    wanted: int
    ready: int
    version: str
    owner: GitOpsOwner | None = None

    @property
    def shown(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@frozen
class Autoscaler:
    namespace: str
    name: str
    target_kind: str
    target: str
    floor: int
    version: str
    held: Mapping[str, Any] | None = None

    @property
    def shown(self) -> str:
        return f"autoscaler {self.namespace}/{self.name}"

    def scales(self, workload: WorkloadState) -> bool:
        return (self.namespace, self.target_kind, self.target) == (workload.namespace, workload.kind, workload.name)


def workload_of(kind: str, given: Any) -> WorkloadState:
    """Of an object of the API; replicas that are left out are 1 there."""
    meta, status = given.metadata, given.status
    wanted = given.spec.replicas if given.spec and given.spec.replicas is not None else 1
    is_current = status is not None and (status.observedGeneration or 0) >= (meta.generation or 0)
    ready = (status.readyReplicas or 0) if is_current else 0
    owner = owner_of(meta.labels or {}, meta.annotations or {})
    return WorkloadState(kind, meta.namespace, meta.name, wanted, ready, meta.resourceVersion, owner)


def autoscaler_of(given: Any) -> Autoscaler:
    target, meta = given.spec.scaleTargetRef, given.metadata
    floor = 1 if given.spec.minReplicas is None else given.spec.minReplicas
    held = held_of(meta.annotations or {})
    return Autoscaler(meta.namespace, meta.name, target.kind, target.name, floor, meta.resourceVersion, held)


def held_text(had: object) -> str:
    return json.dumps({"had": had})


def held_of(annotations: Mapping[str, str]) -> Mapping[str, Any] | None:
    """None where we hold nothing, or somebody else wrote there."""
    try:
        held = json.loads(annotations.get(HELD, ""))
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) and "had" in held else None


def owner_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> GitOpsOwner | None:
    """By what Argo CD and Flux write on the objects that they apply."""
    application = annotations.get(_TRACKED, "").partition(":")[0]
    if application:
        namespace, _, name = application.rpartition("_")  # Argo CD names those outside of its own namespace so
        return GitOpsOwner(ReconcilerKind.ARGO_CD, name, namespace)
    for group, kind in _FLUX.items():
        if applied_by := labels.get(f"{group}/name"):
            return GitOpsOwner(kind, applied_by, labels.get(f"{group}/namespace", ""))
    return None
