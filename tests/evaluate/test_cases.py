"""Systems that were once evaluated wrong, each the example with one thing changed, and what is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.assess import Assessor, Auditor, plan
from secondsite.evaluate.evaluation import Assessment, ContractOutcome
from secondsite.evaluate.years import Exposure, downtime
from secondsite.model.strategy import Strategy
from secondsite.model.system import System

CASES = Path(__file__).parent / "cases"
WARM = "warm-standby/leafnode-mirror"


@cache
def case(name: str) -> System:
    return load_system(CASES / f"{name}.yaml")


@pytest.fixture
def assessed(catalogue: Catalogue, auditor: Auditor) -> Callable[..., Assessment]:
    """One strategy of one system; few years, as downtime is looked at by its parts."""

    def one(system: System, strategy: str = WARM) -> Assessment:
        assessor = Assessor(system, catalogue, 1, auditor)
        planned = plan(Strategy.parse(strategy), system, catalogue)
        exposure = Exposure(planned.procedures, len(planned.deployment.serving))
        return assessor.assess(planned, downtime([exposure], assessor.model, 100, 1)[0])

    return one


def of(assessment: Assessment, name: str) -> ContractOutcome:
    return next(outcome for outcome in assessment.outcomes if outcome.contract.name == name)


def held(assessment: Assessment, name: str) -> float:
    met = of(assessment, name).probability_met
    assert met is not None
    return met


# --- a region is lost in kinds ----------------------------------------------------------------------------------


def test_a_contract_on_a_region_is_the_mixture_over_the_kinds_of_its_loss(
    assessed: Callable[..., Assessment], catalogue: Catalogue
) -> None:
    found = assessed(case("aggr"), f"{WARM}/failover-record")
    kinds = {kind: held(found, f"api/{kind}") for kind in ("control-plane", "capacity", "observability")}
    shares = {kind: catalogue.figures[f"share.{kind}"].mean for kind in kinds}
    aggravated = sum(shares[kind] * kinds[kind] for kind in kinds)
    plain = (held(found, "api/region") - aggravated) / (1 - sum(shares.values()))
    assert 0.97 < plain <= 1


def test_the_kinds_alone_are_judged_where_they_are_named(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("aggr"), "active-active/sourced/weighted")
    assert held(found, "api/control-plane") > 0.95, "health-checked records ask no control plane"


# --- who moves the clients when us-east-1 takes Route 53's control plane along ----------------------------------


def test_changing_a_record_waits_for_the_control_plane_that_the_loss_takes_away(
    assessed: Callable[..., Assessment],
) -> None:
    found, record = assessed(case("aggr")), assessed(case("aggr"), f"{WARM}/failover-record")
    assert held(found, "api/region") < 0.05
    assert of(found, "api/region").rto.quantile(0.5) > 3600
    assert held(record, "api/region") > 0.9, "the data plane answers by itself"
    assert of(record, "nats/region").rto.quantile(0.5) == pytest.approx(
        of(found, "nats/region").rto.quantile(0.5), rel=0.02
    ), "streams are promoted alike"


def test_elsewhere_the_control_plane_is_there_unless_it_fails_too(assessed: Callable[..., Assessment]) -> None:
    system = case("aggr")
    assert system.second
    moved = evolve(system, region=system.second, second=system.region)
    assert held(assessed(moved), "api/region") == pytest.approx(0.686, abs=0.02)
    assert held(assessed(moved), "api/control-plane") < 0.05
