"""Controllers that put back what a failover changes, as `operate: reconcilers:` has them, for a person to take over.

Which of them is there in the other region too, manifests do not say: so they are told, and not written into the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from attrs import frozen

from secondsite.discover.helm_releases import is_release
from secondsite.discover.reading_notes import MAX_LISTED
from secondsite.discover.resources import Resource, ResourceInventory
from secondsite.discover.workloads import KINDS
from secondsite.model.operate import ReconcilerKind
from secondsite.model.place import Place
from secondsite.model.wording import counted

_INSTANCE = "app.kubernetes.io/instance"
_MOVED = frozenset({*KINDS, "Stream", "Consumer", "KeyValue", "ObjectStore", "Service", "Ingress"})

_GROUPS = {
    ("Application", "argoproj.io"): ReconcilerKind.ARGO_CD,
    ("Kustomization", "kustomize.toolkit.fluxcd.io"): ReconcilerKind.FLUX_KUSTOMIZATION,
    ("HelmRelease", "helm.toolkit.fluxcd.io"): ReconcilerKind.FLUX_HELM_RELEASE,
    ("Stream", "jetstream.nats.io"): ReconcilerKind.NACK,
    ("HorizontalPodAutoscaler", "autoscaling"): ReconcilerKind.HPA,
}


_NOUNS = {
    ReconcilerKind.ARGO_CD: "Argo CD Applications",
    ReconcilerKind.FLUX_KUSTOMIZATION: "Flux Kustomizations",
    ReconcilerKind.FLUX_HELM_RELEASE: "HelmReleases",
    ReconcilerKind.NACK: "NACK Streams",
    ReconcilerKind.HPA: "HorizontalPodAutoscalers",
}


@frozen
class Reconciling:
    """``line`` is as `operate: reconcilers:` takes it."""

    kind: ReconcilerKind
    place: Place
    line: str


def reconcilers_in(inventory: ResourceInventory, region: str) -> list[Reconciling]:
    """Those that deploy something of this system; of what another chart deploys nothing is known, nor moved."""
    files = {
        PurePosixPath(one.place.file).parent for one in inventory.resources if one.kind in _MOVED or is_release(one)
    }
    workloads = [one for one in inventory.resources if one.kind in KINDS]
    names = {name for one in workloads for name in (one.name, one.labels.get(_INSTANCE, ""))}
    return [
        Reconciling(_GROUPS[resource.kind, resource.group], resource.place, line)
        for kind in dict.fromkeys(kind for kind, _ in _GROUPS)
        for resource in inventory.of_kind(kind)
        if _is_concerned(resource, files, names)
        for line in _lines(resource, region)
    ]


def reconciler_notes(controllers: Sequence[Reconciling]) -> Iterator[str]:
    """Each by itself while they are few; of many of one kind, the first stands for all."""
    for kind, nouns in _NOUNS.items():
        own = [one for one in controllers if one.kind is kind]
        if len(own) > MAX_LISTED:
            yield (
                f"{own[0].place}: this and {counted(len(own) - 1, 'more ' + nouns)} revert what a failover changes; "
                f"declare them under `operate: reconcilers:`, this one as {own[0].line}; --verbose lists them"
            )
            continue
        for one in own:
            yield (
                f"{one.place}: this reverts what a failover changes; declare it under `operate: reconcilers:` as "
                f"{one.line}"
            )


def _is_concerned(resource: Resource, files: AbstractSet[PurePosixPath], names: AbstractSet[str]) -> bool:
    """Whether it deploys something that a failover moves, as far as its source can be seen; if it cannot, yes."""
    if resource.kind == "HelmRelease":
        spec = resource.spec
        named = spec["chart"].node is not None or spec["chartRef"].node is not None
        own = spec["releaseName"].text or resource.name
        return not named or is_release(resource) or own in names
    if resource.kind == "HorizontalPodAutoscaler":
        return resource.spec["scaleTargetRef"]["name"].text in names
    if resource.kind not in ("Application", "Kustomization"):
        return True
    source = resource.spec["source"]
    if source["chart"].text:
        return source["chart"].text == "nats" or resource.name in names
    path = (source["path"].text or resource.spec["path"].text).strip("./")
    return not path or any(_is_below(folder, path) for folder in files)


def _is_below(folder: PurePosixPath, path: str) -> bool:
    """Places are told from where the tool was started, paths from the root of the repository: either may be longer."""
    whole, wanted = f"/{folder}/", f"/{path}/"
    return wanted in whole or wanted.endswith(whole)


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
