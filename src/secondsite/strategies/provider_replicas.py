"""What providers offer for a database that they run: a replica in another region, and how it becomes the primary.

A provider's database lets nobody at its files and gives no superuser: `pg_promote()` and a fence by its access rules
are refused. Its replica is promoted by a call of the provider's, which a person (or a pipeline of yours) makes.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.model.store import Store


@frozen
class ProviderReplica:
    """``lag`` and ``promotion`` are rows of the catalogue. Commands hold {name}, {region} and {home}."""

    lag: str
    promotion: str
    promote: str
    create: str


_LAG, _PROMOTION = "lag.managed", "promote.managed"

OFFERED: Mapping[str, ProviderReplica] = {
    "Amazon RDS": ProviderReplica(
        _LAG,
        _PROMOTION,
        "aws rds promote-read-replica --region {region} --db-instance-identifier {name}-{region}",
        "aws rds create-db-instance-read-replica --region {region} --source-region {home}"
        ' --db-instance-identifier {name}-{region} --source-db-instance-identifier "$SOURCE_ARN"',
    ),
    "Amazon Aurora": ProviderReplica(
        "lag.managed-global",
        "promote.managed-global",
        "aws rds failover-global-cluster --region {region} --global-cluster-identifier {name}"
        ' --target-db-cluster-identifier "$TARGET_CLUSTER_ARN" --allow-data-loss',
        "aws rds create-db-cluster --region {region} --global-cluster-identifier {name}"
        ' --db-cluster-identifier {name}-{region} --engine "$ENGINE"',
    ),
    "Cloud SQL": ProviderReplica(
        _LAG,
        _PROMOTION,
        "gcloud sql instances promote-replica {name}-{region}",
        "gcloud sql instances create {name}-{region} --master-instance-name={name} --region={region}",
    ),
    "Azure Database for PostgreSQL": ProviderReplica(
        _LAG,
        _PROMOTION,
        'az postgres flexible-server replica promote --resource-group "$RESOURCE_GROUP" --name {name}-{region}'
        " --promote-mode standalone --promote-option forced",
        'az postgres flexible-server replica create --resource-group "$RESOURCE_GROUP" --source-server {name}'
        " --replica-name {name}-{region} --location {region}",
    ),
    "Azure Database for MySQL": ProviderReplica(
        _LAG,
        _PROMOTION,
        'az mysql flexible-server replica stop-replication --resource-group "$RESOURCE_GROUP" --name {name}-{region}',
        'az mysql flexible-server replica create --resource-group "$RESOURCE_GROUP" --source-server {name}'
        " --replica-name {name}-{region} --location {region}",
    ),
}
"""By product, as discovery names it. Of every other one nothing is known: its store is backed up."""

UNKNOWN = ProviderReplica(_LAG, _PROMOTION, "", "")
"""Of a store of which the team says that its provider replicates it, and nothing says whose it is."""


def offered(store: Store) -> ProviderReplica:
    return OFFERED.get(store.product, UNKNOWN)
