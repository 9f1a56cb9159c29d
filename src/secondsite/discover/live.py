"""What a running NATS server said, and the cluster that follows from it.

`LiveNats` holds the answers as they came; reading them is pure, so that an answer kept from an incident can be
read again. What the monitoring endpoint alone tells is unknown where it was not read, or does not tell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from attrs import evolve, fields, frozen

from secondsite.discover.nats_cluster import host_label
from secondsite.discover.system_file.schema import identity, paths
from secondsite.model.jetstream_config import consumer_of, is_internal, stream_of
from secondsite.model.mark import Knowledge, Mark, key_of
from secondsite.model.nats import (
    Consumer,
    GatewayLink,
    LeafLink,
    NatsCluster,
    Stream,
)
from secondsite.model.place import Place
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds

Json = Mapping[str, Any]
T = TypeVar("T")

_NANOSECONDS = 1_000_000_000
_OF_STORES = ("sync_interval", "store_dir")
_OF_MONITORING = ("max_file", "max_memory", "route_tls", "self_route", "system_account")
_LOCAL_HOSTS = ("localhost", "127-0-0-1", "1", "unknown")


@frozen
class LiveStream:
    """``info`` is an entry of STREAM.LIST; ``rate_per_s`` is measured between two readings of its last sequence."""

    info: Json
    consumers: tuple[Json, ...] = ()
    rate_per_s: float | None = None


@frozen
class LiveNats:
    """``url`` holds no user information. The monitoring answers are None where that endpoint was not reached."""

    url: str
    server: Json
    account: Json
    streams: tuple[LiveStream, ...] = ()
    monitor: str = ""
    varz: Json | None = None
    routez: Json | None = None
    jsz: Json | None = None
    healthz: Json | None = None
    notes: tuple[str, ...] = ()


def cluster_from_live(live: LiveNats) -> tuple[NatsCluster, dict[str, Mark]]:
    """The cluster that answered, its streams as one account sees them, and a mark on every value read."""
    api, monitor = Place(live.url), Place(live.monitor or live.url)
    varz = live.varz or {}
    label = host_label(live.url)
    service = "" if label in _LOCAL_HOSTS else label
    name = (
        _text(live.server, "cluster") or _text(varz, "cluster", "name") or service or _text(live.server, "server_name")
    )
    read: dict[str, object] = {"name": name, "version": _text(live.server, "version"), "jetstream": True}
    marks = {key: Mark(Knowledge.READ, api) for key in ("", "name", "version", "jetstream")}
    if service:
        read["service"], marks["service"] = service, Mark(Knowledge.READ, api)
    read["servers"], marks["servers"] = _servers(live)
    if domain := _text(live.server, "domain") or _text(live.account, "domain"):
        read["domain"], marks["domain"] = domain, Mark(Knowledge.READ, api)
    if isinstance(asked := live.server.get("auth_required", False), bool):
        mutual = bool(live.server.get("tls_verify"))
        read["client_authorization"] = asked or mutual
        marks["client_authorization"] = Mark(Knowledge.READ, api)
    if own := _text(live.server, "cluster"):
        read["cluster_name"], marks["cluster_name"] = own, Mark(Knowledge.READ, api)
    for attribute, value in _monitored(varz):
        read[attribute], marks[key_of(attribute)] = value, Mark(Knowledge.READ, monitor)
    why = "the monitoring endpoint does not tell it" if live.varz else "no monitoring endpoint was read (--monitor)"
    for key in _OF_STORES if live.varz else (*_OF_STORES, *_OF_MONITORING):
        marks.setdefault(key, Mark(Knowledge.ASSUMED, monitor, why))
    read["streams"] = tuple(_stream(stream, live, marks) for stream in live.streams)
    return NatsCluster(**read), marks  # type: ignore[arg-type] # the keys are its attributes, the values checked above


def merge_live(system: System, cluster: NatsCluster, marks: Mapping[str, Mark]) -> System:
    """The system with what the live cluster told in place of what manifests said of the same cluster."""
    known = _same_cluster(system, cluster)
    if known is None:
        if not system.service(cluster.service):
            cluster = evolve(cluster, service="")  # a host is no service of Kubernetes that anybody has read
            marks = {key: mark for key, mark in marks.items() if key != "service"}
        added = {_join(f"nats.{cluster.name}", key): mark for key, mark in marks.items()}
        return evolve(system, nats=(*system.nats, cluster), marks={**system.marks, **added})
    reported = {
        field.name: getattr(cluster, field.name)
        for field in fields(NatsCluster)
        if field.name not in ("name", "service", "streams") and _was_read(marks, key_of(field.name))
    }
    merged = evolve(known, **reported, streams=_merge_streams(known.streams, cluster.streams))
    fresh = {key: mark for key, mark in marks.items() if key not in ("", "name", "service")}
    added = {_join(f"nats.{known.name}", key): mark for key, mark in fresh.items() if mark.origin is Knowledge.READ}
    others = tuple(merged if each is known else each for each in system.nats)
    return evolve(system, nats=others, marks={**system.marks, **added})


def _same_cluster(system: System, cluster: NatsCluster) -> NatsCluster | None:
    """By name, by the service that was dialled, or the only one there is."""
    for known in system.nats:
        if cluster.name in (known.name, known.service, known.cluster_name) or (
            cluster.service and cluster.service == known.service
        ):
            return known
    return system.nats[0] if len(system.nats) == 1 else None


def _merge_streams(known: tuple[Stream, ...], live: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """Live streams as they are, with what only a person knows; then those another account may hold."""
    declared = {stream.name: stream for stream in known}
    merged = [_merge_stream(declared.pop(stream.name, None), stream) for stream in live]
    return (*merged, *declared.values())


def _merge_stream(known: Stream | None, live: Stream) -> Stream:
    if known is None:
        return live
    rate = live.rate_per_s if live.rate_per_s is not None else known.rate_per_s
    size = live.message_bytes if live.message_bytes is not None else known.message_bytes
    return evolve(live, erasure_duty=known.erasure_duty, rate_per_s=rate, message_bytes=size)


def _was_read(marks: Mapping[str, Mark], key: str) -> bool:
    return key in marks and marks[key].origin is Knowledge.READ


def _join(head: str, tail: str) -> str:
    return f"{head}.{tail}" if tail else head


def _servers(live: LiveNats) -> tuple[int, Mark]:
    """From routes, which are exact; else from the meta group, the cluster's client URLs or the streams' peers."""
    monitor, api = Mark(Knowledge.READ, Place(live.monitor)), Mark(Knowledge.READ, Place(live.url))
    if live.routez is not None:
        remotes = {_text(route, "remote_id") for route in _maps(live.routez, "routes")}
        return 1 + len(remotes - {""}), monitor
    if not _text(live.server, "cluster"):
        return 1, api
    size = _number(live.jsz or {}, "meta_cluster", "cluster_size")
    if size:
        return int(size), monitor
    urls = live.server.get("connect_urls")
    count = max(len(urls) if isinstance(urls, list) else 0, len(set(_peers(live))), 1)
    return count, Mark(
        Knowledge.ASSUMED, Place(live.url), "counted from the addresses that the server advertises, without monitoring"
    )


def _peers(live: LiveNats) -> Iterator[str]:
    for stream in live.streams:
        yield _text(stream.info, "cluster", "leader")
        for replica in _maps(stream.info, "cluster", "replicas"):
            yield _text(replica, "name")


def _monitored(varz: Json) -> Iterator[tuple[str, object]]:
    """What only the monitoring endpoint tells, by attribute."""
    store = _at(varz, "jetstream", "config")
    if isinstance(store, Mapping):
        yield "max_file_bytes", _bytes(store, "max_storage")
        yield "max_memory_bytes", _bytes(store, "max_memory")
        interval = _number(store, "sync_interval")
        if store.get("sync_always") or interval is not None:
            yield "sync_interval_s", Seconds(0 if store.get("sync_always") else (interval or 0) / _NANOSECONDS)
    if name := _text(varz, "cluster", "name"):
        yield "cluster_name", name
    if folder := _text(varz, "jetstream", "config", "store_dir"):
        yield "store_dir", re.sub(r"[/\\]jetstream$", "", folder)  # which the server adds to what it is configured with
    if varz.get("trusted_operators_jwt") or varz.get("trusted_operators_claim"):
        yield "operator", True
    if account := _text(varz, "system_account"):
        yield "system_account", account
    if isinstance(cluster := varz.get("cluster"), Mapping) and cluster:
        yield "route_tls", bool(cluster.get("tls_required"))
        yield "self_route", bool(cluster.get("urls"))
    if isinstance(gateway := varz.get("gateway"), Mapping) and gateway:
        yield "reject_unknown_gateways", bool(gateway.get("reject_unknown"))
        yield "gateways", tuple(_gateways(gateway))
    leaves = tuple(_leaves(varz))
    if leaves:
        yield "leaves", leaves


def _gateways(gateway: Json) -> Iterator[GatewayLink]:
    for entry in _maps(gateway, "gateways"):
        if (name := _text(entry, "name")) and name != _text(gateway, "name"):
            yield GatewayLink(name, tls=bool(gateway.get("tls_required")))


def _leaves(varz: Json) -> Iterator[LeafLink]:
    for remote in _maps(varz, "leaf", "remotes"):
        urls = _texts(remote, "urls")
        yield LeafLink(
            cluster=host_label(urls[0]) if urls else "unknown",
            account=_text(remote, "local_account"),
            tls=bool(remote.get("tls_required")) or any(url.startswith("tls://") for url in urls),
            deny_imports=_texts(remote, "deny", "imports"),
            deny_exports=_texts(remote, "deny", "exports"),
        )


def _stream(live: LiveStream, nats: LiveNats, marks: dict[str, Mark]) -> Stream:
    """The stream, and marks on it and on all of its values but the duty to erase, which no server knows."""
    config, state = _map(live.info, "config"), _map(live.info, "state")
    rate, how = _rate(live)
    messages, size = _number(state, "messages"), _number(state, "bytes")
    stream = evolve(
        stream_of(config),
        consumers=tuple(_consumer(consumer) for consumer in live.consumers if not is_internal(_text(consumer, "name"))),
        rate_per_s=rate,
        message_bytes=Bytes(round(size / messages)) if messages and size else None,
        messages=int(messages) if messages is not None else None,
        bytes=_bytes(state, "bytes"),
    )
    place = Place(nats.url)
    reported = (path for path in paths(stream, f"streams.{identity(stream)}") if not path.endswith(".erasure_duty"))
    marks.update({path: Mark(Knowledge.READ, place, how if path.endswith(".rate_per_s") else "") for path in reported})
    return stream


def _rate(live: LiveStream) -> tuple[float | None, str]:
    """Messages a second since the oldest one that is retained, or of the sample where none is."""
    state = _map(live.info, "state")
    first, last = _number(state, "first_seq"), _number(state, "last_seq")
    begin, end = _time(state, "first_ts"), _time(live.info, "ts") or _time(state, "last_ts")
    if _number(state, "messages") and begin and end and first is not None and last is not None:
        seconds = (end - begin).total_seconds()
        if seconds >= 60:
            return (last - first + 1) / seconds, "the mean since the oldest message that is retained"
    return live.rate_per_s, "measured over a few seconds"


def _consumer(info: Json) -> Consumer:
    return consumer_of(_map(info, "config"), _text(info, "name"))


def _at(value: object, *path: str) -> object:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: Json, *path: str) -> str:
    given = _at(value, *path)
    return given if isinstance(given, str) else ""


def _number(value: Json, *path: str) -> float | None:
    given = _at(value, *path)
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None
    return given if -1e300 < given < 1e300 else None


def _map(value: Json, *path: str) -> Json:
    given = _at(value, *path)
    return given if isinstance(given, Mapping) else {}


def _maps(value: Json, *path: str) -> list[Json]:
    given = _at(value, *path)
    return [item for item in given if isinstance(item, Mapping)] if isinstance(given, list) else []


def _texts(value: Json, *path: str) -> tuple[str, ...]:
    given = _at(value, *path)
    return tuple(item for item in given if isinstance(item, str)) if isinstance(given, list) else ()


def _bytes(value: Json, key: str) -> Bytes | None:
    number = _number(value, key)
    return Bytes(int(number)) if number is not None and number >= 0 else None


def _time(value: Json, key: str) -> datetime | None:
    try:
        return datetime.fromisoformat(_text(value, key))
    except ValueError:
        return None
