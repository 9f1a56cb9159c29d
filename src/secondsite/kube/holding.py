"""A GitOps controller held still while what it applies is changed, and let go with exactly what it had before.

What it had is written beside it, as an annotation, so that whoever lets it go need not be who held it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from secondsite.kube.cluster import Cluster
from secondsite.kube.workload import HELD, GitOpsOwner, held_of, held_text
from secondsite.model.errors import MachineError
from secondsite.model.operate import ReconcilerKind

_VERSIONS = {
    ReconcilerKind.ARGO_CD: ("argoproj.io", ("v1alpha1",), "Application", "applications"),
    ReconcilerKind.FLUX_KUSTOMIZATION: (
        "kustomize.toolkit.fluxcd.io",
        ("v1", "v1beta2"),
        "Kustomization",
        "kustomizations",
    ),
    ReconcilerKind.FLUX_HELM_RELEASE: ("helm.toolkit.fluxcd.io", ("v2", "v2beta2"), "HelmRelease", "helmreleases"),
}
ARGO_NAMESPACE = "argocd"


@frozen
class ControllerState:
    """``still``: it puts nothing back now. ``held``: what it had before we held it, None where we do not hold it."""

    owner: GitOpsOwner
    namespace: str
    api_version: str
    version: str
    still: bool
    had: Any
    held: Mapping[str, Any] | None

    @property
    def shown(self) -> str:
        return f"{self.owner.kind} {self.namespace}/{self.owner.name}"


async def controller(cluster: Cluster, owner: GitOpsOwner) -> ControllerState | None:
    """None where the cluster has no such object: a controller in another cluster is beyond reach."""
    namespace = owner.namespace or ARGO_NAMESPACE
    for version in _VERSIONS[owner.kind][1]:
        given = await cluster.asked(cluster.client.get(_resource(owner.kind, version), owner.name, namespace=namespace))
        if given is not None:
            return _state(owner, namespace, version, given)
    return None


def _state(owner: GitOpsOwner, namespace: str, version: str, given: Any) -> ControllerState:
    spec = given.get("spec") or {}
    if owner.kind is ReconcilerKind.ARGO_CD:
        had = (spec.get("syncPolicy") or {}).get("automated")
        still = had is None
    else:
        had, still = bool(spec.get("suspend")), bool(spec.get("suspend"))
    held = held_of(given.metadata.annotations or {})
    return ControllerState(owner, namespace, version, given.metadata.resourceVersion, still, had, held)


async def hold(cluster: Cluster, state: ControllerState, *, dry_run: bool = False) -> None:
    """Nothing where it is still already. Raises ClusterConflictError where it changed since it was looked at."""
    if not state.still:
        await _patch(cluster, state, _spec(state.owner.kind, None, still=True), held_text(state.had), dry_run)


async def release(cluster: Cluster, state: ControllerState) -> None:
    """Nothing where it is not we who hold it."""
    if state.held is not None:
        await _patch(cluster, state, _spec(state.owner.kind, state.held.get("had"), still=False), None, dry_run=False)


def _spec(kind: ReconcilerKind, had: Any, *, still: bool) -> dict[str, Any]:
    if kind is ReconcilerKind.ARGO_CD:
        return {"syncPolicy": {"automated": None if still else had}}
    return {"suspend": still or None}


async def _patch(
    cluster: Cluster, state: ControllerState, spec: dict[str, Any], held: str | None, dry_run: bool
) -> None:
    from lightkube.types import PatchType

    patch = {"metadata": {"resourceVersion": state.version, "annotations": {HELD: held}}, "spec": spec}
    resource = _resource(state.owner.kind, state.api_version)
    changed = await cluster.asked(
        cluster.client.patch(
            resource,
            state.owner.name,
            patch,
            namespace=state.namespace,
            patch_type=PatchType.MERGE,
            dry_run=dry_run,
        )
    )
    if changed is None:
        raise MachineError.at(cluster.shown, f"{state.shown} does not exist", "look again")


def _resource(kind: ReconcilerKind, version: str) -> Any:
    from lightkube.generic_resource import create_namespaced_resource

    group, _, name, plural = _VERSIONS[kind]
    return create_namespaced_resource(group, version, name, plural)
