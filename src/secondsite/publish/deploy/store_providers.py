"""A provider's replica of a database, for Terraform or OpenTofu; promotion is the provider's call, by hand.

What no manifest tells (the source's identifier, the size of the instance) is a variable without a default: nothing is
made up, and nothing is applied without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from secondsite.model.deployment import Deployment
from secondsite.strategies.stores import PROVIDER_REPLICA, StoreReplica, stores_copied

TERRAFORM = "stores/replicas.tf.json"
Resource = dict[str, Any]


def provider_files(deployment: Deployment) -> Mapping[str, str]:
    """None where no product is known that this could be written for."""
    known = [each for each in provided(deployment) if each.store.product in _WRITERS]
    if not known:
        return {}
    whole: Resource = {"provider": {}, "variable": {}, "resource": {}}
    for each in known:
        for block, content in _WRITERS[each.store.product](each, _label(each.store.name)).items():
            for kind, named in content.items():
                whole[block].setdefault(kind, {}).update(named)
    return {TERRAFORM: json.dumps(whole, indent=2) + "\n"}


def provided(deployment: Deployment) -> tuple[StoreReplica, ...]:
    return stores_copied(deployment, PROVIDER_REPLICA)


def _label(name: str) -> str:
    """As Terraform names things: a letter first, then letters, digits, - and _."""
    text = "".join(one if one.isalnum() or one in "-_" else "_" for one in name)
    return text if text[:1].isalpha() else f"db_{text}"


def _asked(label: str, **about: str) -> Resource:
    return {f"{label}_{name}": {"type": "string", "description": what} for name, what in about.items()}


def _rds(each: StoreReplica, label: str) -> Resource:
    variables = _asked(label, source_arn="ARN of the instance that serves", instance_class="of the replica")
    replica = {
        "identifier": f"{each.store.name}-{each.standby}",
        "replicate_source_db": f"${{var.{label}_source_arn}}",
        "instance_class": f"${{var.{label}_instance_class}}",
        "skip_final_snapshot": True,
        "deletion_protection": True,
        "backup_retention_period": 7,
    }
    return {
        "provider": {"aws": {"region": each.standby}},
        "variable": variables,
        "resource": {"aws_db_instance": {label: replica}},
    }


def _aurora(each: StoreReplica, label: str) -> Resource:
    variables = _asked(
        label,
        global_cluster="identifier of the global database that the cluster that serves belongs to",
        engine="as the cluster that serves has it, such as aurora-postgresql",
        engine_version="as the cluster that serves has it",
        instance_class="of the replica",
    )
    cluster = {
        "cluster_identifier": f"{each.store.name}-{each.standby}",
        "global_cluster_identifier": f"${{var.{label}_global_cluster}}",
        "engine": f"${{var.{label}_engine}}",
        "engine_version": f"${{var.{label}_engine_version}}",
        "skip_final_snapshot": True,
        "deletion_protection": True,
    }
    instance = {
        "identifier": f"{each.store.name}-{each.standby}-1",
        "cluster_identifier": f"${{aws_rds_cluster.{label}.id}}",
        "instance_class": f"${{var.{label}_instance_class}}",
        "engine": f"${{var.{label}_engine}}",
    }
    return {
        "provider": {"aws": {"region": each.standby}},
        "variable": variables,
        "resource": {"aws_rds_cluster": {label: cluster}, "aws_rds_cluster_instance": {label: instance}},
    }


def _cloud_sql(each: StoreReplica, label: str) -> Resource:
    variables = _asked(
        label,
        primary="name of the instance that serves",
        version="its database_version, such as POSTGRES_16",
        tier="of the replica, such as db-custom-2-8192",
    )
    replica = {
        "name": f"{each.store.name}-{each.standby}",
        "region": each.standby,
        "master_instance_name": f"${{var.{label}_primary}}",
        "database_version": f"${{var.{label}_version}}",
        "deletion_protection": True,
        "settings": {"tier": f"${{var.{label}_tier}}"},
    }
    return {"variable": variables, "resource": {"google_sql_database_instance": {label: replica}}}


def _azure(each: StoreReplica, label: str) -> Resource:
    variables = _asked(label, source_id="resource id of the server that serves", resource_group="of the replica")
    replica = {
        "name": f"{each.store.name}-{each.standby}",
        "location": each.standby,
        "resource_group_name": f"${{var.{label}_resource_group}}",
        "create_mode": "Replica",
        "source_server_id": f"${{var.{label}_source_id}}",
    }
    kind = "azurerm_mysql_flexible_server" if each.store.engine == "mysql" else "azurerm_postgresql_flexible_server"
    return {"provider": {"azurerm": {"features": {}}}, "variable": variables, "resource": {kind: {label: replica}}}


_WRITERS: Mapping[str, Callable[[StoreReplica, str], Resource]] = {
    "Amazon RDS": _rds,
    "Amazon Aurora": _aurora,
    "Cloud SQL": _cloud_sql,
    "Azure Database for PostgreSQL": _azure,
    "Azure Database for MySQL": _azure,
}
