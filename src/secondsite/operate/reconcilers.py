"""Controllers that own what a step changes: named, and paused or told by whoever types; never fought.

What was paused is given back by the same commands with the opposite word, once clients write where they should.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from secondsite.model.operate import Reconciler, ReconcilerKind
from secondsite.operate.action import Guard, Scope
from secondsite.operate.shell import kubectl, word

_RESOURCES = {
    ReconcilerKind.ARGO_CD: "applications.argoproj.io",
    ReconcilerKind.FLUX_KUSTOMIZATION: "kustomizations.kustomize.toolkit.fluxcd.io",
    ReconcilerKind.FLUX_HELM_RELEASE: "helmreleases.helm.toolkit.fluxcd.io",
    ReconcilerKind.NACK: "streams.jetstream.nats.io",
    ReconcilerKind.HPA: "horizontalpodautoscalers.autoscaling",
}
_PAUSES: dict[ReconcilerKind, dict[str, Any]] = {
    ReconcilerKind.ARGO_CD: {"spec": {"syncPolicy": {"automated": None}}},
    ReconcilerKind.FLUX_KUSTOMIZATION: {"spec": {"suspend": True}},
    ReconcilerKind.FLUX_HELM_RELEASE: {"spec": {"suspend": True}},
    ReconcilerKind.NACK: {"spec": {"preventUpdate": True}},
}
"""A merge patch each. What an Argo CD application had stands in its source: a sync gives it back."""


def resource_of(kind: ReconcilerKind) -> str:
    """As kubectl is told it: plural and group."""
    return _RESOURCES[kind]


def owners(scope: Scope, region: str, names: Iterable[str]) -> tuple[Reconciler, ...]:
    """Those in the region that own one of the names."""
    operate = scope.deployment.system.operate
    wanted = set(names)
    mine = (one for one in (operate.reconcilers if operate else ()) if one.region == region)
    return tuple(one for one in mine if not one.owns or wanted & set(one.owns))


def stream_owners(scope: Scope, region: str, names: Iterable[str]) -> tuple[Reconciler, ...]:
    """An autoscaler owns no stream."""
    return tuple(one for one in owners(scope, region, names) if one.kind is not ReconcilerKind.HPA)


def service_owners(scope: Scope, region: str, names: Iterable[str]) -> tuple[Reconciler, ...]:
    return tuple(one for one in owners(scope, region, names) if one.kind is not ReconcilerKind.NACK)


def shown(one: Reconciler) -> str:
    return f"{one.kind} {one.namespace}/{one.name} in {one.region}"


def owned_guard(reconcilers: tuple[Reconciler, ...], what: str) -> tuple[Guard, ...]:
    """A change that is undone within a minute is none."""
    if not reconcilers:
        return ()
    what_for = f"{', '.join(map(shown, reconcilers))} would revert {what}"
    remedy = "pause it with the runbook's commands for this step, then give --allow reconciled"
    return (Guard("reconciled", what_for, remedy),)


def pausing(reconcilers: Iterable[Reconciler]) -> Iterator[str]:
    for one in reconcilers:
        if patch := _PAUSES.get(one.kind):
            yield f"{_patched(one, patch)}  # otherwise it reverts the next commands"


def replicas_pinned(reconcilers: Iterable[Reconciler], replicas: int) -> Iterator[str]:
    """An autoscaler goes on, with as many as are wanted at least."""
    for one in reconcilers:
        if one.kind is ReconcilerKind.HPA:
            yield _patched(one, {"spec": {"minReplicas": replicas}})


def _patched(one: Reconciler, patch: dict[str, Any]) -> str:
    inside = kubectl(one.region, one.namespace)
    return f"{inside} patch {_RESOURCES[one.kind]} {word(one.name)} --type merge -p {word(json.dumps(patch))}"
