"""A controller that owns what a step changes is named by the plan and paused by whoever types; never fought."""

from __future__ import annotations

import asyncio
import json
import shlex

import pytest
from attrs import evolve
from fake_world import FakeWorld
from odd_world import AWAY, HOME, context_of, step_of

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind, Writers
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.strategy import Strategy
from secondsite.operate.action import ALLOWABLE, Guard, ManualContext
from secondsite.operate.verbs import EXECUTORS, commands
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

NACK = Reconciler(ReconcilerKind.NACK, "events", HOME, "nats", ("EVENTS",))
ARGO = Reconciler(ReconcilerKind.ARGO_CD, "kgents", HOME, "argocd")


def _laid_out(kit: Kit, *reconcilers: Reconciler, writers: Writers = Writers.AVAILABLE) -> tuple[Deployment, Procedure]:
    ready = evolve(kit, system=evolve(kit.system, operate=Operate(writers=writers, reconcilers=reconcilers)))
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), ready)
    return deployment, failover(deployment, evolve(ready, system=deployment.system), Fault.GRAY)


def _typed(kit: Kit, verb: Verb, *reconcilers: Reconciler) -> list[list[str]]:
    """The words of each patch."""
    deployment, procedure = _laid_out(kit, *reconcilers)
    found = commands(ManualContext(deployment, procedure, AWAY, Fault.GRAY), step_of(procedure, verb))
    return [words for line in found if "patch" in (words := shlex.split(line, comments=True))]


def _guards(kit: Kit, *reconcilers: Reconciler, writers: Writers = Writers.AVAILABLE) -> tuple[Guard, ...]:
    deployment, procedure = _laid_out(kit, *reconcilers, writers=writers)
    context = context_of(FakeWorld(deployment, set()), procedure)
    step = step_of(procedure, Verb.FENCE)
    return asyncio.run(EXECUTORS[Verb.FENCE].look(context, step)).guards


@pytest.mark.parametrize(
    ("one", "resource", "patch"),
    [
        (NACK, "streams.jetstream.nats.io", {"spec": {"preventUpdate": True}}),
        (ARGO, "applications.argoproj.io", {"spec": {"syncPolicy": {"automated": None}}}),
        (
            evolve(ARGO, kind=ReconcilerKind.FLUX_KUSTOMIZATION),
            "kustomizations.kustomize.toolkit.fluxcd.io",
            {"spec": {"suspend": True}},
        ),
        (
            evolve(ARGO, kind=ReconcilerKind.FLUX_HELM_RELEASE),
            "helmreleases.helm.toolkit.fluxcd.io",
            {"spec": {"suspend": True}},
        ),
    ],
)
def test_what_owns_the_streams_is_paused_before_they_are_fenced(
    kit: Kit, one: Reconciler, resource: str, patch: dict[str, object]
) -> None:
    (words,) = _typed(kit, Verb.FENCE, one)
    at = words.index("patch")
    assert words[at + 1 : at + 3] == [resource, one.name]
    assert json.loads(words[words.index("-p") + 1]) == patch
    assert words[words.index("--context") + 1] == HOME
    assert words[words.index("-n") + 1] == one.namespace


def test_the_plan_names_what_would_undo_the_fence(kit: Kit) -> None:
    (guard,) = _guards(kit, NACK, ARGO)
    assert guard.id == "reconciled"
    assert guard.id in ALLOWABLE
    assert not guard.absolute
    assert guard.what.startswith("nack nats/events in us-east-1, argo-cd argocd/kgents in us-east-1 would revert")


def test_what_owns_nothing_of_it_says_nothing(kit: Kit) -> None:
    others = (
        evolve(NACK, owns=("ELSEWHERE",)),
        evolve(ARGO, region=AWAY),
        Reconciler(ReconcilerKind.HPA, "api", HOME),
    )
    assert _guards(kit, *others) == ()
    assert _typed(kit, Verb.FENCE, *others) == []


def test_where_writers_hang_on_a_lease_nothing_is_undone_that_counts(kit: Kit) -> None:
    assert _guards(kit, NACK, ARGO, writers=Writers.ONE) == ()


def test_an_autoscaler_is_told_and_what_deploys_is_paused(kit: Kit) -> None:
    """An autoscaler that keeps two would scale back what was scaled to more."""
    service = next(each.name for each in kit.system.services if each.kind == "Deployment")
    told = Reconciler(ReconcilerKind.HPA, "autoscaler", AWAY, owns=(service,))
    flux = Reconciler(ReconcilerKind.FLUX_KUSTOMIZATION, "apps", AWAY, "flux-system")
    deployment, _ = _laid_out(kit)
    wanted = deployment.primary.replicas(service)
    paused, scaled = _typed(kit, Verb.SCALE_SERVICES, told, flux)
    assert "suspend" in paused[-1]
    assert scaled[scaled.index("patch") + 1] == "horizontalpodautoscalers.autoscaling"
    assert json.loads(scaled[-1]) == {"spec": {"minReplicas": wanted}}
