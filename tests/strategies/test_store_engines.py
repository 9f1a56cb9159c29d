"""Only PostgreSQL gets a replica in the other region: of every other engine nothing may claim one."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.model.deployment import Deployment, LinkKind
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.store import RunningStore
from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit
from secondsite.strategies.registry import STRATEGIES
from secondsite.strategies.stores import rebuilt

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
CASES = Path(__file__).parent.parent / "evaluate" / "cases"
LIVING = [s for s in STRATEGIES if s.pattern in (Pattern.PILOT_LIGHT, Pattern.WARM_STANDBY, Pattern.ACTIVE_ACTIVE)]
SOURCED = Strategy(Pattern.ACTIVE_ACTIVE, Link.SOURCED, Switch.WEIGHTED)


def laid_out(name: str, strategy: Strategy) -> tuple[Deployment, Procedure, Procedure]:
    kit = Kit.of(load_system(CASES / f"{name}.yaml"), load_catalogue())
    deployment = lay_out(strategy, kit)
    return deployment, procedures(deployment, kit)[Fault.REGION], failback(deployment, kit)


@pytest.mark.parametrize("strategy", LIVING, ids=str)
def test_a_database_of_another_engine_is_nowhere_said_to_be_replicated(strategy: Strategy) -> None:
    deployment, over, back = laid_out("mysql", strategy)
    told = [need.what for need in deployment.requirements] + [step.title for step in (*over.steps, *back.steps)]
    assert not [text for text in told if "database replica" in text or "replicate databases" in text]
    assert any("no replica of it is laid out" in text for text in told)
    assert not [step for step in over.steps if step.verb is Verb.PROMOTE_STORES]
    assert not [copy for copy in deployment.copies if "replica" in copy.method]
    assert not [link for link in deployment.links if link.kind is LinkKind.DATABASE]


def test_postgres_is_replicated_as_before() -> None:
    deployment, over, _ = laid_out("pgonly", SOURCED)
    (promote,) = [step for step in over.steps if step.verb is Verb.PROMOTE_STORES]
    assert promote.title == "promote the database replica"
    assert [link for link in deployment.links if link.kind is LinkKind.DATABASE]
    assert any("let a replica of " in need.what for need in deployment.requirements)


@pytest.mark.parametrize(("said", "sent"), [(250_000.0, 250_000.0), (None, 40 * 1024.0)])
def test_the_link_carries_the_log_that_a_server_says_it_writes(said: float | None, sent: float) -> None:
    system = load_system(EXAMPLE)
    asked = tuple(evolve(store, running=RunningStore(written_bytes_per_s=said)) for store in system.stores)
    kit = Kit.of(evolve(system, stores=asked), load_catalogue())
    deployment = lay_out(Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR, Switch.DNS), kit)
    (link,) = [link for link in deployment.links if link.kind is LinkKind.DATABASE]
    assert link.bytes_per_s == sent


def test_a_cache_is_started_empty_and_nobody_backs_it_up() -> None:
    kit = Kit.of(load_system(EXAMPLE), load_catalogue())
    assert rebuilt(kit.system) == ("redis",)
    needs = lay_out(Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR, Switch.DNS), kit).requirements
    (text,) = [need.what for need in needs if need.id == "store-copies"]
    assert "start redis empty there" in text
    assert "back up qdrant" in text
