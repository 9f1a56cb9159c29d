"""A database that is kept as an archive of its log: how it is shipped, and what restores it on the day of the failover.

With CloudNativePG the archive is the operator's own. A StatefulSet or Deployment ships by WAL-G, which its image has to
have; in the other region a StatefulSet stands ready with no pod. No file holds a key: they come from a Secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.service import Service
from secondsite.publish.deploy.buckets import log_bucket
from secondsite.publish.deploy.stores import (
    CLUSTER,
    DEFAULT_BYTES,
    FOLDER,
    PGDATA,
    Yaml,
    headless,
    plain,
    postgres_container,
    stateful_set,
)
from secondsite.publish.deploy.texts import file_name
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.archiver import bucket_name
from secondsite.strategies.log_archive import LOG_ARCHIVE
from secondsite.strategies.store_servers import POSTGRES_PORT
from secondsite.strategies.stores import StoreReplica, stores_copied

BUCKETS = "log-archive/bucket.tf.json"
TIMEOUT_S = 60
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
KEPT = "7d"
_SHIP = 'wal-g wal-push "%p"'
RESTORE = 'wal-g wal-fetch "%f" "%p"'
_DAILY = "0 0 3 * * *"
_HEAD = "# Written by `secondsite render`.\n"
_FETCH = """\
set -eu
[ -s "$PGDATA/PG_VERSION" ] && exit 0
rm -rf "$PGDATA.begun"
wal-g backup-fetch "$PGDATA.begun" LATEST
touch "$PGDATA.begun/recovery.signal"
mv "$PGDATA.begun" "$PGDATA"
"""
"""Whole, or not there: a restore that broke off is begun anew. A server that was promoted keeps its role."""


@frozen
class RenderedArchive:
    """``files`` by path; none where somebody else ships its log, and ``why`` then says who. ``bucket``: the name of the
    one that is rendered for it; empty where its log goes somewhere already, or to no S3.
    """

    replica: StoreReplica
    service: Service | None
    files: Mapping[str, str]
    url: str
    why: str = ""
    bucket: str = ""

    @property
    def secret(self) -> str:
        """With the keys of the object store, in both regions."""
        return f"{self.service.object_name if self.service else self.replica.store.name}-archive"


def log_archive_files(deployment: Deployment) -> Mapping[str, str]:
    archives = rendered_archives(deployment)
    made = [
        log_bucket(f"log_{file_name(each.replica.store.name)}", each.bucket, each.replica.standby)
        for each in archives
        if each.bucket
    ]
    buckets = {BUCKETS: json.dumps(_together(made), indent=2) + "\n"} if made else {}
    return {**buckets, **{path: text for each in archives for path, text in each.files.items()}}


def _together(made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One file: what has the same name is the same, or lies side by side."""
    whole: dict[str, Any] = {}
    for each in made:
        for name, value in each.items():
            both = isinstance(value, dict) and isinstance(whole.get(name), dict)
            whole[name] = _together([whole[name], value]) if both else value
    return whole


def rendered_archives(deployment: Deployment) -> tuple[RenderedArchive, ...]:
    return tuple(_rendered(deployment, each) for each in stores_copied(deployment, LOG_ARCHIVE))


def _rendered(deployment: Deployment, replica: StoreReplica) -> RenderedArchive:
    service, (url, made) = deployment.system.service(replica.store.service), _url(deployment, replica)
    if service is None or service.kind not in (CLUSTER, "StatefulSet", "Deployment"):
        kind = service.kind if service else "nothing that is known here"
        return RenderedArchive(replica, service, {}, url, f"{kind} runs it: ship its log to {url} there", made)
    label = file_name(replica.store.name)
    home, away = (f"{file_name(one)}/stores/{label}" for one in (replica.primary, replica.standby))
    if service.kind == CLUSTER:
        return RenderedArchive(
            replica,
            service,
            {
                f"{home}.archive.patch.yaml": _HEAD + yaml_text(plain(_ships(service, url))),
                f"{home}.base-backup.yaml": _HEAD + yaml_text(_scheduled(service)),
                f"{away}.yaml": _HEAD + yaml_text(plain(_recovered(replica, service, url))),
            },
            url,
            bucket=made,
        )
    return RenderedArchive(
        replica,
        service,
        {
            f"{home}.archive.sql": _ARCHIVING,
            f"{home}.base-backup.yaml": _HEAD + yaml_text(plain(_base_backup(service, url))),
            f"{away}.yaml": _HEAD + "---\n".join(yaml_text(plain(part)) for part in _restored(replica, service, url)),
        },
        url,
        bucket=made,
    )


def _url(deployment: Deployment, replica: StoreReplica) -> tuple[str, str]:
    """Where its log goes already, as its backup says; else a bucket that is called after it, in the other region, with
    its name where it is rendered.
    """
    known = [b for b in deployment.system.backups if replica.store.service in b.covers]
    shipped = next((b.destination for b in known if b.destination.startswith("s3://")), "")
    if shipped:
        return shipped, ""
    name = bucket_name(deployment.system.name, replica.store.name, "log", replica.standby)
    there = next(site.region for site in deployment.sites if site.region.name == replica.standby)
    return f"s3://{name}/", name if there.provider == "aws" else ""


_ARCHIVING = f"""\
-- Written by `secondsite render`. On the primary, as a superuser. archive_mode holds from the next restart on; the
-- server's image has to have wal-g, and its pod WALG_S3_PREFIX, AWS_REGION and the keys of the object store.
\\set ON_ERROR_STOP on
ALTER SYSTEM SET archive_mode = on;
ALTER SYSTEM SET archive_command = '{_SHIP}';
ALTER SYSTEM SET archive_timeout = '{TIMEOUT_S}s';
SELECT pg_reload_conf();
"""


def _keys(service: Service, url: str, region: str = "") -> list[Yaml]:
    secret = f"{service.object_name}-archive"
    given = [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}} for name in KEYS]
    where = [{"name": "WALG_S3_PREFIX", "value": url.rstrip("/")}]
    return [*where, *([{"name": "AWS_REGION", "value": region}] if region else []), *given]


def _base_backup(service: Service, url: str) -> Yaml:
    """Over the replication protocol, as no pod but the server's has its files; then what is older than a week goes."""
    secret = f"{service.object_name}-archive"
    login = {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": "PGPASSWORD"}}}
    user = {"name": "PGUSER", "valueFrom": {"secretKeyRef": {"name": secret, "key": "PGUSER"}}}
    container = {
        "name": "base-backup",
        "image": service.image,
        "command": ["sh", "-c", "set -eu\nwal-g backup-push\nwal-g delete retain FULL 7 --confirm\n"],
        "env": [{"name": "PGHOST", "value": service.object_name}, user, login, *_keys(service, url)],
    }
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"{service.object_name}-base-backup", "namespace": service.namespace},
        "spec": {
            "schedule": "0 3 * * *",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"backoffLimit": 3, "template": {"spec": pod}}},
        },
    }


def _restored(replica: StoreReplica, service: Service, url: str) -> Iterator[Yaml]:
    """To the end of the log; for a moment before a mistake give recovery_target_time as one more argument."""
    where = [{"name": "PGDATA", "value": PGDATA}, *_keys(service, url, replica.standby)]
    data = {"name": "data", "mountPath": FOLDER["postgres"]}
    begin = {
        "name": "base-backup",
        "image": service.image,
        "command": ["sh", "-c", _FETCH],
        "env": where,
        "volumeMounts": [data],
    }
    settings = {
        "restore_command": RESTORE,
        "recovery_target_timeline": "latest",
        "recovery_target_action": "promote",
        "archive_mode": "off",
    }
    server = postgres_container(service, settings, where, ["sh", "-c", _SERVES], data)
    yield stateful_set(replica, service, [begin], server, [], pods=0)
    yield headless(service, "postgres", POSTGRES_PORT)


_SERVES = "[ \"$(psql -U postgres -Atc 'SELECT pg_is_in_recovery()')\" = f ]"
"""Not before it has replayed the log and takes writes."""


def _object_store(service: Service, url: str) -> Yaml:
    secret = f"{service.object_name}-archive"
    ids = {"accessKeyId": {"name": secret, "key": KEYS[0]}, "secretAccessKey": {"name": secret, "key": KEYS[1]}}
    return {"destinationPath": url, "s3Credentials": ids, "wal": {"compression": "gzip"}}


def _ships(service: Service, url: str) -> Yaml:
    """For the primary's Cluster; keys that it has already stay."""
    kept = {"barmanObjectStore": _object_store(service, url), "retentionPolicy": KEPT}
    timeout = {"parameters": {"archive_timeout": f"{TIMEOUT_S}s"}}
    return {"spec": {"backup": kept, "postgresql": timeout}}


def _scheduled(service: Service) -> Yaml:
    """Six fields, the seconds first."""
    name = {"name": f"{service.object_name}-base-backup", "namespace": service.namespace}
    spec = {"schedule": _DAILY, "cluster": {"name": service.object_name}, "immediate": True}
    return {"apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup", "metadata": name, "spec": spec}


def _recovered(replica: StoreReplica, service: Service, url: str) -> Yaml:
    name, source = service.object_name, f"{service.object_name}-{replica.primary}"
    storage: Yaml = {"size": str(int(replica.store.size_bytes or DEFAULT_BYTES))}
    if service.volumes and service.volumes[0].storage_class:
        storage["storageClass"] = service.volumes[0].storage_class
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": CLUSTER,
        "metadata": {"name": name, "namespace": service.namespace},
        "spec": {
            "instances": max(1, service.replicas),
            **({"imageName": service.image} if service.image else {}),
            "storage": storage,
            "bootstrap": {"recovery": {"source": source}},
            "externalClusters": [
                {"name": source, "barmanObjectStore": {**_object_store(service, url), "serverName": name}}
            ],
        },
    }
