"""Databases of operators: the backups that their resources ask for, and pods that the operator places."""

from __future__ import annotations

from pathlib import Path

from manifest_tree import discovered

from secondsite.audit.registry import audit
from secondsite.model.backup import Where
from secondsite.model.mark import Knowledge
from secondsite.model.service import Spreading
from secondsite.model.units import Seconds

STACKGRES = """
apiVersion: stackgres.io/v1
kind: SGCluster
metadata: {name: ledger, namespace: pay}
spec:
  instances: 2
  pods: {persistentVolume: {size: 20Gi}}
  configurations: {backups: [{sgObjectStorage: cellar, cronSchedule: '0 3 * * *'}]}
"""
PERCONA = """
apiVersion: pgv2.percona.com/v2
kind: PerconaPGCluster
metadata: {name: scores, namespace: pay}
spec:
  instances: [{name: one, replicas: 3, dataVolumeClaimSpec: {resources: {requests: {storage: 12Gi}}}}]
  backups:
    pgbackrest:
      repos:
      - {name: repo1, s3: {bucket: scores-away, region: eu-west-1}, schedules: {full: '0 1 * * 0'}}
      - {name: repo2, volume: {volumeClaimSpec: {}}}
"""
ZALANDO = """
apiVersion: acid.zalan.do/v1
kind: postgresql
metadata: {name: acid-users, namespace: pay}
spec: {numberOfInstances: 2, volume: {size: 5Gi}, enableLogicalBackup: true, logicalBackupSchedule: '30 */6 * * *'}
"""
CNPG = """
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: berths, namespace: pay}
spec: {instances: 3, storage: {size: 9Gi}, affinity: {podAntiAffinityType: required}}
"""


def test_backups_that_an_operators_resource_asks_for_are_backups(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"a.yaml": STACKGRES, "b.yaml": PERCONA, "c.yaml": ZALANDO})
    backups = {one.name: one for one in found.system.backups}
    assert set(backups) == {"ledger-backup", "scores-repo1", "scores-repo2", "acid-users-backup"}
    assert backups["ledger-backup"].interval_s == backups["scores-repo1"].interval_s == Seconds(300)
    assert backups["scores-repo1"].destination == "s3://scores-away"
    assert backups["scores-repo1"].where is Where.UNKNOWN, "where a bucket lies says nothing of where this runs"
    assert backups["scores-repo2"].where is Where.CLUSTER
    assert backups["acid-users-backup"].interval_s == Seconds(6 * 3600)
    assert not [hazard for hazard in audit(found.system) if hazard.rule == "backup-missing"]


def test_pods_that_an_operator_places_are_accused_of_nothing(tmp_path: Path) -> None:
    """Each operator has rules of its own, and few of their resources say them."""
    found = discovered(tmp_path, {"a.yaml": STACKGRES, "b.yaml": PERCONA, "c.yaml": ZALANDO})
    assert found.system.marks["services.ledger.spread_nodes"].origin is Knowledge.ASSUMED
    assert not [hazard for hazard in audit(found.system) if hazard.rule.startswith("state-may-share")]


def test_what_a_resource_says_of_its_pods_counts(tmp_path: Path) -> None:
    off = CNPG.replace("podAntiAffinityType: required", "enablePodAntiAffinity: false")
    apart = discovered(tmp_path / "apart", {"a.yaml": CNPG}).system.service("berths")
    together = discovered(tmp_path / "together", {"a.yaml": off})
    assert apart
    assert apart.spread_nodes is Spreading.REQUIRED
    assert "state-may-share-node" in {hazard.rule for hazard in audit(together.system)}


APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: pay}
spec:
  template:
    spec:
      containers:
      - name: till
        image: till:1
        env:
        - {name: A, value: 'orders.cluster-abc.eu-central-1.rds.amazonaws.com:5432'}
        - {name: B, value: 'orders.cluster-ro-abc.eu-central-1.rds.amazonaws.com'}
        - {name: C, value: 'rediss://master.orders.abc.euc1.cache.amazonaws.com:6379'}
"""


def test_a_database_and_a_cache_of_one_name_are_two_stores(tmp_path: Path) -> None:
    stores = discovered(tmp_path, {"a.yaml": APP}).system.stores
    assert {(one.name, one.product) for one in stores} == {
        ("orders", "Amazon RDS"),
        ("orders-redis", "Amazon ElastiCache"),
    }
