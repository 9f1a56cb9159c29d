"""Contracts on one stream or one store: judged by that one's own copies and replicas."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.discover.system_file.reading import load_system, read_system
from secondsite.discover.system_file.writing import write_system
from secondsite.evaluate.assess import Assessor, Auditor, plan
from secondsite.evaluate.compare import study_setting
from secondsite.evaluate.evaluation import Assessment
from secondsite.evaluate.recommend import blockers
from secondsite.evaluate.study import score
from secondsite.evaluate.years import Exposure, downtime
from secondsite.model.contract import Contract, Subject
from secondsite.model.errors import InputError
from secondsite.model.fault import Fault
from secondsite.model.nats import Stream
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Seconds

CASES = Path(__file__).parent / "cases"
MIRRORED = "warm-standby/leafnode-mirror/failover-record"
TODAY = "single-region/none/manual"


@cache
def ordered() -> System:
    """The example, whose contract is on ORDERS, with that stream: R3 beside TELEMETRY with one replica."""
    system = load_system(CASES / "perstream0.yaml")
    streams = (
        Stream("ORDERS", ("orders.>",), replicas=3, rate_per_s=10),
        Stream("TELEMETRY", ("telemetry.>",), replicas=1, rate_per_s=30),
    )
    return evolve(system, nats=tuple(evolve(cluster, streams=streams) for cluster in system.nats))


def promising(*contracts: Contract) -> System:
    return evolve(ordered(), contracts=contracts)


@pytest.fixture
def assessed(catalogue: Catalogue, auditor: Auditor) -> Callable[..., Assessment]:
    def one(system: System, strategy: str) -> Assessment:
        assessor = Assessor(system, catalogue, 1, auditor)
        planned = plan(Strategy.parse(strategy), system, catalogue)
        exposure = Exposure(planned.procedures, len(planned.deployment.serving))
        return assessor.assess(planned, downtime([exposure], assessor.model, 100, 1)[0])

    return one


def node(part: str) -> Contract:
    return Contract(Subject.NATS, Fault.NODE, Seconds(60), Seconds(0), part=part)


def test_a_subject_may_name_a_stream_and_is_written_as_it_was_read() -> None:
    system = load_system(CASES / "perstream0.yaml")
    (contract,) = system.contracts
    assert (contract.subject, contract.part, contract.name) == (Subject.NATS, "ORDERS", "nats/ORDERS/region")
    text = write_system(system)
    assert "subject: nats/ORDERS" in text
    assert "part:" not in text
    assert read_system(text, "written").contracts == system.contracts


@pytest.mark.parametrize(
    ("subject", "told"), [("api/v2", "api has no parts"), ("bus/ORDERS", "'bus' is not known here")]
)
def test_what_has_no_parts_is_refused(subject: str, told: str) -> None:
    text = (CASES / "perstream0.yaml").read_text().replace("nats/ORDERS", subject)
    with pytest.raises(InputError, match=told):
        read_system(text, "odd.yaml")


def test_one_stream_by_its_own_replicas(assessed: Callable[..., Assessment]) -> None:
    found = assessed(promising(node("ORDERS"), node("TELEMETRY"), node("")), TODAY)
    orders, telemetry, all_of_them = (
        found.outcome(name, Fault.NODE) for name in ("nats/ORDERS", "nats/TELEMETRY", "nats")
    )
    assert orders
    assert telemetry
    assert all_of_them
    assert orders.rto.quantile(0.5) < 10, "three replicas elect"
    assert telemetry.rto.quantile(0.5) == pytest.approx(760, rel=0.02), "one replica waits for its server"
    assert all_of_them.rto.quantile(0.5) == telemetry.rto.quantile(0.5), "of all the worst counts"
    assert (telemetry.probability_met, all_of_them.probability_met) == (0, 0)
    assert (orders.probability_met or 0) > 0.5


def test_the_messages_at_risk_are_the_streams_own(assessed: Callable[..., Assessment]) -> None:
    limit = Seconds(3600)
    both = [Contract(Subject.NATS, Fault.REGION, rpo_s=limit, part=part) for part in ("ORDERS", "")]
    found = assessed(promising(*both), MIRRORED)
    orders, all_of_them = found.outcome("nats/ORDERS"), found.outcome("nats")
    assert orders
    assert all_of_them
    assert orders.messages_at_risk.mean == pytest.approx(all_of_them.messages_at_risk.mean / 4, rel=1e-6)


def test_a_database_that_follows_loses_less_than_the_stores_beside_it(assessed: Callable[..., Assessment]) -> None:
    limits = Seconds(1800), Seconds(60)
    parts = [Contract(Subject.STATE, Fault.REGION, *limits, part=part) for part in ("postgres", "qdrant", "")]
    found = assessed(promising(*parts), MIRRORED)
    outcomes = [found.outcome(name) for name in ("state/postgres", "state/qdrant", "state")]
    postgres, qdrant, state = outcomes
    assert postgres
    assert qdrant
    assert state
    assert postgres.rpo.quantile(0.95) < 60 < qdrant.rpo.quantile(0.5)
    assert state.rpo.quantile(0.95) == qdrant.rpo.quantile(0.95)
    assert postgres.rto.quantile(0.5) <= qdrant.rto.quantile(0.5)
    assert (postgres.probability_met or 0) > 0.9 > (qdrant.probability_met or 0)


def test_the_study_judges_a_part_as_the_assessment_does(
    assessed: Callable[..., Assessment], catalogue: Catalogue, auditor: Auditor
) -> None:
    import numpy as np

    def breached(part: str) -> int:
        contract = Contract(Subject.NATS, Fault.NODE, Seconds(60), confidence=0.5, part=part)
        system = promising(contract)
        setting = study_setting(Assessor(system, catalogue, 1, auditor), [assessed(system, TODAY)], "aws")
        return int(score(setting, (), np.ones((1, 0))).breached[0, 0]) % 2

    assert (breached("ORDERS"), breached("TELEMETRY")) == (0, 1)


def test_a_stream_that_nobody_knows_is_judged_like_all_and_said(assessed: Callable[..., Assessment]) -> None:
    system = load_system(CASES / "perstream0.yaml")
    found = assessed(system, MIRRORED)
    assert found.outcome("nats/ORDERS")
    (told,) = [line for line in blockers(found, system) if "nats/ORDERS/region: no stream ORDERS is known" in line]
    assert "AGENTESE" in told
    assert not [line for line in blockers(found, ordered()) if "is known" in line]
