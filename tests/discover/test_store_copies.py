"""Who keeps copies of a database today, and whether one is elsewhere: an operator's or a provider's resources say."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import discovered

from secondsite.audit.registry import audit
from secondsite.discover.system_file.reading import read_system
from secondsite.discover.system_file.writing import write_system
from secondsite.model.store import CopiesToday, Replication, Store
from secondsite.strategies.stores import way_of

CLUSTER = """
    apiVersion: postgresql.cnpg.io/v1
    kind: Cluster
    metadata: {name: ledger}
    spec: {instances: 3, storage: {size: 80Gi}}
    """
BY_FLAG = """
    apiVersion: postgresql.cnpg.io/v1
    kind: Cluster
    metadata: {name: ledger-west}
    spec:
      instances: 1
      storage: {size: 80Gi}
      replica: {enabled: true, source: east}
      externalClusters:
        - name: east
          connectionParameters: {host: ledger-rw.east.example.com, user: streaming_replica}
    """
BY_TOPOLOGY = BY_FLAG.replace("{enabled: true, source: east}", "{self: ledger-west, primary: ledger, source: ledger}")
BY_ARCHIVE = BY_FLAG.replace(
    "connectionParameters: {host: ledger-rw.east.example.com, user: streaming_replica}",
    "barmanObjectStore: {destinationPath: s3://ledger, serverName: ledger}",
)
OF_ANOTHER = BY_FLAG.replace("ledger-rw.east", "billing-rw.east")


def stores(folder: Path, *manifests: str) -> dict[str, Store]:
    found = discovered(folder, {f"{number}.yaml": text for number, text in enumerate(manifests)})
    assert (found.unknown, found.unread) == ({}, ())
    return {store.name: store for store in found.system.stores}


def test_an_operator_keeps_the_copies_of_its_cluster(tmp_path: Path) -> None:
    (store,) = stores(tmp_path, CLUSTER).values()
    assert (store.replicated, store.product) == (CopiesToday.OPERATOR, "CloudNativePG")
    assert store.copy_elsewhere == ""


@pytest.mark.parametrize("replica", [BY_FLAG, BY_TOPOLOGY, BY_ARCHIVE])
def test_a_replica_cluster_is_the_copy_of_its_source_and_no_store_of_its_own(tmp_path: Path, replica: str) -> None:
    found = stores(tmp_path, CLUSTER, replica)
    assert {name: store.copy_elsewhere for name, store in found.items()} == {"ledger": "ledger-west"}


@pytest.mark.parametrize("other", [OF_ANOTHER, BY_FLAG.replace("enabled: true", "enabled: false")])
def test_a_cluster_that_follows_another_one_or_none_is_a_store(tmp_path: Path, other: str) -> None:
    found = stores(tmp_path, CLUSTER, other)
    assert {name: store.copy_elsewhere for name, store in found.items()} == {"ledger": "", "ledger-west": ""}


CROSSPLANE = """
    apiVersion: rds.aws.upbound.io/v1beta2
    kind: Instance
    metadata: {name: shop}
    spec:
      forProvider: {region: us-east-1, engine: postgres, allocatedStorage: 100, identifier: shop}
    ---
    apiVersion: rds.aws.upbound.io/v1beta2
    kind: Instance
    metadata: {name: shop-west}
    spec:
      forProvider:
        region: us-west-2
        replicateSourceDb: arn:aws:rds:us-east-1:123456789012:db:shop
    """
ACK = """
    apiVersion: rds.services.k8s.aws/v1alpha1
    kind: DBInstance
    metadata: {name: orders}
    spec: {dbInstanceIdentifier: shop, engine: mysql, allocatedStorage: 100}
    ---
    apiVersion: rds.services.k8s.aws/v1alpha1
    kind: DBInstance
    metadata: {name: shop-copy, annotations: {services.k8s.aws/region: eu-west-1}}
    spec: {dbInstanceIdentifier: shop-copy, sourceDBInstanceIdentifier: shop}
    """
AURORA = """
    apiVersion: rds.aws.upbound.io/v1beta1
    kind: Cluster
    metadata: {name: shop-2}
    spec: {forProvider: {region: us-west-2, engine: aurora-postgresql, globalClusterIdentifier: g}}
    ---
    apiVersion: rds.aws.upbound.io/v1beta1
    kind: Cluster
    metadata: {name: shop}
    spec:
      forProvider: {region: us-east-1, engine: aurora-postgresql, globalClusterIdentifier: g, masterUsername: root}
    """
CONFIG_CONNECTOR = """
    apiVersion: sql.cnrm.cloud.google.com/v1beta1
    kind: SQLInstance
    metadata: {name: shop}
    spec: {region: europe-west1, databaseVersion: POSTGRES_16, settings: {tier: db-f1-micro, diskSize: 100}}
    ---
    apiVersion: sql.cnrm.cloud.google.com/v1beta1
    kind: SQLInstance
    metadata: {name: shop-replica}
    spec: {region: europe-west3, databaseVersion: POSTGRES_16, masterInstanceRef: {name: shop}}
    """
AZURE = """
    apiVersion: dbforpostgresql.azure.com/v1api20240801
    kind: FlexibleServer
    metadata: {name: shop}
    spec: {location: westeurope, storage: {storageSizeGB: 100}}
    ---
    apiVersion: dbforpostgresql.azure.com/v1api20240801
    kind: FlexibleServer
    metadata: {name: shop-north}
    spec:
      location: northeurope
      createMode: Replica
      sourceServerResourceId: /subscriptions/0/resourceGroups/r/providers/Microsoft.DBforPostgreSQL/flexibleServers/shop
    """


@pytest.mark.parametrize(
    ("manifest", "product", "engine", "elsewhere"),
    [
        (CROSSPLANE, "Amazon RDS", "postgres", "us-west-2"),
        (ACK, "Amazon RDS", "mysql", "eu-west-1"),
        (AURORA, "Amazon Aurora", "postgres", "us-west-2"),
        (CONFIG_CONNECTOR, "Cloud SQL", "postgres", "europe-west3"),
        (AZURE, "Azure Database for PostgreSQL", "postgres", "northeurope"),
    ],
)
def test_a_managed_database_has_its_copy_where_a_resource_asks_for_one(
    tmp_path: Path, manifest: str, product: str, engine: str, elsewhere: str
) -> None:
    (store,) = stores(tmp_path, manifest).values()
    assert (store.name, store.engine, store.product, store.service) == ("shop", engine, product, "")
    assert (store.replicated, store.copy_elsewhere) == (CopiesToday.MANAGED, elsewhere)
    assert store.size_bytes == (None if product == "Amazon Aurora" else 100 << 30)
    assert way_of(store) is Replication.MANAGED


def test_a_replica_in_the_same_region_is_no_copy_elsewhere(tmp_path: Path) -> None:
    (store,) = stores(tmp_path, CROSSPLANE.replace("us-west-2", "us-east-1")).values()
    assert store.copy_elsewhere == ""


def test_a_resource_and_the_host_name_that_leads_to_it_are_one_database(tmp_path: Path) -> None:
    app = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: api}
        spec:
          template:
            spec:
              containers:
                - name: api
                  image: example.org/api:1
                  env: [{name: DB, value: "postgres://u@shop.c9akciq32.us-east-1.rds.amazonaws.com:5432/shop"}]
        """
    (store,) = stores(tmp_path, CROSSPLANE, app).values()
    assert (store.name, store.copy_elsewhere) == ("shop", "us-west-2")


def test_what_was_found_outlives_the_file_and_accuses_nobody(tmp_path: Path) -> None:
    system = discovered(tmp_path, {"a.yaml": CROSSPLANE}).system
    again = read_system(write_system(system), "secondsite.yaml")
    assert again.stores == system.stores
    rules = [hazard.rule for hazard in audit(system)]
    assert not {"backup-missing", "state-single-replica", "store-promoted-by-two"} & set(rules)
