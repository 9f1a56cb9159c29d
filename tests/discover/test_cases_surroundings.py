"""Environments, places, exposure, backups, secrets and the workloads beside NATS: each case its right answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import secondsite

from cases import ASSUMED, CASES, READ, case, line_of, mark_of, only_cluster
from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery, discover
from secondsite.model.backup import Where
from secondsite.model.errors import InputError
from secondsite.model.mark import Knowledge
from secondsite.model.secret import Kept
from secondsite.model.service import Role, Spreading
from secondsite.model.units import Seconds

GI = 2**30


def rules(found: Discovery) -> dict[str, list[str]]:
    """Subjects of the hazards by rule."""
    told: dict[str, list[str]] = {}
    for hazard in audit(found.system):
        told.setdefault(hazard.rule, []).append(hazard.subject)
    return told


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("C1-overlays", ["overlays/dev", "overlays/production", "overlays/staging"]),
        ("C2-env-folders", ["prod", "staging"]),
        ("H9-env-values", ["values-prod.yaml", "values.yaml"]),
    ],
)
def test_several_environments_are_asked_about(name: str, listed: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        case(name)
    (problem,) = caught.value.problems
    assert all(f"{name}/{part}" in problem.what for part in listed)
    assert "--environment" in problem.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "chosen", "servers"),
    [("C1-overlays", "production", 5), ("C1-overlays", "dev", 1), ("C2-env-folders", "staging", 1)],
)
def test_the_one_that_is_named_is_read(name: str, chosen: str, servers: int) -> None:
    assert only_cluster(case(name, environments=(chosen,))).servers == servers


def test_the_answer_is_remembered(tmp_path: Path) -> None:
    options = ("init", str(CASES / "C1-overlays"), "--file", str(tmp_path / "secondsite.yaml"), "--yes")
    _, asked = secondsite(*options, code=2)
    assert "3 environments of one system" in asked
    told, _ = secondsite(*options, "--environment", "production")
    assert "named last" not in told
    told, _ = secondsite(*options)
    assert "nothing to change" in told
    assert "the environment is production, as it was named last" in told


@pytest.mark.parametrize("named", [True, False])
def test_values_together_are_layers(named: bool) -> None:
    folder = CASES / "H9-env-values"
    files = [folder / "values.yaml", folder / "values-prod.yaml"]
    found = discover(files, base=CASES) if named else case("H9-env-values", environments=("prod",))
    (service,) = found.system.services
    assert (only_cluster(found).servers, only_cluster(found).max_file_bytes) == (3, 200 * GI)
    assert service.spread_zones is Spreading.REQUIRED


def test_two_namespaces_are_two_clusters() -> None:
    found = case("B8-two-namespaces").system
    assert [(service.name, service.namespace) for service in found.services] == [
        ("nats", "staging"),
        ("production/nats", "production"),
    ]
    assert [service.object_name for service in found.services] == ["nats", "nats"]
    assert [[stream.replicas for stream in cluster.streams] for cluster in found.nats] == [[1], [3]]


@pytest.mark.parametrize(
    ("name", "region", "origin"),
    [
        ("K1-bsl-region", "us-east-1", ASSUMED),
        ("K2-env-region", "us-east-1", ASSUMED),
        ("K6-storageclass", "eu-central-1", READ),
        ("D-eksctl", "eu-west-3", READ),
    ],
)
def test_where_it_runs_is_read_from_placement_only(name: str, region: str, origin: Knowledge) -> None:
    found = case(name)
    assert found.system.region.name == region
    assert mark_of(found, "region.name").origin is origin
    assert all(backup.where is not Where.REGION for backup in found.system.backups)
    assert "backup-same-domain" not in rules(found)


def test_the_zones_that_volumes_may_be_in_are_counted() -> None:
    found = case("K6-storageclass")
    assert found.system.region.zones == 2
    assert mark_of(found, "region.zones").origin is READ


def test_a_velero_schedule_hides_no_job_that_saves_no_message() -> None:
    assert rules(case("B9-velero-hides"))["backup-no-messages"] == ["backups.nats-backup.content"]


@pytest.mark.parametrize(
    ("name", "service"),
    [("R1-loadbalancer", "checkout"), ("R2-virtualservice", "checkout"), ("R5-kong-declarative", "orders")],
)
def test_what_the_way_in_leads_to_is_the_api(name: str, service: str) -> None:
    found = case(name).system
    assert [one.name for one in found.with_role(Role.API)] == [service]


def test_kongs_own_file_is_read() -> None:
    (gateway,) = case("R5-kong-declarative").system.gateways
    assert (gateway.hosts, gateway.routes_to, gateway.authentication) == (
        ("shop.example.com",),
        ("orders",),
        "key-auth",
    )


def test_rules_in_a_config_map_are_alerts() -> None:
    found = case("R6-alerts-configmap")
    (alert,) = found.system.alerts
    assert (alert.name, alert.guards, alert.threshold_s, alert.hold_s) == (
        "BackupOld",
        "backup-age",
        Seconds(90000),
        Seconds(300),
    )
    assert "BackupOld" in line_of(found, "alerts.BackupOld")


def test_cloudnative_pg_is_a_store_with_its_backup() -> None:
    found = case("R8-cnpg").system
    (store,) = found.stores
    assert (store.engine, store.replicas, store.size_bytes) == ("postgres", 3, 50 * GI)
    (backup,) = found.backups
    assert (backup.covers, backup.destination, backup.where) == (("pg",), "s3://pg-wal/", Where.UNKNOWN)


def test_a_scratch_volume_is_no_database() -> None:
    found = case("R9-statefulset-app-pvc")
    assert found.system.stores == ()
    assert not [rule for rule, at in rules(found).items() if rule.startswith("state-") and "uploader" in str(at)]


def test_a_url_in_a_comment_is_no_dependency() -> None:
    assert not any("docs.example.org" in note for note in case("R10-sql-comment-host").notes)


def test_retention_from_a_variable_of_the_job() -> None:
    found = case("R11-mtime-var")
    assert found.system.backups[0].retention_s == Seconds(7 * 86400)
    assert "-mtime" in line_of(found, "backups.nats-backup.retention")


def test_secrets_are_told_by_where_they_are_kept() -> None:
    found = case("Q1-secrets")
    assert {secret.name: (secret.kept, secret.store) for secret in found.system.secrets} == {
        "plain": (Kept.CLEAR, ""),
        "sealed": (Kept.SEALED, ""),
        "vaulted": (Kept.CLUSTER, "vault/kv"),
    }
    told = rules(found)
    assert "secret-in-cluster" not in told
    assert told["secret-in-clear"] == ["secrets.plain.kept"]


def test_odd_workloads_are_read_and_the_others_named() -> None:
    found = case("W1-odd-workloads")
    services = {service.name: service for service in found.system.services}
    assert set(services) == {"nats", "fn", "ro", "dc", "hpa-only"}
    assert (services["ro"].replicas, services["ro"].image) == (2, "acme/real:1")
    assert services["hpa-only"].replicas == 4
    assert found.unknown == {}


def test_a_budget_in_percent_is_a_share_of_the_replicas() -> None:
    (service,) = case("W2-pdb-percent").system.services
    assert service.disruption_budget is not None
    assert service.disruption_budget.max_unavailable == 2


@pytest.mark.parametrize(("name", "volumes"), [("X1-single-server", 1), ("X2-emptydir", 0)])
def test_jetstream_on_a_volume_that_dies_with_the_pod_is_told_before_a_stream_is_known(name: str, volumes: int) -> None:
    found = case(name)
    assert len(found.system.services[0].volumes) == volumes
    assert ("nats-no-volume" in rules(found)) == (volumes == 0)
    assert only_cluster(found).servers == (1 if volumes else 3)
