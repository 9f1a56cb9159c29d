"""The replicas of databases: what a standby region runs, and what its primary has to be told first.

With CloudNativePG a replica cluster; for a StatefulSet or a Deployment of PostgreSQL another one that fills itself by
pg_basebackup and streams from a slot; for Redis and Valkey a replica. What another operator or a provider runs is laid
out there. No file holds a password: it comes from a Secret, by the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError
from secondsite.model.service import Service
from secondsite.publish.deploy.texts import file_name
from secondsite.publish.text.yaml_text import yaml_text
from secondsite.strategies.deployed_addresses import DeployedAddresses
from secondsite.strategies.store_servers import (
    CONFIRMING,
    FOLLOWER,
    POSTGRES_PORT,
    REDIS_PORT,
    SLOT,
    postgres_follows,
    redis_follows,
)
from secondsite.strategies.stores import REDIS, StoreReplica, store_replicas

PASSWORD = "FOLLOWER_PASSWORD"  # noqa: S105 # the name of the variable, and of the Secret's key
USERS = "users.acl"
WAITING_SQL, WAITING_PATCH = ".synchronous.sql", ".synchronous.patch.yaml"
"""Applied last, on the primary: before its standby is there, no commit would return."""
CLUSTER = "Cluster"
"""Of CloudNativePG: no other operator of PostgreSQL calls its resource so."""
_WORKLOADS = ("StatefulSet", "Deployment")
FOLDER = {"postgres": "/var/lib/postgresql/data", "redis": "/data"}
PGDATA = f"{FOLDER['postgres']}/pgdata"
DEFAULT_BYTES = 10 << 30
_KEPT_SHARE = 4
_BASE_BACKUP = """\
set -eu
[ -s "$PGDATA/PG_VERSION" ] && exit 0
rm -rf "$PGDATA.begun"
pg_basebackup --dbname="$PRIMARY" --slot=SLOT --wal-method=stream --checkpoint=fast --pgdata="$PGDATA.begun"
touch "$PGDATA.begun/standby.signal"
mv "$PGDATA.begun" "$PGDATA"
""".replace("SLOT", SLOT)
"""Whole, or not there: a copy that broke off is begun anew. A server that was promoted keeps its role."""
_CONFIGURE = f"""\
set -eu
umask 077
cd "$DATA"
[ -s {USERS} ] || cp "$USERS/{USERS}" {USERS}
[ -s replica.conf ] && exit 0
{{ cat "$CONFIG/replica.conf"; printf 'masterauth %s\\n' "${PASSWORD}"; }} > replica.conf.begun
mv replica.conf.begun replica.conf
"""
"""Once: `promote` and `follow` write the role to that file."""

Yaml = dict[str, Any]


@frozen
class RenderedReplica:
    """``files`` by path; none where somebody else has to set it up, and ``why`` then says who."""

    replica: StoreReplica
    service: Service | None
    files: Mapping[str, str]
    host: str = ""
    why: str = ""

    @property
    def regions(self) -> tuple[str, str]:
        return self.replica.primary, self.replica.standby

    @property
    def secret(self) -> str:
        """With the follower's password, in both regions."""
        return f"{self.service.object_name if self.service else self.replica.store.name}-replication"


def store_files(deployment: Deployment, book: DeployedAddresses) -> Mapping[str, str]:
    return {path: text for each in rendered_replicas(deployment, book) for path, text in each.files.items()}


def rendered_replicas(deployment: Deployment, book: DeployedAddresses) -> tuple[RenderedReplica, ...]:
    return tuple(_rendered(deployment, book, each) for each in store_replicas(deployment))


def _rendered(deployment: Deployment, book: DeployedAddresses, replica: StoreReplica) -> RenderedReplica:
    service = deployment.system.service(replica.store.service)
    kind = service.kind if service else ""
    if service is None or (kind not in _WORKLOADS and not _is_cnpg(replica, kind)):
        why = f"{kind or 'nothing that is known here'} runs it: set up its replica there"
        return RenderedReplica(replica, service, {}, why=why)
    folder, label = f"{file_name(replica.standby)}/stores", file_name(replica.store.name)
    head = "# Written by `secondsite render`.\n"
    cnpg, redis = _is_cnpg(replica, kind), replica.store.engine in REDIS
    host = _host(replica, service, book, "-rw" if cnpg else "")
    write = _replica_cluster if cnpg else _redis if redis else _postgres
    parts = write(replica, service, host)
    files = {f"{folder}/{label}.yaml": head + "---\n".join(yaml_text(plain(part)) for part in parts)}
    if not (cnpg or redis):
        files[f"{file_name(replica.primary)}/stores/{label}.sql"] = _primary_sql(replica)
    if replica.synchronous:
        first = f"{file_name(replica.primary)}/stores/{label}"
        files |= {f"{first}{WAITING_PATCH}": head + yaml_text(_waits(replica, service))} if cnpg else {}
        files |= {} if cnpg else {f"{first}{WAITING_SQL}": _WAIT}
    return RenderedReplica(replica, service, files, host)


def plain(content: Yaml) -> Yaml:
    """No part of it twice the same object: YAML would write it once, and an alias."""
    return dict(json.loads(json.dumps(content)))


def _is_cnpg(replica: StoreReplica, kind: str) -> bool:
    return kind == CLUSTER and replica.store.engine == "postgres"


def _host(replica: StoreReplica, service: Service, book: DeployedAddresses, suffix: str) -> str:
    """Where the standby's region reaches the primary. Raises InputError where no domain is given."""
    if not book.domain:
        what = f"{replica.store.name} in {replica.standby} has to reach the one in {replica.primary}"
        raise InputError.at("--domain", f"{what}, and no domain is given", "give one: --domain nats.example.com")
    return f"{service.object_name}{suffix}.{replica.primary}.{book.domain}"


def _primary_sql(replica: StoreReplica) -> str:
    """For psql, as a superuser; asked again it changes nothing more."""
    kept_mb = max(1024, int(replica.store.size_bytes or DEFAULT_BYTES) // _KEPT_SHARE >> 20)
    return f"""\
-- Written by `secondsite render`. On the primary, as a superuser: {PASSWORD} is read from the environment.
-- pg_hba.conf has to let the replica in:  hostssl replication {FOLLOWER} ADDRESSES-OF-{replica.standby} scram-sha-256
\\set ON_ERROR_STOP on
\\getenv password {PASSWORD}
SELECT 'CREATE ROLE {FOLLOWER} LOGIN REPLICATION'
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{FOLLOWER}') \\gexec
ALTER ROLE {FOLLOWER} PASSWORD :'password';
SELECT pg_create_physical_replication_slot('{SLOT}', true)
  WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{SLOT}');
-- A slot keeps WAL for a standby that stays away: up to this much, then it is copied anew, and the disk does not fill.
ALTER SYSTEM SET max_slot_wal_keep_size = '{kept_mb}MB';
-- pg_rewind needs this, or data checksums. It holds from the next restart on.
ALTER SYSTEM SET wal_log_hints = on;
SELECT pg_reload_conf();
"""  # noqa: S608 - our own names and a number


_WAIT = f"""\
-- Written by `secondsite render`. On the primary, as a superuser, once the replica receives: from then on each COMMIT
-- waits until the other region has it, and while the standby is away it waits for ever.
\\set ON_ERROR_STOP on
SELECT count(*) > 0 AS follows FROM pg_stat_replication
  WHERE application_name = '{SLOT}' AND state = 'streaming' \\gset
\\if :follows
  ALTER SYSTEM SET synchronous_standby_names = '{CONFIRMING}';
  SELECT pg_reload_conf();
\\else
  DO $$ BEGIN RAISE EXCEPTION 'no standby follows: commits would stop'; END $$;
\\endif
"""  # noqa: S608 - our own names


def _waits(replica: StoreReplica, service: Service) -> Yaml:
    """Of the primary's Cluster. It never goes on without: `preferred` is refused for a standby of another cluster."""
    waited_for = {
        "method": "any",
        "number": 1,
        "maxStandbyNamesFromCluster": 0,
        "standbyNamesPre": [_standby_name(replica, service)],
        "dataDurability": "required",
    }
    return {"spec": {"postgresql": {"synchronous": waited_for}}}


def _standby_name(replica: StoreReplica, service: Service) -> str:
    return f"{service.object_name}-{replica.standby}"


def _postgres(replica: StoreReplica, service: Service, host: str) -> Iterator[Yaml]:
    settings = postgres_follows(Endpoint(host, POSTGRES_PORT), synchronous=replica.synchronous)
    secret = f"{service.object_name}-replication"
    password = {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": PASSWORD}}}
    where = [{"name": "PGDATA", "value": PGDATA}, {"name": "PGSSLMODE", "value": "require"}, password]
    data = {"name": "data", "mountPath": FOLDER["postgres"]}
    begin = {
        "name": "base-backup",
        "image": service.image,
        "command": ["sh", "-c", _BASE_BACKUP],
        "env": [*where, {"name": "PRIMARY", "value": settings["primary_conninfo"]}],
        "volumeMounts": [data],
    }
    server = postgres_container(service, settings, where, ["pg_isready", "-U", FOLLOWER], data)
    yield stateful_set(replica, service, [begin], server, [])
    yield headless(service, "postgres", POSTGRES_PORT)


def _redis(replica: StoreReplica, service: Service, host: str) -> Iterator[Yaml]:
    name = service.object_name
    secret = f"{name}-replication"
    lines = [
        *redis_follows(Endpoint(host, REDIS_PORT)),
        f"dir {FOLDER['redis']}",
        f"aclfile {FOLDER['redis']}/{USERS}",
    ]
    config = {"name": f"{name}-replica", "data": {"replica.conf": "\n".join(lines) + "\n"}}
    data = {"name": "data", "mountPath": FOLDER["redis"]}
    begin = {
        "name": "configure",
        "image": service.image,
        "command": ["sh", "-c", _CONFIGURE],
        "env": [
            {"name": "DATA", "value": FOLDER["redis"]},
            {"name": "CONFIG", "value": "/etc/replica"},
            {"name": "USERS", "value": "/etc/replica-users"},
            {"name": PASSWORD, "valueFrom": {"secretKeyRef": {"name": secret, "key": PASSWORD}}},
        ],
        "volumeMounts": [
            data,
            {"name": "config", "mountPath": "/etc/replica", "readOnly": True},
            {"name": "users", "mountPath": "/etc/replica-users", "readOnly": True},
        ],
    }
    server = {
        "name": replica.store.engine,
        "image": service.image,
        "args": [f"{replica.store.engine}-server", f"{FOLDER['redis']}/replica.conf"],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT}],
        "readinessProbe": {"tcpSocket": {"port": REDIS_PORT}, "periodSeconds": 10},
        "volumeMounts": [data],
    }
    volumes = [
        {"name": "config", "configMap": {"name": config["name"]}},
        {"name": "users", "secret": {"secretName": secret, "items": [{"key": USERS, "path": USERS}]}},
    ]
    named = {"name": config["name"], "namespace": service.namespace}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": config["data"]}
    yield stateful_set(replica, service, [begin], server, volumes)
    yield headless(service, "redis", REDIS_PORT)


def postgres_container(
    service: Service, settings: Mapping[str, str], where: Sequence[object], ready: list[str], data: Yaml
) -> Yaml:
    """The server's own container: ``settings`` on its command line, ``ready`` as its readiness probe."""
    given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return {
        "name": "postgres",
        "image": service.image,
        "args": ["postgres", *given],
        "env": where,
        "ports": [{"name": "postgres", "containerPort": POSTGRES_PORT}],
        "readinessProbe": {"exec": {"command": ready}, "periodSeconds": 10},
        "volumeMounts": [data],
    }


def stateful_set(
    replica: StoreReplica,
    service: Service,
    begin: list[Yaml],
    server: Yaml,
    volumes: list[Yaml],
    *,
    pods: int = 1,
) -> Yaml:
    name, label = service.object_name, {"app.kubernetes.io/name": service.object_name}
    asked = {
        "cpu": f"{service.cpu_request_cores:g}" if service.cpu_request_cores else None,
        "memory": f"{service.memory_request_bytes}" if service.memory_request_bytes else None,
    }
    requests = {key: value for key, value in asked.items() if value}
    claim: Yaml = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(int(replica.store.size_bytes or DEFAULT_BYTES))}},
    }
    if service.volumes and service.volumes[0].storage_class:
        claim = {"storageClassName": service.volumes[0].storage_class, **claim}
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 120,
        "initContainers": begin,
        "containers": [{**server, **({"resources": {"requests": requests}} if requests else {})}],
        **({"volumes": volumes} if volumes else {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": service.namespace, "labels": label},
        "spec": {
            "serviceName": name,
            "replicas": pods,
            "selector": {"matchLabels": label},
            "template": {"metadata": {"labels": label}, "spec": pod},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


def headless(service: Service, port_name: str, port: int) -> Yaml:
    label = {"app.kubernetes.io/name": service.object_name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service.object_name, "namespace": service.namespace, "labels": label},
        "spec": {"clusterIP": "None", "selector": label, "ports": [{"name": port_name, "port": port}]},
    }


def _replica_cluster(replica: StoreReplica, service: Service, host: str) -> Iterator[Yaml]:
    """As CloudNativePG's page on replica clusters has it: filled by pg_basebackup, then streaming."""
    name, source = service.object_name, f"{service.object_name}-{replica.primary}"
    storage: Yaml = {"size": str(int(replica.store.size_bytes or DEFAULT_BYTES))}
    if service.volumes and service.volumes[0].storage_class:
        storage["storageClass"] = service.volumes[0].storage_class
    parameters = {"host": host, "user": "streaming_replica", "dbname": "postgres", "sslmode": "verify-full"}
    if replica.synchronous:
        parameters["application_name"] = _standby_name(replica, service)
    yield {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": CLUSTER,
        "metadata": {"name": name, "namespace": service.namespace},
        "spec": {
            "instances": max(1, service.replicas),
            **({"imageName": service.image} if service.image else {}),
            "storage": storage,
            "bootstrap": {"pg_basebackup": {"source": source}},
            "replica": {"enabled": True, "source": source},
            "externalClusters": [
                {
                    "name": source,
                    "connectionParameters": parameters,
                    "sslKey": {"name": f"{source}-replication", "key": "tls.key"},
                    "sslCert": {"name": f"{source}-replication", "key": "tls.crt"},
                    "sslRootCert": {"name": f"{source}-ca", "key": "ca.crt"},
                }
            ],
        },
    }
