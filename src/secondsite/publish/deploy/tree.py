"""The whole folder: every file by its path, and what an earlier rendering left in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError
from secondsite.publish.deploy import readme
from secondsite.publish.deploy.archive import TERRAFORM, archive_files
from secondsite.publish.deploy.buckets import BACKUPS, backup_bucket_files
from secondsite.publish.deploy.dns import dns_files
from secondsite.publish.deploy.kubernetes import KUSTOMIZATION, LOGINS, kubernetes_files
from secondsite.publish.deploy.snapshots import snapshot_files
from secondsite.publish.deploy.store_archives import BUCKETS, log_archive_files
from secondsite.publish.deploy.store_providers import TERRAFORM as REPLICAS
from secondsite.publish.deploy.store_providers import provider_files
from secondsite.publish.deploy.stores import store_files
from secondsite.publish.deploy.texts import agent_files, server_files, stream_files
from secondsite.publish.deploy.watch import watch_files
from secondsite.strategies.deployed_addresses import DeployedAddresses

_OURS = (
    "*/nats/**/*.conf",
    "*/nats/gate.json",
    "*/streams/**/*.json",
    "*/consumers/**/*.json",
    "*/kubernetes/*.patch.yaml",
    "*/agent/*",
    "*/archive/*",
    "*/watch/*",
    "*/stores/*",
    TERRAFORM,
    REPLICAS,
    BUCKETS,
    BACKUPS,
    "*/rights/*.yaml",
    "*/kubernetes/*.network-policy.yaml",
    f"*/{KUSTOMIZATION}",
    "dns/*.tf.json",
    "dns/octodns/*.yaml",
)


def files(
    deployment: Deployment, book: DeployedAddresses, command: str, gate_image: str, backup_bucket: str = ""
) -> Mapping[str, str]:
    """Texts by path. ``backup_bucket``: the URL of the bucket that scheduled backups go to, where it is asked for.
    ``command`` renders them again; ``gate_image`` runs secondsite.

       Raises InputError for what cannot be deployed so.
    """
    if deployment.managed_plan:
        what = f"the servers of {deployment.strategy.id} are the provider's"
        raise InputError.at(
            "--strategy", what, "choose a strategy that runs its own servers; `secondsite evaluate` lists them"
        )
    if not deployment.clusters:
        what = "the system has no NATS cluster, so there is nothing to render"
        raise InputError.at(deployment.system.file, what, "declare it under `nats`, or read it with `init --nats URL`")
    return {
        **server_files(deployment, book),
        **stream_files(deployment),
        **agent_files(deployment),
        **kubernetes_files(deployment, book, gate_image),
        **archive_files(deployment, book, gate_image, LOGINS),
        **store_files(deployment, book),
        **log_archive_files(deployment),
        **snapshot_files(deployment, gate_image),
        **provider_files(deployment),
        **watch_files(deployment, book, gate_image),
        **dns_files(deployment),
        **backup_bucket_files(deployment, backup_bucket),
        readme.NAME: readme.document(deployment, book, command, backups=bool(backup_bucket)),
    }


def left_over(folder: Path, wanted: Mapping[str, str]) -> tuple[Path, ...]:
    """Files of a region, server or stream that is no more. They are told, never deleted: applied, they do harm."""
    present = {path for pattern in _OURS for path in folder.glob(pattern) if path.is_file()}
    return tuple(sorted(path for path in present if path.relative_to(folder).as_posix() not in wanted))
