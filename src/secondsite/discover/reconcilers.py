"""Controllers that put back what a failover changes, as `operate: reconcilers:` has them, for a person to take over.

Which of them is there in the other region too, manifests do not say: so they are told, and not written into the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.discover.resources import Resource, ResourceInventory
from secondsite.model.operate import ReconcilerKind

_GROUPS = {
    ("Application", "argoproj.io"): ReconcilerKind.ARGO_CD,
    ("Kustomization", "kustomize.toolkit.fluxcd.io"): ReconcilerKind.FLUX_KUSTOMIZATION,
    ("HelmRelease", "helm.toolkit.fluxcd.io"): ReconcilerKind.FLUX_HELM_RELEASE,
    ("Stream", "jetstream.nats.io"): ReconcilerKind.NACK,
    ("HorizontalPodAutoscaler", "autoscaling"): ReconcilerKind.HPA,
}


def reconciler_notes(inventory: ResourceInventory, region: str) -> list[str]:
    return [
        f"{resource.place}: this reverts what a failover changes; declare it under `operate: reconcilers:` as {line}"
        for kind in dict.fromkeys(kind for kind, _ in _GROUPS)
        for resource in inventory.of_kind(kind)
        for line in _lines(resource, region)
    ]


def _lines(resource: Resource, region: str) -> Iterator[str]:
    kind = _GROUPS.get((resource.kind, resource.group))
    if kind is None or not _puts_back(kind, resource):
        return
    namespace = f", namespace: {resource.namespace}" if resource.namespace else ""
    owned = _owned(kind, resource)
    owns = f", owns: [{owned}]" if owned else ""
    yield f"`{{kind: {kind}, name: {resource.name}, region: {region}{namespace}{owns}}}`"


def _puts_back(kind: ReconcilerKind, resource: Resource) -> bool:
    """Argo CD alone has to be told to: by default it shows a difference, and leaves it."""
    if kind is ReconcilerKind.ARGO_CD:
        return resource.spec["syncPolicy"]["automated"]["selfHeal"].text == "true"
    return resource.spec["suspend"].text != "true"


def _owned(kind: ReconcilerKind, resource: Resource) -> str:
    """All that is in its source, for what deploys whole folders."""
    if kind is ReconcilerKind.NACK:
        return resource.spec["name"].text
    return resource.spec["scaleTargetRef"]["name"].text if kind is ReconcilerKind.HPA else ""
