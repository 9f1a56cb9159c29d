"""Each store is copied as the team says: by a standby that commits wait for, a log archive, or its provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system, read_system
from secondsite.evaluate.assess import Assessor, plan
from secondsite.evaluate.compare import compare
from secondsite.evaluate.cost import monthly_cost
from secondsite.evaluate.derive import leaves
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.latency import latency
from secondsite.evaluate.loss import rpo
from secondsite.evaluate.recovery import rto
from secondsite.model.backup import Backup, Content, Where
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb
from secondsite.model.store import Replication, RunningStore
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds
from secondsite.operate.action import ManualContext
from secondsite.operate.verbs import commands
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
WARM, COLD, TODAY = "warm-standby/leafnode-mirror", "backup-restore/backup/manual", "single-region/none/manual"
CATALOGUE = load_catalogue()


def system(**changes: Any) -> System:
    whole = load_system(EXAMPLE)
    stores = tuple(evolve(one, **changes) if one.name == "postgres" else one for one in whole.stores)
    return evolve(whole, stores=stores)


def laid_out(strategy: str = WARM, **changes: Any) -> tuple[Deployment, dict[Fault, Procedure], Kit]:
    kit = Kit.of(system(**changes), CATALOGUE)
    deployment = lay_out(Strategy.parse(strategy), kit)
    return deployment, dict(procedures(deployment, kit)), kit


def lost_s(deployment: Deployment, fault: Fault = Fault.REGION) -> float:
    """The most that 19 of 20 losses take of the database."""
    draws = Draws(1, "ways", 2000)
    buffer = Assessor(deployment.system, CATALOGUE, 1, lambda *_: ()).buffer
    return rpo(deployment, Subject.STATE, fault, draws, buffer, "postgres").quantile(0.95)


def usd(deployment: Deployment, provider: str = "aws") -> dict[str, float]:
    items = monthly_cost(deployment, provider, CATALOGUE, economics=deployment.system.economics, people={})
    return {item.name: item.monthly_usd.mean for item in items}


def test_a_synchronous_standby_loses_nothing_and_each_commit_waits_a_round_trip_for_it() -> None:
    before, _, kit = laid_out()
    deployment, by_fault, _ = laid_out(replication=Replication.SYNCHRONOUS)
    assert lost_s(deployment) == 0 < lost_s(before)
    trip_ms = kit.rtt_ms(kit.home, kit.second).mean
    speed = latency(deployment, CATALOGUE)
    local = latency(laid_out(TODAY, replication=Replication.SYNCHRONOUS)[0], CATALOGUE)
    assert speed.commit_p50_ms
    assert speed.commit_p99_ms
    assert local.commit_p50_ms
    assert speed.commit_p50_ms.mean == pytest.approx(local.commit_p50_ms.mean + trip_ms)
    assert speed.commit_p99_ms.mean > speed.commit_p50_ms.mean
    assert latency(before, CATALOGUE).commit_p50_ms is None, "no other figure than today's, so none is shown"
    promoted = [step.targets for step in by_fault[Fault.REGION].steps if step.verb is Verb.PROMOTE_STORES]
    assert promoted == [("postgres",)]


def test_commits_stand_still_while_the_regions_are_cut_off() -> None:
    draws = Draws(1, "ways", 2000)
    cut = {
        way: rto(laid_out(replication=way)[1], Fault.WAN_PARTITION, Subject.STATE, draws).quantile(0.5)
        for way in (Replication.REPLICA, Replication.SYNCHRONOUS)
    }
    assert cut[Replication.REPLICA] == 0
    assert cut[Replication.SYNCHRONOUS] == pytest.approx(
        CATALOGUE.figures["duration.wan-partition"].quantile(0.5), rel=0.1
    )


def test_a_log_archive_loses_the_time_until_a_segment_is_shipped() -> None:
    deployment, _, kit = laid_out(COLD, replication=Replication.ARCHIVE)
    dumped, _, _ = laid_out(COLD)
    longest = kit.figures["wal.archive-timeout"].mean + kit.figures["wal.travel"].quantile(0.99)
    assert 0 < lost_s(deployment) < longest < lost_s(dumped)
    assert 0 < lost_s(deployment, Fault.BAD_WRITE) < longest, "any moment comes back"
    busy = RunningStore(written_bytes_per_s=float(16 << 20))
    faster, _, _ = laid_out(COLD, replication=Replication.ARCHIVE, running=busy)
    assert lost_s(faster) < lost_s(deployment), "a segment a second is shipped every second"


def test_its_restore_takes_what_the_base_backup_takes_at_the_rate_that_was_proven() -> None:
    _, by_fault, _ = laid_out(replication=Replication.ARCHIVE, size_bytes=Bytes(200 << 30))
    (step,) = [step for step in by_fault[Fault.REGION].steps if step.id == "recover-stores"]
    assert step.by_person
    whole = system(replication=Replication.ARCHIVE, size_bytes=Bytes(200 << 30))
    proven = Backup(
        "base", ("postgres",), Content.DATA, Where.ELSEWHERE, Seconds(60), restore_bytes_per_s=Bytes(10_000_000)
    )
    kit = Kit.of(evolve(whole, backups=(proven,)), CATALOGUE)
    deployment = lay_out(Strategy.parse(WARM), kit)
    (slow,) = [s for s in procedures(deployment, kit)[Fault.REGION].steps if s.id == "recover-stores"]
    assert slow.duration.mean > (200 << 30) / 10e6 > step.duration.mean


def test_nothing_of_an_archived_database_runs_there_and_its_bucket_is_paid_by_the_byte() -> None:
    deployment, _, _ = laid_out(replication=Replication.ARCHIVE)
    before, _, _ = laid_out()
    assert deployment.standby
    assert before.standby
    assert (deployment.standby.replicas("postgres"), before.standby.replicas("postgres")) == (0, 1)
    bill, old = usd(deployment), usd(before)
    (name,) = bill.keys() - old.keys()
    assert name == "log archive of postgres, us-west-2"
    larger = usd(laid_out(replication=Replication.ARCHIVE, size_bytes=Bytes(40 << 30))[0])
    kept_gb = 7 * 20  # a base backup a day for a week, of 20 GB more
    assert larger[name] - bill[name] == pytest.approx(kept_gb * 0.023, rel=0.02)
    assert bill["volumes, us-west-2"] < old["volumes, us-west-2"]


def test_a_providers_replica_is_promoted_by_a_person_and_billed_as_an_instance() -> None:
    change = {"service": "", "product": "Amazon RDS"}
    deployment, by_fault, kit = laid_out(**change)
    steps = by_fault[Fault.REGION].steps
    (step,) = [step for step in steps if step.id == "promote-managed-stores"]
    assert step.by_person
    assert step.duration.mean == kit.figures["promote.managed"].mean
    assert not [one for one in steps if one.verb is Verb.PROMOTE_STORES], "no login may promote it"
    assert "provider's replica of postgres, us-west-2" in usd(deployment)
    aurora, _, _ = laid_out(service="", product="Amazon Aurora")
    assert 0 < lost_s(aurora) < lost_s(deployment)
    back = failback(deployment, kit)
    assert {"replicate-managed-stores", "promote-managed-stores"} <= {step.id for step in back.steps}


@pytest.mark.parametrize(
    ("provider", "gb_usd", "hour_usd"), [("aws", 0.115, 0.145), ("gcp", 0.17, 0.135), ("azure", 0.138, 0.195)]
)
def test_a_providers_replica_is_priced_by_its_own_list(provider: str, gb_usd: float, hour_usd: float) -> None:
    """Of RDS, Cloud SQL and Flexible Server; what is assumed is the class, and never less than half an instance."""
    change = {"service": "", "product": "Amazon RDS"}
    name = "provider's replica of postgres, us-west-2"
    small, large = (laid_out(**change, size_bytes=Bytes(size << 30))[0] for size in (20, 40))
    assert usd(large, provider)[name] - usd(small, provider)[name] == pytest.approx(20 * gb_usd)
    instance = usd(small, provider)[name] - 20 * gb_usd
    assert 0.5 < instance / (hour_usd * 730) < 4
    items = monthly_cost(small, provider, CATALOGUE, economics=small.system.economics, people={})
    (item,) = (one for one in items if one.name == name)
    known = {leaf.name.split(" on ")[0]: leaf.source for leaf in leaves(item.monthly_usd)}
    assert "Infracost golden test" in known["postgres_hour"]
    assert "Infracost golden test" in known["postgres_gb_month"]


def test_a_database_is_rewound_by_what_was_written_meanwhile_or_copied_by_its_size() -> None:
    def back(**changes: Any) -> Estimate:
        deployment, _, kit = laid_out(size_bytes=Bytes(500 << 30), **changes)
        return next(step for step in failback(deployment, kit).steps if step.verb is Verb.FOLLOW_STORES).duration

    idle, busy = (back(running=RunningStore(written_bytes_per_s=rate, rewindable=True)) for rate in (1e3, 5e6))
    whole = back(running=RunningStore(written_bytes_per_s=5e6, rewindable=False))
    assert idle.mean < busy.mean < whole.mean
    assert whole.mean > (500 << 30) / 150e6, "at the best of the rates, all of it"
    assert "copied anew instead" in busy.source


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"service": "", "product": "Amazon RDS"}, "aws rds promote-read-replica --region us-west-2"),
        ({"service": "", "product": "Cloud SQL"}, "gcloud sql instances promote-replica"),
        ({"service": "", "product": "Azure Database for PostgreSQL"}, "az postgres flexible-server replica promote"),
        ({"replication": Replication.ARCHIVE}, "scale statefulset postgres --replicas=1"),
        ({"replication": Replication.MANAGED}, "nothing says which provider runs it"),
    ],
)
def test_what_a_person_types_is_what_the_way_takes(change: dict[str, Any], words: str) -> None:
    deployment, by_fault, _ = laid_out(**change)
    procedure = by_fault[Fault.REGION]
    context = ManualContext(deployment, procedure, "us-west-2", Fault.REGION)
    typed = [line for step in procedure.steps if step.by_person for line in commands(context, step)]
    assert any(words in line for line in typed), typed
    assert not [line for line in typed if "pg_restore" in line]


def test_a_way_that_its_engine_does_not_have_is_told_at_its_place() -> None:
    line = "    engine: redis  # read manifests/redis/redis.yaml:22:18\n"
    text = EXAMPLE.read_text().replace(line, "    engine: redis\n    replication: synchronous\n")
    with pytest.raises(InputError, match="is for postgres alone, and redis is redis"):
        read_system(text, "secondsite.yaml")


@pytest.mark.parametrize("way", [way for way in Replication if way is not Replication.REPLICA])
def test_every_way_can_be_compared_with_every_strategy(way: Replication) -> None:
    chosen = tuple(map(Strategy.parse, (TODAY, COLD, "pilot-light/backup", WARM, "active-active/sourced/weighted")))
    found = compare(system(replication=way), CATALOGUE, lambda *_: (), years=500, strategies=chosen)
    assert {one.strategy for one in found.assessments} == set(chosen)
    known = [item.monthly_usd for one in found.assessments for item in one.bills["aws"]]
    assert not [item for item in known if item.unbounded]


def test_the_plan_is_what_it_was_where_nobody_chooses() -> None:
    planned = plan(Strategy.parse(WARM), load_system(EXAMPLE), CATALOGUE)
    methods = [copy.method for copy in planned.deployment.copies if copy.subject is Subject.STATE]
    assert methods == ["asynchronous replica", "scheduled backup"]
