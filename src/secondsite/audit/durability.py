"""Hazards of what an acknowledgement is worth: where the bytes are when it is given, and whether they fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from secondsite.audit.audited import Audited, listed, promises_rpo, rpo_below, stream_path
from secondsite.audit.rule import Finding, rule
from secondsite.audit.subjects import SubjectIndex
from secondsite.model.contract import Subject
from secondsite.model.fault import EVERY_FAULT, INSIDE_REGION, LOSES_REGION, Fault
from secondsite.model.field_support import clusters_not_taking
from secondsite.model.hazard import Severity
from secondsite.model.nats import Discard, NatsCluster, Storage, Stream
from secondsite.model.service import Spreading
from secondsite.model.units import format_bytes
from secondsite.model.wording import duration

JEPSEN = "Jepsen, NATS 2.12.1 (2025-12); nats-server issues 7549 and 7564"
KUBERNETES = "Kubernetes documentation, resource management and persistent volumes"
NATS = (Subject.NATS,)
SHARED_POWER = frozenset({Fault.NODE, Fault.ZONE}) | LOSES_REGION


@rule(
    id="nats-sync-interval",
    severity=Severity.MEDIUM,
    title="Acknowledged writes that are not on disk",
    why="When all servers lose power together, what was acknowledged since the last sync is gone or damaged.",
    source=JEPSEN,
    remedy="Set `sync_interval: always` (0.46 to 1.07 ms at R3), or keep the servers in different zones by rule.",
)
def nats_sync_interval(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        interval_s = cluster.sync_interval_s
        path = f"nats.{cluster.name}"
        on = cluster.jetstream and not audited.is_assumed(f"{path}.jetstream")
        late = interval_s > 0 and not audited.is_unread(f"{path}.sync_interval")
        if on and late and not _powered_apart(audited, cluster):
            alone = audited.servers_of(cluster) < 2
            why = "it is the only server" if alone else "nothing keeps its servers on separate power"
            yield Finding(
                f"nats.{cluster.name}.sync_interval",
                f"{cluster.name} acknowledges up to {duration(interval_s)} before it is on disk, and {why}",
                audited.endangered(NATS, SHARED_POWER, rpo_below(interval_s)),
            )


def _powered_apart(audited: Audited, cluster: NatsCluster) -> bool:
    """Zones have their own power; a cluster of one server shares it with itself."""
    if audited.servers_of(cluster) < 2:
        return False
    service = audited.service_of(cluster)
    return audited.stretched(cluster) or (service is not None and service.spread_zones is Spreading.REQUIRED)


@rule(
    id="nats-async-persist",
    severity=Severity.HIGH,
    title="Asynchronous persistence on a stream with a promise",
    why="The acknowledgement comes before the write: a killed process loses acknowledged messages.",
    source="nats-server 2.15.1, measured 2026-11: 118 of 142,020 acknowledged lost at SIGKILL on R1",
    remedy="Use the default persist mode, with batched publishing where throughput is short.",
)
def nats_async_persist(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        for stream in cluster.streams:
            if stream.async_persist:
                yield Finding(
                    f"{stream_path(cluster, stream)}.async_persist",
                    f"{stream.name} acknowledges before it writes (replicas: {stream.replicas})",
                    audited.endangered(NATS, EVERY_FAULT, promises_rpo),
                )


@rule(
    id="nats-no-volume",
    severity=Severity.HIGH,
    title="File streams without a persistent volume",
    why="The files go with the pod, so a drain of the nodes loses the streams.",
    source=KUBERNETES,
    remedy="Add a volumeClaimTemplate for the JetStream directory.",
)
def nats_no_volume(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        service = audited.service_of(cluster)
        on_file = [stream.name for stream in cluster.streams if stream.storage is Storage.FILE]
        stored = f"{len(on_file)} file streams lie" if on_file else "its streams, none of which is known yet, will lie"
        known = bool(on_file) or not (cluster.streams or audited.is_assumed(f"nats.{cluster.name}.jetstream"))
        if service and cluster.jetstream and known and not service.volumes:
            yield Finding(
                f"services.{service.name}.volumes",
                f"{stored} in pods without a persistent volume",
                audited.endangered(NATS, EVERY_FAULT, promises_rpo),
            )


@rule(
    id="nats-store-above-volume",
    severity=Severity.MEDIUM,
    title="A file store as large as its volume",
    why="The file system needs room too: the disk is full before JetStream refuses, and then it shuts down.",
    source=KUBERNETES,
    remedy="Leave a fifth of the volume free: max_file_store 8Gi on 10Gi.",
)
def nats_store_above_volume(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        service = audited.service_of(cluster)
        limit = cluster.max_file_bytes
        sizes = [volume.size_bytes for volume in service.volumes] if service else []
        known = not audited.is_assumed(f"nats.{cluster.name}.max_file")
        if known and sizes and all(sizes) and limit is not None:  # 0: nobody knows how large it is
            largest = max(sizes)
            if limit >= largest:
                yield Finding(
                    f"nats.{cluster.name}.max_file",
                    f"max_file_store {format_bytes(limit)} on a volume of {format_bytes(largest)}",
                    audited.endangered(NATS, INSIDE_REGION),
                )


@rule(
    id="nats-memory-store",
    severity=Severity.HIGH,
    title="A memory store as large as the container",
    why="The kernel kills the server before JetStream reaches its limit, on every node alike.",
    source=KUBERNETES,
    remedy="Keep max_memory_store at half the container's memory, and set GOMEMLIMIT.",
)
def nats_memory_store(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        service = audited.service_of(cluster)
        limit = cluster.max_memory_bytes
        if (
            service
            and service.memory_limit_bytes is not None
            and limit is not None
            and limit >= service.memory_limit_bytes
        ):
            yield Finding(
                f"nats.{cluster.name}.max_memory",
                f"max_memory_store {format_bytes(limit)} in a container of {format_bytes(service.memory_limit_bytes)}",
                audited.endangered(NATS, INSIDE_REGION),
            )


@rule(
    id="nats-streams-above-store",
    severity=Severity.MEDIUM,
    title="Streams that may outgrow the servers",
    why="The limits promise more than the servers hold: some stream will be refused long before its own limit.",
    source="NATS documentation, JetStream resource limits",
    remedy="Lower the streams' max_bytes, or give the servers more room.",
)
def nats_streams_above_store(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        stored = [
            stream for stream in cluster.streams if stream.storage is Storage.FILE and stream.max_bytes is not None
        ]
        promised = sum((stream.max_bytes or 0) * stream.replicas for stream in stored)
        room = (cluster.max_file_bytes or 0) * audited.servers_of(cluster)
        if cluster.max_file_bytes is not None and promised > room:
            yield Finding(
                f"nats.{cluster.name}.streams",
                f"streams may grow to {format_bytes(promised)} with replicas, the servers hold {format_bytes(room)}",
                audited.endangered(NATS, INSIDE_REGION),
            )


@rule(
    id="nats-field-not-taken",
    severity=Severity.FATAL,
    title="A stream has settings that its servers do not take",
    why="Older servers silently drop a field that they do not know, or refuse the stream.",
    source="nats-server 2.10.26 to 2.15.1, measured 2026-11: what each creates of a configuration",
    remedy="Run the release that takes it in every region, or remove the setting.",
)
def nats_field_not_taken(audited: Audited) -> Iterator[Finding]:
    for cluster, stream, fields in clusters_not_taking(audited.clusters):
        yield Finding(
            stream_path(cluster, stream),
            f"nats-server {cluster.version} of {cluster.name} does not take {listed(fields)} of {stream.name}",
            audited.endangered(NATS, EVERY_FAULT),
        )


@rule(
    id="nats-operator-resolver",
    severity=Severity.HIGH,
    title="Accounts come from JWTs, and their resolver may go with the region",
    why="A server that cannot resolve an account lets none of its clients in, however well the streams are.",
    source="NATS documentation, JWT authentication: resolvers and preloading",
    remedy="Preload every account in each region's configuration, or run a resolver in each; then start one alone.",
)
def nats_operator_resolver(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.system.nats:
        if cluster.operator and not _preloaded(cluster):
            resolver = cluster.trust.get("resolver")
            where = f"resolver {resolver}" if isinstance(resolver, str) else "resolver"
            yield Finding(
                f"nats.{cluster.name}.operator",
                f"the accounts of {cluster.name} are JWTs: where {audited.system.region.name} holds their {where}, "
                "no other region lets clients in without it",
                audited.endangered((Subject.API, Subject.NATS), LOSES_REGION),
            )


def _preloaded(cluster: NatsCluster) -> bool:
    """Whether each server has every account in its own configuration: beside that of the system, at least one."""
    preload = cluster.trust.get("resolver_preload")
    accounts = set(preload if isinstance(preload, Mapping) else ()) - {cluster.system_account}
    in_memory = str(cluster.trust.get("resolver", "")).upper() in ("MEM", "MEMORY")
    return in_memory and bool(accounts)


@rule(
    id="nats-operator-no-gate",
    severity=Severity.HIGH,
    title="No write gate in operator mode",
    why="A server's configuration cannot deny what the JWT of a user allows, and `secondsite gate` writes no JWT: a "
    "region that comes back by itself takes writes until somebody fences it.",
    source="NATS documentation, JWT authentication: permissions are the user's; nats-server 2.10.26, 2.12.8, 2.15.1, "
    "measured 2026-11: a preloaded account JWT that revokes the writers shuts them out from the start, and a reload "
    "with another one lets them in",
    remedy="Start the region's servers with an account JWT preloaded that revokes the writers' users (docs/render.md), "
    "or keep them down until it is fenced.",
)
def nats_operator_no_gate(audited: Audited) -> Iterator[Finding]:
    homes = {mirror.home.name: mirror.home for mirror in audited.remote_mirrors if mirror.home}
    for cluster in homes.values():
        if cluster.operator:
            yield Finding(
                f"nats.{cluster.name}.operator",
                f"servers of {cluster.name} that come back take writes before anybody can stop them",
                audited.endangered((Subject.NATS,), LOSES_REGION),
            )


@rule(
    id="nats-streams-unseen",
    severity=Severity.HIGH,
    title="JetStream is on and no stream is known",
    why="What would be mirrored, restored or lost is not known, so a contract on the streams cannot be judged.",
    source="what secondsite.yaml says of the cluster; streams are often made by programs, which no manifest shows",
    remedy="Read them with `secondsite init --nats URL`, add the scripts that make them, or write them under `nats`.",
)
def nats_streams_unseen(audited: Audited) -> Iterator[Finding]:
    if any(cluster.streams for cluster in audited.system.nats):
        return
    for cluster in audited.system.nats:
        if cluster.jetstream:
            on = "may be on" if audited.is_assumed(f"nats.{cluster.name}.jetstream") else "is on"
            yield Finding(
                f"nats.{cluster.name}.jetstream",
                f"JetStream {on} in {cluster.name}, and not one of its streams is known",
                audited.endangered(NATS, EVERY_FAULT),
            )


@rule(
    id="nats-stream-refused",
    severity=Severity.HIGH,
    title="A stream that no server creates as it is written",
    why="What should make it fails: the stream is missing, or it is another one than the one written down.",
    source="nats-server 2.15.1, measured 2026-11: 10052 and 10065",
    remedy="Correct the settings where they are written, or read what really runs with `secondsite init --nats URL`.",
)
def nats_stream_refused(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        for stream in cluster.streams:
            if why := _refused(stream):
                yield Finding(
                    stream_path(cluster, stream), f"{stream.name}: {why}", audited.endangered(NATS, EVERY_FAULT)
                )
    for cluster in audited.system.nats:
        for name, other in _taken(cluster):
            yield Finding(
                f"nats.{cluster.name}.streams.{name}",
                f"{name}: subjects overlap with an existing stream ({other})",
                audited.endangered(NATS, EVERY_FAULT),
            )


def _taken(cluster: NatsCluster) -> Iterator[tuple[str, str]]:
    """Streams that take a subject which an earlier one takes; unknown where several accounts may hold them."""
    if cluster.operator or len(set(cluster.accounts) - {cluster.system_account}) > 1:
        return
    owners: dict[str, str] = {}
    for stream in cluster.streams:
        for subject in stream.subjects if not stream.mirror else ():
            owners.setdefault(subject, stream.name)
    index = SubjectIndex(owners)
    place = {stream.name: number for number, stream in enumerate(cluster.streams)}
    for stream in cluster.streams:
        others = (
            owners[other]
            for subject in (stream.subjects if not stream.mirror else ())
            for other in index.overlapping(subject)
            if place[owners[other]] < place[stream.name]
        )
        earlier = next(others, "")
        if earlier:
            yield stream.name, earlier


def _refused(stream: Stream) -> str:
    """In the server's words."""
    if stream.settings.get("allow_rollup_hdrs") and stream.settings.get("deny_purge"):
        return "roll-ups require the purge permission (allow_rollup_hdrs with deny_purge)"
    if stream.settings.get("discard_new_per_subject"):
        if stream.discard is not Discard.NEW:
            return "discard new per subject requires discard new policy to be set"
        if not stream.max_messages_per_subject:
            return "discard new per subject requires max msgs per subject > 0"
    return ""


@rule(
    id="nats-stream-unbounded",
    severity=Severity.LOW,
    title="A stream without any limit",
    why="It fills the store, and then every stream of the server refuses writes.",
    source="NATS documentation, stream limits",
    remedy="Set max_age or max_bytes.",
)
def nats_stream_unbounded(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        for stream in cluster.streams:
            limits = (stream.max_age_s, stream.max_bytes, stream.max_messages)
            if limits == (None, None, None) and not audited.is_assumed(f"{stream_path(cluster, stream)}.max_age"):
                yield Finding(
                    stream_path(cluster, stream),
                    f"{stream.name} has no limit on age, bytes or messages",
                    audited.endangered(NATS, INSIDE_REGION),
                )


@rule(
    id="api-buffered-acknowledgement",
    severity=Severity.HIGH,
    title="Acknowledged from memory",
    why="A 202 is a promise, and what stands behind it dies with the process.",
    source="arithmetic on the buffer's size; drills count a 202 as an acknowledgement",
    remedy="Answer 503 while NATS is away, or keep the queue on a durable volume and say so.",
)
def api_buffered_acknowledgement(audited: Audited) -> Iterator[Finding]:
    for service in audited.system.services:
        buffer = service.ack_buffer
        if buffer and not buffer.durable and buffer.messages > 0:
            yield Finding(
                f"services.{service.name}.ack_buffer.messages",
                f"{service.name} answers 202 for up to {buffer.messages} messages per pod that are in memory "
                f"only, {buffer.messages / max(audited.system.load.peak_per_s, 1e-9):.1f} s of peak load",
                audited.endangered((Subject.API, Subject.NATS), EVERY_FAULT, promises_rpo),
            )


@rule(
    id="cache-not-persistent",
    severity=Severity.LOW,
    title="A cache that holds more than a cache should",
    why="Idempotency keys and counters look like cache entries, and a retried webhook after their loss is done twice.",
    source="Redis documentation, persistence and eviction policies",
    remedy="Keep idempotency keys in the database, or turn on append-only persistence without eviction.",
)
def cache_not_persistent(audited: Audited) -> Iterator[Finding]:
    for store in audited.system.stores:
        if store.engine.lower() in ("redis", "valkey", "keydb", "dragonfly") and not store.persistent:
            limited = [gateway.name for gateway in audited.system.gateways if gateway.rate_limit_store == store.name]
            also = f"; rate limits of {', '.join(limited)} start over" if limited else ""
            yield Finding(
                f"stores.{store.name}.persistent",
                f"{store.name} keeps nothing across a restart, idempotency keys included{also}",
                audited.endangered((Subject.API, Subject.STATE), INSIDE_REGION | {Fault.REGION}),
            )
