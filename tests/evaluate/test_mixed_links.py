"""A link for each stream: what a contract lets lose hours is backed up, what it lets lose seconds is mirrored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.assess import Assessor, Auditor, plan
from secondsite.evaluate.compare import compare
from secondsite.evaluate.evaluation import Assessment, ContractOutcome
from secondsite.evaluate.loss import _alike
from secondsite.evaluate.years import Exposure, downtime
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import LinkKind
from secondsite.model.fault import Fault
from secondsite.model.load import Load
from secondsite.model.nats import Stream
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds

pytestmark = pytest.mark.slow

MIXED = "warm-standby/mirror-and-backup/failover-record"
MIRRORED = "warm-standby/leafnode-mirror/failover-record"


@pytest.fixture
def telemetry(system: System) -> System:
    """ORDERS may lose a second, TELEMETRY two hours; the second is more than any mirror takes over one link."""
    orders = Stream("ORDERS", ("orders.>",), replicas=3, rate_per_s=40.0, max_age_s=Seconds(7 * 86400))
    readings = Stream("TELEMETRY", ("t.>",), replicas=3, rate_per_s=1260.0, max_age_s=Seconds(600), bytes=Bytes(2**30))
    (cluster,) = system.nats
    contracts = (
        Contract(Subject.NATS, Fault.REGION, Seconds(300), Seconds(1), part="ORDERS"),
        Contract(Subject.NATS, Fault.REGION, Seconds(4 * 3600), Seconds(2 * 3600), part="TELEMETRY"),
    )
    return evolve(
        system,
        nats=(evolve(cluster, streams=(evolve(orders, bytes=Bytes(2**30)), readings), max_file_bytes=None),),
        contracts=contracts,
        load=Load(1300.0, 1300.0, Bytes(64 * 1024)),
    )


@pytest.fixture
def assessed(catalogue: Catalogue, auditor: Auditor) -> Callable[[System, str], Assessment]:
    def one(system: System, strategy: str) -> Assessment:
        assessor = Assessor(system, catalogue, 1, auditor)
        planned = plan(Strategy.parse(strategy), system, catalogue)
        exposure = Exposure(planned.procedures, len(planned.deployment.serving))
        return assessor.assess(planned, downtime([exposure], assessor.model, 100, 1)[0])

    return one


def of(assessment: Assessment, name: str) -> ContractOutcome:
    return next(outcome for outcome in assessment.outcomes if outcome.contract.name == name)


def test_each_stream_is_judged_by_its_own_link(
    telemetry: System, assessed: Callable[[System, str], Assessment]
) -> None:
    found = assessed(telemetry, MIXED)
    assert of(found, "nats/ORDERS/region").rpo.quantile(0.5) < 0.1, "a mirror"
    late = of(found, "nats/TELEMETRY/region").rpo
    assert 600 < late.quantile(0.5) < 7200, "the newest backup"
    orders, readings = of(found, "nats/ORDERS/region").rto, of(found, "nats/TELEMETRY/region").rto
    assert orders.quantile(0.5) < readings.quantile(0.5), "promoted first, restored after it"
    carried = {link.kind: link.bytes_per_s for link in found.deployment.links if link.carries.startswith("stream")}
    assert carried[LinkKind.LEAF] == pytest.approx(40 * 64 * 1024), "what is mirrored, and nothing else"


def test_it_wins_where_one_mirror_of_everything_cannot_keep_up(
    telemetry: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    evaluation = compare(telemetry, catalogue, auditor, years=200)
    by_id = {a.strategy.id: a for a in evaluation.assessments}
    assert "mirror.in-flight" in by_id[MIRRORED].excluded
    assert not by_id[MIXED].excluded
    assert MIXED in by_id
    assert by_id[MIXED].monthly_usd["aws"].mean < by_id[MIRRORED].monthly_usd["aws"].mean, "and it is cheaper"


def test_without_contracts_that_differ_there_is_no_such_strategy(
    system: System, catalogue: Catalogue, auditor: Auditor
) -> None:
    assert MIXED not in {a.strategy.id for a in compare(system, catalogue, auditor, years=200).assessments}


def test_only_what_is_mirrored_is_promoted_and_the_rest_is_restored(telemetry: System, catalogue: Catalogue) -> None:
    planned = plan(Strategy.parse(MIXED), telemetry, catalogue)
    steps = {step.verb: step for step in planned.procedures[Fault.REGION].steps}
    assert steps[Verb.PROMOTE_STREAMS].targets == ("ORDERS",)
    assert steps[Verb.RESTORE_STREAMS].targets == ("TELEMETRY",)
    there = [c for c in planned.deployment.clusters if c.region == "us-west-2"]
    assert [stream.name for cluster in there for stream in cluster.streams] == ["ORDERS"]


def test_streams_with_the_same_copies_are_looked_at_once_and_lose_their_own_share(
    telemetry: System, catalogue: Catalogue
) -> None:
    (cluster,) = telemetry.nats
    orders, readings = cluster.streams
    many = tuple(evolve(readings, name=f"T{i}", subjects=(f"t{i}.>",), rate_per_s=12.6) for i in range(100))
    wide = evolve(telemetry, nats=(evolve(cluster, streams=(orders, *many)),))
    groups = _alike(plan(Strategy.parse(MIXED), wide, catalogue).deployment)
    assert set(groups) == {"ORDERS", "T0"}
    assert groups["T0"] == pytest.approx(1260 / 1300)
