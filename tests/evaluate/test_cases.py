"""Systems that were once evaluated wrong, each the example with one thing changed, and what is right."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.catalogue.additions import add_row
from secondsite.catalogue.bundle import Catalogue, load_catalogue
from secondsite.catalogue.own import beside, rtt_ms
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.assess import Assessor, Auditor, plan
from secondsite.evaluate.compare import compare
from secondsite.evaluate.derive import leaves
from secondsite.evaluate.evaluation import Assessment, ContractOutcome
from secondsite.evaluate.known import require
from secondsite.evaluate.recommend import blockers
from secondsite.evaluate.years import Exposure, downtime
from secondsite.model.contract import Contract, Subject
from secondsite.model.errors import InputError
from secondsite.model.estimate import Provenance, fixed
from secondsite.model.fault import Fault
from secondsite.model.load import Load
from secondsite.model.nats import Consumer, NatsCluster, Stream, StreamOrigin
from secondsite.model.premises import OwnPrice, OwnRoundTrip, Premises
from secondsite.model.region import Region
from secondsite.model.strategy import Pattern, Strategy
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds
from secondsite.strategies.sizing import stretch_messages_per_s

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
    assert held(assessed(moved), "api/region") == pytest.approx(0.65, abs=0.02)
    assert held(assessed(moved), "api/control-plane") < 0.05


# --- what happens inside the region -----------------------------------------------------------------------------


def test_a_stream_with_one_replica_is_away_as_long_as_its_server(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("r1node"), "single-region/none/manual")
    assert of(found, "nats/node").rto.quantile(0.5) == pytest.approx(760, rel=0.02)
    assert held(found, "nats/node") == 0
    assert of(found, "nats/zone").rto.quantile(0.5) > 3600, "its zone's own duration"


def test_a_lost_node_costs_streams_with_three_replicas_an_election(assessed: Callable[..., Assessment]) -> None:
    streams = tuple(
        evolve(cluster, streams=tuple(evolve(stream, replicas=3) for stream in cluster.streams))
        for cluster in case("r1node").nats
    )
    found = assessed(evolve(case("r1node"), nats=streams), "single-region/none/manual")
    assert 4 <= of(found, "nats/node").rto.quantile(0.05) <= of(found, "nats/node").rto.quantile(0.5) <= 9


def test_a_stream_with_one_replica_waits_for_its_node_wherever_its_cluster_stands(
    assessed: Callable[..., Assessment],
) -> None:
    """Of a cluster in the other region it was judged by the servers alone, which elect in seconds."""
    far = NatsCluster("far", service="nats", region="us-west-2", streams=(Stream("TIDES", ("tides.>",), replicas=1),))
    promised = Contract(Subject.NATS, Fault.NODE, rto_s=Seconds(60.0), part="TIDES")
    system = _with_three_replicas(case("r1node"))
    found = assessed(evolve(system, nats=(*system.nats, far), contracts=(promised,)), "several-regions/none/manual")
    assert of(found, "nats/TIDES/node").rto.quantile(0.5) == pytest.approx(760, rel=0.02)


def minutes_by(assessment: Assessment, fault: str) -> float:
    return next(part.mean for part in assessment.downtime_minutes.inputs if part.name == f"by {fault}")


def test_writes_that_no_stream_takes_fail_however_many_api_pods_there_are(
    assessed: Callable[..., Assessment],
) -> None:
    two, ten = (assessed(case(name), "single-region/none/manual") for name in ("rep2", "rep10"))
    assert minutes_by(two, "zone") == pytest.approx(minutes_by(ten, "zone"), rel=0.1)
    replicated = (_with_three_replicas(case(name)) for name in ("rep2", "rep10"))
    two, ten = (assessed(system, "single-region/none/manual") for system in replicated)
    assert minutes_by(two, "zone") == pytest.approx(26, abs=0.5)
    assert minutes_by(ten, "zone") == pytest.approx(26, abs=0.5)


def _with_three_replicas(system: System) -> System:
    """A stream with one replica is gone with its zone, and costs more."""
    clusters = tuple(evolve(c, streams=tuple(evolve(s, replicas=3) for s in c.streams)) for c in system.nats)
    return evolve(system, nats=clusters)


def test_the_order_of_services_changes_nothing(assessed: Callable[..., Assessment]) -> None:
    system = case("twoapi")
    turned = evolve(system, services=tuple(reversed(system.services)))
    one, other = assessed(system), assessed(turned)
    assert one.downtime_minutes.mean == pytest.approx(other.downtime_minutes.mean)
    assert [o.probability_met for o in one.outcomes] == [o.probability_met for o in other.outcomes]
    assert one.owning_usd.mean == pytest.approx(other.owning_usd.mean)


def test_a_lost_leader_takes_as_long_as_the_breaker_and_an_api_pod_as_long_as_its_own(
    assessed: Callable[..., Assessment],
) -> None:
    """22 of 22 drills stored again after 30 to 36 s behind a breaker of 30 s."""
    found = assessed(case("np25"))
    rto = of(found, "nats/process").rto
    assert (rto.quantile(0.05), rto.quantile(0.95)) == pytest.approx((30, 36), abs=1)
    assert held(found, "nats/process") == 0
    assert of(found, "api/process").rto.quantile(0.5) == pytest.approx(0.0136, rel=0.2), "the median of five drills"
    assert held(found, "api/process") == 1


def test_the_only_api_pod_is_waited_for_and_one_of_several_fails_its_share_of_requests(
    assessed: Callable[..., Assessment],
) -> None:
    """One definition for both: the first acknowledged write. What a dead pod's clients miss is downtime, not RTO."""
    system = case("np25")
    lone = evolve(
        system, services=tuple(evolve(s, replicas=1) if s.name == "kgent-api" else s for s in system.services)
    )
    alone, two = assessed(lone), assessed(system)
    assert of(alone, "api/process").rto.quantile(0.5) > 2, "Kubernetes restarts it"
    assert of(two, "api/process").rto.quantile(0.95) < 0.1
    (part,) = (part for part in two.downtime_minutes.inputs if part.name == "by process")
    assert part.mean > 0.5, "a share of requests fails until its endpoint is gone, and streams stall"


# --- load and size ----------------------------------------------------------------------------------------------


def test_a_mirror_that_cannot_keep_up_has_no_rpo_and_names_the_figure(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("big"))
    mirror = next(copy for copy in found.deployment.copies if copy.what == "streams")
    assert mirror.propagate.unbounded
    assert "MB/s over" in found.excluded
    assert "mirror.in-flight" in found.excluded
    assert held(found, "nats/region") < 0.1


def test_a_mirror_is_behind_after_a_peak_that_it_cannot_follow(assessed: Callable[..., Assessment]) -> None:
    system = evolve(case("rpo0"), load=Load(mean_per_s=40, peak_per_s=200, message_bytes=Bytes(2**20)))
    rpo = of(assessed(system), "nats/region").rpo
    assert rpo.quantile(0.5) < 1, "most of the time it keeps up"
    assert rpo.mean > 2 * of(assessed(case("rpo0")), "nats/region").rpo.mean


def test_a_stretched_stream_has_a_rate_that_its_round_trip_sets(catalogue: Catalogue) -> None:
    measured = {0: 18600, 20: 10800, 80: 4300, 200: 2200}
    for ms, rate in measured.items():
        trip = fixed("trip", ms, "ms", "test")
        assert stretch_messages_per_s(catalogue.figures, trip) == pytest.approx(rate, rel=0.1)


def test_more_than_a_stretched_stream_takes_excludes_it(assessed: Callable[..., Assessment]) -> None:
    far = evolve(case("rpo0"), second=Region("aws", "ap-southeast-2"), third=Region("aws", "sa-east-1"))
    busy = evolve(far, load=Load(mean_per_s=8000, peak_per_s=30000))
    assert "stretch.in-flight" in assessed(busy, "warm-standby/stretch/failover-record").excluded
    assert "stretch" not in assessed(far, "warm-standby/stretch/failover-record").excluded


def test_stores_are_restored_by_their_size(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("km"), "backup-restore/backup")
    hours = of(found, "state/bad-write").rto.quantile(0.5) / 3600
    assert hours > 2.44, "1,360 GiB, published at more than the rate that is assumed here"


def test_a_copy_that_takes_longer_than_its_interval_sets_the_rpo(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("bigstreams"), "backup-restore/backup")
    copy = next(copy for copy in found.deployment.copies if copy.method == "stream backup")
    assert copy.propagate.quantile(0.5) / 3600 == pytest.approx(2.8, rel=0.1)
    assert of(found, "nats/region").rpo.quantile(0.5) > copy.propagate.quantile(0.5)


def test_many_consumers_take_their_time(assessed: Callable[..., Assessment]) -> None:
    system = case("rpo0")
    (cluster,) = system.nats
    consumers = tuple(Consumer(f"c{number}") for number in range(8000))
    many = evolve(cluster, streams=(evolve(cluster.streams[0], consumers=consumers), *cluster.streams[1:]))
    found = assessed(evolve(system, nats=(many,)))
    step = found.procedures[Fault.REGION].step("restore-consumers")
    assert step.duration.quantile(0.5) > 8000 * 0.004


# --- anywhere ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gcp1", "az1"])
def test_other_providers_are_evaluated(name: str, assessed: Callable[..., Assessment]) -> None:
    assert not assessed(case(name)).excluded


def test_a_round_trip_that_nobody_measured_is_that_of_the_stand_ins_and_assumed(
    assessed: Callable[..., Assessment],
) -> None:
    """The table has no time to Los Angeles; it has the one to Oregon, so that of the case as it is comes from there."""
    system = case("gcp1")
    measured = leaves(assessed(system).latency.user_after_p50_ms)
    assert any(leaf.provenance is Provenance.PUBLISHED and "Skyplane" in leaf.source for leaf in measured)
    after = leaves(assessed(evolve(system, second=Region("gcp", "us-west2"))).latency.user_after_p50_ms)
    assert any(leaf.provenance is Provenance.ASSUMED and "stand in" in leaf.source for leaf in after)


def test_regions_that_no_table_knows_are_asked_for_all_at_once(catalogue: Catalogue) -> None:
    system = evolve(case("onprem"), second=Region("onprem", "dc-paris"))
    with pytest.raises(InputError, match=r"dc-frankfurt.*dc-paris.*add-counterpart onprem dc-frankfurt.*dc-paris"):
        require(system, catalogue)


def test_a_data_centre_is_evaluated_once_its_stand_ins_are_named(tmp_path: Path, auditor: Auditor) -> None:
    cells = ("onprem", "dc-frankfurt", "eu-central-1", "europe-west3", "germanywestcentral")
    add_row(tmp_path, "region_counterparts.csv", cells, ("our own", "2026-11", "assumed"))
    found = compare(case("onprem"), load_catalogue(tmp_path), auditor, years=200, strategies=(Strategy.parse(WARM),))
    assert found.recommended.strategy.id == WARM


PREMISES = Premises(
    "onprem",
    "dc-frankfurt",
    like=Region("aws", "eu-central-1"),
    prices=(OwnPrice("node_hour", 0.05), OwnPrice("control_plane_hour", 0.0), OwnPrice("transfer_gb", 0.001)),
    round_trips=(OwnRoundTrip("eu-central-1", 4.0), OwnRoundTrip("eu-west-1", 26.0)),
    source="contract with the colocation, 2026",
)


def test_a_data_centre_has_prices_and_round_trips_of_its_own_in_the_system_file(
    catalogue: Catalogue, auditor: Auditor
) -> None:
    system = evolve(case("onprem"), premises=(PREMISES,))
    found = compare(system, catalogue, auditor, years=200, strategies=(Strategy.parse(WARM),)).recommended
    for provider, bill in found.bills.items():
        lines = {item.name: item.monthly_usd for item in bill}
        nodes = lines["nodes, dc-frankfurt"]
        assert nodes.mean == pytest.approx(nodes.inputs[0].mean * 730 * 0.05), provider
        assert "contract with the colocation" in nodes.source
        assert lines["control plane, dc-frankfurt"].mean == 0
        assert lines["control plane, eu-central-1"].mean > 0, "the cloud's own at the cloud's price"
        for item in bill:
            if item.name in ("volumes, dc-frankfurt", "public addresses, dc-frankfurt"):
                assert item.provenance is Provenance.ASSUMED, "a cloud's price is nobody's offer for this place"
                assert "taken for dc-frankfurt" in item.monthly_usd.source
        (leaf,) = (line for name, line in lines.items() if name.endswith("leaf"))
        assert leaf.inputs[-1].mean == 0.001
    rpo = of(found, "nats/region").rpo
    assert rpo.quantile(0.5) == pytest.approx(0.002, rel=0.01), "half of its own 4 ms"


def test_premises_are_read_from_the_file_and_a_strange_item_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    text = (CASES / "onprem.yaml").read_text("utf-8")
    own = (
        "premises:\n- provider: onprem\n  region: dc-frankfurt\n  like: {provider: aws, name: eu-central-1}\n"
        "  prices:\n  - {item: node_hour, usd: 0.05}\n  round_trips:\n  - {to: eu-central-1, ms: 4}\n"
    )
    (tmp_path / "secondsite.yaml").write_text(text + own, "utf-8")
    (tmp_path / "ours.yaml").write_text(text, "utf-8")
    with pytest.raises(InputError) as told:
        require(load_system(tmp_path / "ours.yaml"), catalogue)
    assert str(told.value).startswith(f"{tmp_path / 'ours.yaml'}: no prices"), "by the name that the file has"
    system = load_system(tmp_path / "secondsite.yaml")
    require(system, beside(catalogue, system.premises))
    trip = beside(catalogue, system.premises).round_trips.of(system.region, Region("aws", "eu-central-1"))
    assert (trip.mean, trip.provenance) == (4.0, Provenance.ASSUMED), "nobody says whose figure it is"
    deployment = plan(Strategy.parse(WARM), system, catalogue).deployment
    assert rtt_ms(deployment, "dc-frankfurt", "eu-central-1") == 4.0, "the lab's WAN is as far"
    strange = evolve(PREMISES, prices=(OwnPrice("node_hours", 1.0),))
    with pytest.raises(InputError, match="node_hours is no item of a bill"):
        beside(catalogue, (strange,))


def test_what_is_missing_is_told_at_once_whatever_it_is(catalogue: Catalogue) -> None:
    """A data centre that nobody knows, and a pair of known regions that no table has."""
    system = evolve(case("onprem"), second=Region("aws", "eu-nowhere-1"), third=Region("aws", "eu-west-1"))
    with pytest.raises(InputError) as told:
        require(system, catalogue)
    assert len(told.value.problems) == 2
    assert "dc-frankfurt" in str(told.value)
    assert "add-rtt eu-nowhere-1 eu-west-1" in str(told.value) or "add-rtt eu-west-1 eu-nowhere-1" in str(told.value)


# --- what no strategy may promise -------------------------------------------------------------------------------


def test_sourced_buckets_are_excluded(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("kv"), "active-active/sourced/weighted")
    assert "KV_sessions" in found.excluded
    assert not assessed(case("kv"), "active-active/stretch/weighted").excluded


def test_what_is_only_backed_up_is_said_and_loses_what_a_backup_loses(assessed: Callable[..., Assessment]) -> None:
    found = assessed(case("mysql"), "active-active/sourced/weighted")
    assert of(found, "state/region").rpo.quantile(0.5) > 300
    assert held(found, "state/region") < 0.5, "a minute is promised, and the backups come every fifteen"
    told = [line for line in blockers(found, case("mysql")) if "no replica of mysql is laid out" in line]
    assert len(told) == 1
    replicated = blockers(assessed(case("pgonly"), found.strategy.id), case("pgonly"))
    assert not [line for line in replicated if "no replica of" in line]


# --- NATS in several regions today: what is there is the baseline -----------------------------------------------


def mirrored(system: System, *names: str) -> System:
    """The same, with mirrors of some streams in the second cluster, on a release that can promote them."""
    home, second, third = (evolve(cluster, version="2.15.1") for cluster in system.nats)
    mirrors = tuple(
        Stream(name, replicas=3, mirror=StreamOrigin(name, region=home.region)) for name in names or _names(home)
    )
    return evolve(system, nats=(home, evolve(second, streams=mirrors), third))


def _names(cluster: NatsCluster) -> tuple[str, ...]:
    return tuple(stream.name for stream in cluster.streams)


@pytest.mark.slow
def test_what_stands_in_several_regions_is_the_baseline(
    assessed: Callable[..., Assessment], catalogue: Catalogue, auditor: Auditor
) -> None:
    system = case("multi")
    evaluation = compare(system, catalogue, auditor, years=200)
    found = evaluation.assessments[0]
    assert found.strategy.id == "several-regions/none/manual"
    assert [site.region.name for site in found.deployment.sites] == ["us-east-1", "us-west-2", "eu-west-1"]
    assert sum(c.servers for c in found.deployment.clusters) == 9, "three servers in each, as they are"
    lines = {item.name: item.monthly_usd.mean for item in found.bills["aws"]}
    assert all(lines[f"nodes, {region}"] > 0 for region in ("us-east-1", "us-west-2", "eu-west-1")), "paid for today"
    assert not found.deployment.requirements
    assert not any(a.strategy.pattern is Pattern.SINGLE_REGION for a in evaluation.assessments)
    rpo = of(found, "nats/region").rpo
    assert rpo.unbounded, "servers stand there, and no stream of the first region does"
    assert "no other region holds AGENTESE, EVENTS, kgent-events" in of(found, "nats/region").rto.source


def test_streams_that_another_region_mirrors_today_lose_what_a_mirror_is_behind(
    assessed: Callable[..., Assessment],
) -> None:
    found = assessed(mirrored(case("multi")), "several-regions/none/manual")
    nats = of(found, "nats/region")
    assert nats.rpo.quantile(0.5) == pytest.approx(0.032, abs=0.005), "one way to us-west-2"
    assert not nats.rto.unbounded, "somebody takes the mirrors' origin away by hand"
    assert of(found, "api/region").rto.unbounded, "the API runs in the first region alone"


def test_streams_that_are_mirrored_in_part_are_told_apart(assessed: Callable[..., Assessment]) -> None:
    found = assessed(mirrored(case("multi"), "EVENTS"), "several-regions/none/manual")
    assert of(found, "nats/region").rpo.unbounded
    assert "no other region holds AGENTESE, kgent-events" in of(found, "nats/region").rto.source


def test_a_strategy_is_laid_out_from_the_first_region_alone(assessed: Callable[..., Assessment]) -> None:
    """What stands elsewhere today is not moved, doubled or linked once more: three clusters made six."""
    one, several = (assessed(case(name), WARM) for name in ("aggr", "multi"))
    assert len(several.deployment.clusters) == len(one.deployment.clusters) == 2
    assert not any(cluster.gateways for cluster in several.deployment.clusters)
