"""The example end to end: every component that it describes, with its values and the lines that say so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict

from secondsite.discover.manifests import Discovery, discover
from secondsite.discover.system_file.schema import paths
from secondsite.model.backup import Content, Where
from secondsite.model.mark import Knowledge
from secondsite.model.service import Role, Spreading
from secondsite.model.store import Loss

ROOT = Path(__file__).parents[2]
MANIFESTS = Path("examples/kgents/manifests")
MI, GI = 1024**2, 1024**3


@pytest.fixture(scope="module")
def found() -> Discovery:
    return discover([ROOT / MANIFESTS], base=ROOT)


def values(found: Discovery, path: str) -> Any:
    """What stands at a path such as ``services.kgent-api.probes.liveness.period_s``."""

    def step(inside: Any, part: str) -> Any:
        if isinstance(inside, tuple | list):
            return next(item for item in inside if item["name"] == part)
        return inside[part]

    return reduce(step, path.split("."), asdict(found.system))


API = "services.kgent-api"
NATS = "services.nats"
CLUSTER = "nats.nats"
STREAM = f"{CLUSTER}.streams.kgent-events"
BACKUP = "backups.nats-backup"

# The path in the model, the value, and what the line of its mark says (empty: no mark of its own is asked for).
TABLE: list[tuple[str, object, str]] = [
    (f"{API}.namespace", "kgents-triad", "namespace: kgents-triad"),
    (f"{API}.kind", "Deployment", "kind: Deployment"),
    (f"{API}.role", Role.API, "name: kgent-api"),
    (f"{API}.replicas", 2, "replicas: 2"),
    (f"{API}.image", "ghcr.io/kgents/kgent-api:latest", "newTag: latest"),
    (f"{API}.disruption_budget.min_available", 1, "minAvailable: 1"),
    (f"{API}.autoscale.min_replicas", 2, "minReplicas: 2"),
    (f"{API}.autoscale.max_replicas", 10, "maxReplicas: 10"),
    (f"{API}.autoscale.cpu_percent", 70, "averageUtilization: 70"),
    (f"{API}.autoscale.memory_percent", 80, "averageUtilization: 80"),
    (f"{API}.cpu_request_cores", 0.1, "cpu: 100m"),
    (f"{API}.memory_request_bytes", 256 * MI, "memory: 256Mi"),
    (f"{API}.cpu_limit_cores", 0.5, "cpu: 500m"),
    (f"{API}.memory_limit_bytes", 512 * MI, "memory: 512Mi"),
    (f"{API}.ports", (8000,), "ports:"),
    (f"{API}.probes.startup.initial_delay_s", 5, "initialDelaySeconds: 5"),
    (f"{API}.probes.startup.period_s", 5, "periodSeconds: 5"),
    (f"{API}.probes.startup.failure_threshold", 30, "failureThreshold: 30"),
    (f"{API}.probes.readiness.path", "/health/saas", "path: /health/saas"),
    (f"{API}.probes.readiness.period_s", 10, "periodSeconds: 10"),
    (f"{API}.probes.readiness.failure_threshold", 3, "failureThreshold: 3"),
    (f"{API}.probes.liveness.path", "/health", "path: /health"),
    (f"{API}.probes.liveness.port", 8000, "port: http"),
    (f"{API}.probes.liveness.period_s", 30, "periodSeconds: 30"),
    (f"{API}.spread_nodes", Spreading.PREFERRED, "topologyKey: kubernetes.io/hostname"),
    (f"{API}.spread_zones", Spreading.NONE, "replicas: 2"),
    (f"{API}.network_policy", True, "name: kgent-api"),
    (f"{API}.secrets", ("kgents-api-secrets", "postgres-credentials"), "name: kgents-api-secrets"),
    (
        f"{API}.depends_on",
        ("nats", "redis", "qdrant", "postgres", "otel-collector"),
        "value: nats://nats.kgents-agents",
    ),
    (
        f"{API}.nats_client.servers",
        ("nats://nats.kgents-agents.svc.cluster.local:4222",),
        "value: nats://nats.kgents-agents.svc.cluster.local:4222",
    ),
    (f"{API}.ack_buffer.messages", 1000, 'NATS_FALLBACK_QUEUE_SIZE: "1000"'),
    (f"{API}.ack_buffer.durable", False, ""),
    (f"{API}.ack_buffer.after_failures", 3, 'NATS_BREAKER_FAILURE_THRESHOLD: "3"'),
    (f"{API}.ack_buffer.half_open_after_s", 30, 'NATS_BREAKER_RESET_SECONDS: "30"'),
    (f"{NATS}.namespace", "kgents-agents", "namespace: kgents-agents"),
    (f"{NATS}.kind", "StatefulSet", "kind: StatefulSet"),
    (f"{NATS}.role", Role.NATS, "image: nats:2.10-alpine"),
    (f"{NATS}.ports", (4222, 6222, 8222), "ports:"),
    (f"{NATS}.memory_limit_bytes", GI, "memory: 1Gi"),
    (f"{NATS}.disruption_budget.min_available", 2, "minAvailable: 2"),
    (f"{NATS}.spread_nodes", Spreading.PREFERRED, "topologyKey: kubernetes.io/hostname"),
    (f"{NATS}.spread_zones", Spreading.NONE, "replicas: 3"),
    (f"{NATS}.volumes.data.size_bytes", 10 * GI, "storage: 10Gi"),
    (f"{CLUSTER}.servers", 3, "replicas: 3"),
    (f"{CLUSTER}.version", "2.10-alpine", "image: nats:2.10-alpine"),
    (f"{CLUSTER}.jetstream", True, "jetstream {"),
    (f"{CLUSTER}.max_file_bytes", 10 * GI, "max_file_store: $JS_FILE_STORE"),
    (f"{CLUSTER}.max_memory_bytes", GI, "max_memory_store: $JS_MEMORY_STORE"),
    (f"{CLUSTER}.route_tls", False, "cluster {"),
    (f"{CLUSTER}.self_route", True, "routes: ["),
    (f"{CLUSTER}.sync_interval_s", 120, ""),
    (f"{CLUSTER}.streams.AGENTESE.subjects", ("agentese.>",), '"subjects": ["agentese.>"],'),
    (f"{CLUSTER}.streams.EVENTS.subjects", ("events.>",), '"subjects": ["events.>"],'),
    (f"{STREAM}.subjects", ("kgent.>",), '"subjects": ["kgent.>"],'),
    (f"{STREAM}.max_age_s", 168 * 3600, '"max_age": 604800000000000,'),
    (f"{STREAM}.max_messages_per_subject", 10_000, '"max_msgs_per_subject": 10000,'),
    (f"{STREAM}.replicas", 1, '"num_replicas": 1'),
    (f"{STREAM}.consumers.sse-fanout.max_deliver", 3, '"max_deliver": 3'),
    (f"{STREAM}.consumers.sse-fanout.durable", True, ""),
    (f"{STREAM}.consumers.metering.durable", True, ""),
    (f"{BACKUP}.service", "nats-backup", ""),
    (f"{BACKUP}.covers", ("nats",), "nats stream ls"),
    (f"{BACKUP}.content", Content.CONFIGURATION, "nats stream ls"),
    (f"{BACKUP}.where", Where.CLUSTER, "claimName: nats-backup"),
    (f"{BACKUP}.destination", "persistentvolumeclaim/nats-backup", "name: nats-backup"),
    (f"{BACKUP}.interval_s", 86400, 'schedule: "0 2 * * *"'),
    (f"{BACKUP}.retention_s", 7 * 86400, "find /backup -name '*.tar.gz' -mtime +7 -delete"),
    (f"{BACKUP}.errors_swallowed", True, "|| true"),
    (f"{BACKUP}.optional_upload", True, "name: AWS_ACCESS_KEY_ID"),
    ("services.nats-backup.role", Role.BACKUP, ""),
    ("services.nats-backup.volumes.backup.size_bytes", 5 * GI, "storage: 5Gi"),
    ("services.redis.replicas", 1, "replicas: 1"),
    ("services.redis.image", "redis:7-alpine", "image: redis:7-alpine"),
    ("stores.redis.loss", Loss.CACHE, "allkeys-lru"),
    ("stores.redis.persistent", False, ""),
    ("services.postgres.role", Role.DATABASE, "pgvector"),
    ("stores.postgres.engine", "postgres", "pgvector"),
    ("stores.postgres.loss", Loss.DATA, ""),
    ("stores.postgres.size_bytes", 20 * GI, "storage: 20Gi"),
    ("services.outbox-cdc.depends_on", ("postgres", "nats"), "postgres.kgents-triad.svc.cluster.local"),
    ("services.outbox-cdc.role", Role.WORKER, ""),
    ("stores.qdrant.engine", "qdrant", "image: qdrant/qdrant"),
    ("stores.qdrant.replicas", 1, "replicas: 1"),
    ("stores.qdrant.size_bytes", 10 * GI, "storage: 10Gi"),
    ("services.kong.replicas", 2, "replicas: 2"),
    ("gateways.kong.engine", "kong", "image: kong:3.8"),
    ("gateways.kong.hosts", ("api.kgents.io",), "- host: api.kgents.io"),
    ("gateways.kong.routes_to", ("kgent-api",), "name: kgent-api"),
    ("gateways.kong.authentication", "key-auth", "plugin: key-auth"),
    ("gateways.kong.rate_limit_store", "redis", "host: redis.kgents-triad"),
    *((f"services.{name}.replicas", 1, "replicas: 1") for name in ("prometheus", "grafana", "tempo", "loki")),
    *((f"services.{name}.role", Role.OBSERVABILITY, "image:") for name in ("prometheus", "grafana", "tempo", "loki")),
    ("services.otel-collector.role", Role.OBSERVABILITY, "image: otel/opentelemetry-collector"),
    ("services.otel-collector.replicas", 1, "replicas: 1"),
    ("alerts.NatsBackupOverdue.guards", "backup-age", "expr: time()"),
    ("alerts.NatsBackupOverdue.threshold_s", 25 * 3600, "25 * 3600"),
    ("alerts.NatsBackupMissing.threshold_s", 48 * 3600, "48 * 3600"),
    ("alerts.ApiDown.guards", "availability", "expr: sum(up"),
    ("alerts.ApiDown.hold_s", 60, "for: 1m"),
    (
        "secrets.kgents-api-secrets.keys",
        ("OPENMETER_API_KEY", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"),
        "data:",
    ),
    ("secrets.kgents-api-secrets.store", "cloud-secret-manager", "name: cloud-secret-manager"),
    ("secrets.kgents-api-secrets.refresh_s", 300, "refreshInterval: 5m"),
    ("backups.cluster-state.content", Content.RESOURCES, "snapshotVolumes: false"),
    ("backups.cluster-state.interval_s", 86400, 'schedule: "0 3 * * *"'),
    ("backups.cluster-state.retention_s", 30 * 86400, "ttl: 720h0m0s"),
    ("backups.cluster-state.where", Where.REGION, "region: us-east-1"),
    ("traffic.host", "api.kgents.io", "host: api.kgents.io"),
    ("traffic.ttl_s", 60, 'external-dns.alpha.kubernetes.io/ttl: "60"'),
    ("traffic.automatic", False, ""),
    ("region.name", "us-east-1", "values: [us-east-1a, us-east-1b, us-east-1c]"),
    ("region.zones", 3, "values: [us-east-1a, us-east-1b, us-east-1c]"),
]


def key(path: str) -> str:
    head, _, last = path.rpartition(".")
    for unit in ("_s", "_bytes", "_cores"):
        last = last.removesuffix(unit)
    return f"{head}.{last}"


@pytest.mark.parametrize(("path", "value", "line"), TABLE, ids=[row[0] for row in TABLE])
def test_every_component_is_found_where_it_stands(found: Discovery, path: str, value: object, line: str) -> None:
    assert values(found, path) == value
    if line:
        place = found.system.marks[key(path)].place
        assert place is not None
        assert line in (ROOT / place.file).read_text().splitlines()[place.line - 1]


def test_nothing_is_left_over(found: Discovery) -> None:
    assert found.unknown == {}
    assert len(found.system.alerts) >= 8
    assert found.system.contracts == ()
    assert {service.name for service in found.system.services} == {
        *("kgent-api", "nats", "nats-backup", "redis", "postgres", "outbox-cdc", "qdrant", "kong"),
        *("prometheus", "grafana", "tempo", "loki", "otel-collector"),
    }


def test_what_is_outside_is_told(found: Discovery) -> None:
    notes = "\n".join(found.notes)
    assert "openmeter.cloud, api.stripe.com" in notes
    assert "Argo CD deploys kgents on every commit" in notes


def test_every_mark_is_of_a_value_that_is_there(found: Discovery) -> None:
    assert set(found.system.marks) <= set(paths(found.system, ""))


def test_every_place_that_was_read_is_a_line_of_a_file(found: Discovery) -> None:
    lines: Mapping[str, int] = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / MANIFESTS).rglob("*")
        if path.is_file()
    }
    for mark in found.system.marks.values():
        assert mark.place is not None or mark.origin is Knowledge.ASSUMED
        assert mark.place is not None or mark.why
        assert mark.place is None or mark.place.line <= lines[mark.place.file]


@pytest.mark.parametrize("path", ["load.mean_per_s", "second.name", "economics.outage_usd_per_hour"])
def test_what_manifests_cannot_tell_is_assumed_with_a_reason(found: Discovery, path: str) -> None:
    mark = found.system.marks[path]
    assert mark.origin is Knowledge.ASSUMED
    assert len(mark.why.split()) > 3


def test_dependencies_name_services(found: Discovery) -> None:
    names = {service.name for service in found.system.services}
    secrets = {secret.name for secret in found.system.secrets}
    for service in found.system.services:
        assert set(service.depends_on) <= names
        assert set(service.secrets) <= secrets
