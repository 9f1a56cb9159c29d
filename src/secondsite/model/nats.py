"""A NATS cluster: servers, JetStream, streams with their consumers, and how it is linked to other clusters.

Used for what runs today (one cluster in one region) and for what a strategy lays out (several, linked).
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.settings import NOTHING_MORE, Settings
from secondsite.model.units import Bytes, Seconds


class StreamKind(StrEnum):
    STREAM = "stream"
    KV = "kv"
    OBJECT = "object"


class Retention(StrEnum):
    LIMITS = "limits"
    INTEREST = "interest"
    WORKQUEUE = "workqueue"


class Storage(StrEnum):
    FILE = "file"
    MEMORY = "memory"


class Discard(StrEnum):
    OLD = "old"
    NEW = "new"


@frozen
class Consumer:
    """``settings`` are the rest of its configuration, in the server's words."""

    name: str
    durable: bool = True
    filter_subject: str = ""
    max_deliver: int = -1
    replicas: int = 0
    ack_policy: str = "explicit"
    settings: Settings = NOTHING_MORE

    @property
    def filters(self) -> tuple[str, ...]:
        """The subjects it gets; none: all of the stream."""
        several = self.settings.get("filter_subjects") or ()
        return (self.filter_subject,) if self.filter_subject else tuple(several)


@frozen
class StreamOrigin:
    """What a stream is mirrored or sourced from; ``region`` is set in a Deployment.

    With a ``prefix`` only the stream's own subjects are sourced, and stored with the prefix before them: two streams
    that source each other then do not send back what they were sent. ``settings`` are filters, transforms and where
    to begin, in the server's words. ``external``: it is no stream of this system, and nobody here knows where it is.
    """

    stream: str
    domain: str = ""
    region: str = ""
    prefix: str = ""
    settings: Settings = NOTHING_MORE
    external: bool = False


@frozen
class Stream:
    """Limits are None where there is none. ``rate`` and ``message_bytes`` are measured or assumed loads.

    ``settings`` are the rest of its configuration, in the server's words; empty where nobody has seen it.
    """

    name: str
    subjects: tuple[str, ...] = ()
    retention: Retention = Retention.LIMITS
    storage: Storage = Storage.FILE
    discard: Discard = Discard.OLD
    replicas: int = 1
    max_age_s: Seconds | None = None
    max_bytes: Bytes | None = None
    max_messages: int | None = None
    max_messages_per_subject: int | None = None
    duplicate_window_s: Seconds = Seconds(120)
    message_ttl: bool = False
    async_persist: bool = False
    placement: str = ""
    mirror: StreamOrigin | None = None
    sources: tuple[StreamOrigin, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    erasure_duty: bool = False
    rate_per_s: float | None = None
    message_bytes: Bytes | None = None
    messages: int | None = None
    bytes: Bytes | None = None
    settings: Settings = NOTHING_MORE

    @property
    def kind(self) -> StreamKind:
        """By the naming rule of the JetStream clients."""
        prefixes = {"KV_": StreamKind.KV, "OBJ_": StreamKind.OBJECT}
        return next((kind for prefix, kind in prefixes.items() if self.name.startswith(prefix)), StreamKind.STREAM)

    @property
    def only_sources(self) -> bool:
        """Whether it takes nothing but what others hold: it has sources, and no subject that anybody could write to."""
        return bool(self.sources) and not self.subjects and self.kind is StreamKind.STREAM


@frozen
class GatewayLink:
    """A gateway to a cluster of that name; all linked clusters form one super-cluster, one meta group."""

    cluster: str
    tls: bool = False


@frozen
class LeafLink:
    """A leaf-node remote: what this cluster dials. Denies are the subjects that may not cross."""

    cluster: str
    account: str = ""
    tls: bool = False
    credentials: str = ""
    deny_imports: tuple[str, ...] = ()
    deny_exports: tuple[str, ...] = ()


@frozen
class NatsCluster:
    """``servers`` counts nats-server processes; all of them vote for meta unless ``jetstream`` is false.

    ``sync_interval_s`` is 0 for ``always``. Sizes are per server. ``accounts`` are those its configuration names.
    ``route_authorization``, ``gateway_authorization``, ``client_authorization``: whether those have to log in; None
    where it is not known.
    ``cluster_name`` is the one that its servers know; ``headless`` the Service that gives its pods their names;
    ``container`` the one that runs nats-server; ``parts`` the services that run it where they are several, as with one
    for each zone. ``operator``: accounts come from JWTs, not from the configuration;
    ``trust`` is what it says of them: operators, resolver and preloaded accounts, in the server's words.
    """

    name: str
    service: str = ""
    region: str = ""
    servers: int = 3
    version: str = ""
    jetstream: bool = True
    domain: str = ""
    system_account: str = ""
    max_file_bytes: Bytes | None = None
    max_memory_bytes: Bytes | None = None
    sync_interval_s: Seconds = Seconds(120)
    route_tls: bool = False
    route_authorization: bool | None = None
    gateway_authorization: bool | None = None
    self_route: bool = True
    reject_unknown_gateways: bool = False
    gateways: tuple[GatewayLink, ...] = ()
    leaves: tuple[LeafLink, ...] = ()
    streams: tuple[Stream, ...] = ()
    accounts: tuple[str, ...] = ()
    cluster_name: str = ""
    headless: str = ""
    store_dir: str = ""
    container: str = ""
    parts: tuple[str, ...] = ()
    operator: bool = False
    client_authorization: bool | None = None
    trust: Settings = NOTHING_MORE

    @property
    def voters(self) -> int:
        return self.servers if self.jetstream else 0
