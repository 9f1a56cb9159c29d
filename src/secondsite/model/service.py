"""A workload on Kubernetes, whatever it does: API, gateway, database, NATS server, backup job.

What makes it special (streams, stored data, tenants) lies in the noun that refers to it by name:
NatsCluster, Store, Gateway, Backup.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.units import Bytes, Cores, Seconds


class Role(StrEnum):
    API = "api"
    WORKER = "worker"
    GATEWAY = "gateway"
    NATS = "nats"
    DATABASE = "database"
    CACHE = "cache"
    VECTOR_STORE = "vector-store"
    OBSERVABILITY = "observability"
    SECRETS = "secrets"
    DELIVERY = "delivery"
    BACKUP = "backup"
    OTHER = "other"


class Spreading(StrEnum):
    """How firmly replicas are kept apart: the scheduler may ignore what is only preferred."""

    NONE = "none"
    PREFERRED = "preferred"
    REQUIRED = "required"


@frozen
class Autoscale:
    min_replicas: int
    max_replicas: int
    cpu_percent: int | None = None
    memory_percent: int | None = None


@frozen
class DisruptionBudget:
    """A PodDisruptionBudget, percentages resolved against ``replicas``."""

    min_available: int | None = None
    max_unavailable: int | None = None


@frozen
class Probe:
    kind: str
    path: str = ""
    port: int = 0
    initial_delay_s: Seconds = Seconds(0)
    period_s: Seconds = Seconds(10)
    timeout_s: Seconds = Seconds(1)
    failure_threshold: int = 3

    @property
    def detection_s(self) -> float:
        """Time from a fault to the kubelet acting on it, at worst."""
        return self.period_s * self.failure_threshold + self.timeout_s


@frozen
class Probes:
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


@frozen
class Volume:
    """One PersistentVolume; each replica of a StatefulSet has its own."""

    name: str
    size_bytes: Bytes
    storage_class: str = ""


@frozen
class AckBuffer:
    """Messages that were acknowledged to the client but wait inside the service (a 202 from a queue)."""

    messages: int
    durable: bool = False
    after_failures: int = 3
    half_open_after_s: Seconds = Seconds(30)


@frozen
class NatsClient:
    """How a service connects to NATS. None is the client library's default, which is rarely what one wants."""

    servers: tuple[str, ...] = ()
    ping_interval_s: Seconds | None = None
    max_outstanding_pings: int | None = None
    max_reconnects: int | None = None
    randomize: bool | None = None
    message_ids: bool | None = None


@frozen
class Service:
    name: str
    namespace: str = "default"
    kind: str = "Deployment"
    role: Role = Role.OTHER
    image: str = ""
    replicas: int = 1
    autoscale: Autoscale | None = None
    disruption_budget: DisruptionBudget | None = None
    cpu_request_cores: Cores | None = None
    cpu_limit_cores: Cores | None = None
    memory_request_bytes: Bytes | None = None
    memory_limit_bytes: Bytes | None = None
    probes: Probes = Probes()
    spread_nodes: Spreading = Spreading.NONE
    spread_zones: Spreading = Spreading.NONE
    volumes: tuple[Volume, ...] = ()
    ports: tuple[int, ...] = ()
    depends_on: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    network_policy: bool = False
    ack_buffer: AckBuffer | None = None
    nats_client: NatsClient | None = None
    object: str = ""

    @property
    def object_name(self) -> str:
        """What Kubernetes calls it; ``name`` is its own in the system, also where two namespaces have an equal one."""
        return self.object or self.name

    @property
    def stateful(self) -> bool:
        return bool(self.volumes)

    @property
    def tag(self) -> str:
        """The image's tag or digest; ``latest`` when none is named."""
        last = self.image.rsplit("/", 1)[-1]
        return last.split("@", 1)[1] if "@" in last else (last.split(":", 1)[1] if ":" in last else "latest")
