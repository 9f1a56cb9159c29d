"""The example, from its manifests: every weakness that a manifest can show is found, and silent once it is mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from secondsite.audit.registry import audit
from secondsite.discover.manifests import discover
from secondsite.model.backup import Content, Where
from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import Fault
from secondsite.model.hazard import Hazard
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
TARGETS = (
    Contract(Subject.API, Fault.REGION, Seconds(300), Seconds(60)),
    Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(300)),
    Contract(Subject.STATE, Fault.REGION, Seconds(1800), Seconds(3600)),
    Contract(Subject.API, Fault.PROCESS, Seconds(30)),
    Contract(Subject.NATS, Fault.PROCESS, Seconds(60)),
)

WEAKNESSES = [
    ("image-latest", "services.kgent-api", "kustomization.yaml", "latest"),
    ("api-may-share-node", "services.kgent-api", "deployment.yaml", "2 pods"),
    ("api-may-share-zone", "services.kgent-api", "deployment.yaml", "2 pods"),
    ("api-buffered-acknowledgement", "services.kgent-api", "config.yaml", "1000 messages"),
    ("nats-version-without-promotion", "nats.nats", "statefulset.yaml", "2.10"),
    ("nats-memory-store", "nats.nats", "config.yaml", "1Gi in a container of 1Gi"),
    ("nats-store-above-volume", "nats.nats", "config.yaml", "10Gi on a volume of 10Gi"),
    ("nats-may-share-node", "services.nats", "statefulset.yaml", "only prefers"),
    ("nats-may-share-zone", "services.nats", "statefulset.yaml", "3 pods"),
    ("nats-route-tls", "nats.nats", "config.yaml", "without TLS"),
    ("nats-sync-interval", "nats.nats", "config.yaml", "2 min"),
    ("nats-stream-single-replica", "nats.nats.streams.kgent-events", "streams.yaml", "replicas 1"),
    ("backup-no-messages", "backups.nats-backup", "backup.sh", "AGENTESE, EVENTS, kgent-events"),
    ("backup-same-domain", "backups.nats-backup", "backup.yaml", "Kubernetes cluster"),
    ("backup-interval", "backups.nats-backup", "backup.yaml", "every 24 h, the RPO is 5 min"),
    ("backup-optional-upload", "backups.nats-backup", "backup.yaml", "credential"),
    ("backup-errors-swallowed", "backups.nats-backup", "backup.sh", "failed command"),
    ("backup-never-restored", "backups.nats-backup", "backup.yaml", "nobody"),
    ("backup-interval", "backups.cluster-state", "schedule.yaml", "every 24 h, the RPO is 60 min"),
    ("backup-same-domain", "backups.cluster-state", "schedule.yaml", "region"),
    ("backup-missing", "stores.postgres", "postgres.yaml", "resources only"),
    ("backup-missing", "stores.qdrant", "qdrant.yaml", "resources only"),
    ("cache-not-persistent", "stores.redis", "redis.yaml", "idempotency keys"),
    ("api-dependency-single-replica", "services.redis", "redis.yaml", "one replica"),
    ("state-single-replica", "services.postgres", "postgres.yaml", "one replica"),
    ("state-single-replica", "services.qdrant", "qdrant.yaml", "one replica"),
    *(
        ("observability-single-replica", f"services.{name}", f"{name}.yaml", "one replica")
        for name in ("prometheus", "grafana", "tempo", "loki", "otel-collector")
    ),
    ("alert-after-rpo", "alerts.NatsBackupOverdue", "rules.yaml", "25 h"),
    ("alert-after-rpo", "alerts.NatsBackupMissing", "rules.yaml", "2 d"),
    ("client-settings-unknown", "services.kgent-api", "deployment.yaml", "ping_interval, max_reconnects"),
    ("nats-clients-open", "nats.nats", "", "may write to it"),
    ("secret-one-region", "secrets.kgents-api-secrets", "cluster-secret-store.yaml", "us-east-1"),
    ("dns-by-hand", "traffic.automatic", "", "a person changes DNS"),
]


@pytest.fixture(scope="module")
def system() -> System:
    found = discover([EXAMPLE / "manifests"], name="kgents", base=EXAMPLE).system
    return evolve(found, contracts=TARGETS)


@pytest.fixture(scope="module")
def hazards(system: System) -> tuple[Hazard, ...]:
    return audit(system)


@pytest.mark.parametrize(("rule", "subject", "file", "says"), WEAKNESSES, ids=[f"{w[0]}-{w[1]}" for w in WEAKNESSES])
def test_each_weakness_is_found_where_it_stands(
    hazards: tuple[Hazard, ...], rule: str, subject: str, file: str, says: str
) -> None:
    found = [h for h in hazards if h.rule == rule and h.subject.startswith(subject)]
    assert [h for h in found if says in h.message.replace(" ", " ")]
    if file:
        assert all(h.place.file.endswith(file) and h.place.line for h in found)


def test_the_targets_are_what_is_endangered(hazards: tuple[Hazard, ...]) -> None:
    endangered = {name for hazard in hazards for name in hazard.contract.split(", ") if name}
    assert endangered == {contract.name for contract in TARGETS}


def _mended_service(service: Service) -> Service:
    several: dict[str, Any] = {"replicas": max(2, service.replicas)} if service.role is not Role.BACKUP else {}
    client = service.nats_client and evolve(
        service.nats_client,
        ping_interval_s=Seconds(2),
        max_outstanding_pings=2,
        max_reconnects=-1,
        randomize=False,
        message_ids=True,
    )
    return evolve(
        service,
        image=f"{service.image.split(':')[0]}:1.0",
        spread_nodes=Spreading.REQUIRED,
        spread_zones=Spreading.REQUIRED,
        ack_buffer=None,
        nats_client=client,
        **several,
    )


def mended(system: System) -> System:
    """The same system with every weakness mended, nothing taken away."""
    cluster = system.nats[0]
    streams = tuple(evolve(s, replicas=3, max_age_s=s.max_age_s or Seconds(86400)) for s in cluster.streams)
    nats_backup, cluster_state = system.backups
    good: dict[str, Any] = {
        "where": Where.ELSEWHERE,
        "errors_swallowed": False,
        "optional_upload": False,
        "restore_tested": True,
    }
    often = Seconds(60)
    return evolve(
        system,
        services=tuple(_mended_service(service) for service in system.services),
        nats=(
            evolve(
                cluster,
                version="2.15.1",
                max_file_bytes=Bytes(8 * 1024**3),
                max_memory_bytes=Bytes(256 * 1024**2),
                sync_interval_s=Seconds(0),
                route_tls=True,
                client_authorization=True,
                streams=streams,
            ),
        ),
        stores=tuple(evolve(store, persistent=True) for store in system.stores),
        secrets=tuple(evolve(s, store="cloud", regions=("us-east-1", "us-west-2")) for s in system.secrets),
        alerts=tuple(evolve(a, threshold_s=a.threshold_s and Seconds(120)) for a in system.alerts),
        backups=(
            evolve(nats_backup, content=Content.MESSAGES, interval_s=often, **good),
            evolve(cluster_state, content=Content.VOLUMES, interval_s=often, **good),
        ),
        traffic=evolve(system.traffic, automatic=True),
    )


def test_the_mended_copy_is_silent(system: System) -> None:
    assert [f"{h.rule} {h.subject}: {h.message}" for h in audit(mended(system))] == []
