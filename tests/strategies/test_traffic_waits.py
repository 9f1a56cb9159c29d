"""Clients are sent to the other region only when the stores that its API needs take writes there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.service import Role
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.stores import needed_to_serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
STORE_VERBS = (Verb.PROMOTE_STORES, Verb.RESTORE_STORES)
SEVERAL = [each for each in STRATEGIES if each.pattern not in ("single-region",)]


@lru_cache
def example() -> System:
    return load_system(EXAMPLE)


catalogue = lru_cache(load_catalogue)


def over(system: System, strategy: Strategy) -> Procedure:
    kit = Kit.of(system, catalogue())
    return procedures(lay_out(strategy, kit), kit)[Fault.REGION]


def alone(system: System) -> System:
    """Its API reaches no store, nor does what stands before it."""
    cut = tuple(
        evolve(each, depends_on=()) if each.role in (Role.API, Role.GATEWAY) else each for each in system.services
    )
    return evolve(system, services=cut)


@pytest.mark.parametrize("strategy", SEVERAL, ids=str)
def test_the_path_is_verified_and_clients_are_sent_after_the_stores(strategy: Strategy) -> None:
    procedure = over(example(), strategy)
    (last,) = [step.id for step in procedure.steps if step.verb in STORE_VERBS][-1:]
    verify = procedure.step(procedure.milestones[Subject.API])
    assert last in {step.id for step in procedure.leading_to(verify.id)}
    change = next(step for step in procedure.steps if step.verb is Verb.CHANGE_TRAFFIC)
    by_its_own_checks = change.after == (str(Verb.DETECT),)  # the DNS provider's, which wait for nobody
    assert by_its_own_checks or last in {step.id for step in procedure.leading_to(change.id)}


@pytest.mark.parametrize("strategy", SEVERAL, ids=str)
def test_nothing_waits_for_stores_that_nobody_is_said_to_need(strategy: Strategy) -> None:
    procedure = over(alone(example()), strategy)
    before = {step.verb for step in procedure.leading_to(procedure.milestones[Subject.API])}
    assert not before & set(STORE_VERBS)


def test_a_store_is_needed_at_one_remove_and_a_cache_never_is() -> None:
    system = example()
    assert needed_to_serve(system) == {"postgres", "qdrant"}
    behind = tuple(
        evolve(each, depends_on=("worker",))
        if each.role is Role.API
        else evolve(each, name="worker", role=Role.WORKER, depends_on=("postgres",))
        if each.name == "grafana"
        else each
        for each in system.services
    )
    assert needed_to_serve(evolve(system, services=behind)) == {"postgres"}
