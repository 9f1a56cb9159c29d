"""Streams and consumers of the model as the JetStream API takes them, so that lab and deployment create the same.

A field that a stream leaves at the server's default is left out: older servers refuse names they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondsite.model.nats import Consumer, NatsCluster, Stream, StreamKind, StreamOrigin

Request = Mapping[str, Any]

_NANOSECONDS = 1_000_000_000


def subjects_of(stream: Stream) -> tuple[str, ...]:
    """As declared; else by the rule of its kind, else its own name, as the server does."""
    if stream.subjects:
        return stream.subjects
    bucket = stream.name.split("_", 1)[-1]
    if stream.kind is StreamKind.KV:
        return (f"$KV.{bucket}.>",)
    if stream.kind is StreamKind.OBJECT:
        return (f"$O.{bucket}.C.>", f"$O.{bucket}.M.>")
    return (stream.name,)


def stream_config(stream: Stream, cluster: NatsCluster) -> Request:
    """The body of ``STREAM.CREATE``, at most as many replicas as the cluster can hold."""
    config: dict[str, Any] = {
        "name": stream.name,
        "retention": str(stream.retention),
        "storage": str(stream.storage),
        "discard": str(stream.discard),
        "num_replicas": stream.replicas,
        "max_age": _nanoseconds(stream.max_age_s),
        "max_bytes": stream.max_bytes or -1,
        "max_msgs": stream.max_messages or -1,
        "max_msgs_per_subject": stream.max_messages_per_subject or -1,
        "allow_direct": True,
    }
    if stream.message_ttl:
        config["allow_msg_ttl"] = True
    if stream.async_persist:
        config["persist_mode"] = "async"
    if stream.kind is StreamKind.KV:
        config |= {"allow_rollup_hdrs": True, "deny_delete": True}
    if stream.kind is StreamKind.OBJECT:
        config["allow_rollup_hdrs"] = True
    if cluster.gateways:
        config["placement"] = {"cluster": stream.placement or cluster.name}
    if stream.mirror:
        return config | {"mirror": _origin(stream.mirror, cluster), "mirror_direct": True}
    subjects = stream.subjects if stream.kind is StreamKind.STREAM else subjects_of(stream)
    config |= {"subjects": subjects, "duplicate_window": _nanoseconds(stream.duplicate_window_s)}
    if stream.sources:
        own = subjects_of(stream)
        config["sources"] = [_origin(source, cluster) | _transforms(source, own) for source in stream.sources]
    return config


def _transforms(source: StreamOrigin, subjects: tuple[str, ...]) -> dict[str, Any]:
    """A transform is a filter too: what has a prefix already is not taken again."""
    if not source.prefix:
        return {}
    return {"subject_transforms": [{"src": each, "dest": f"{source.prefix}.{each}"} for each in subjects]}


def _origin(origin: StreamOrigin, cluster: NatsCluster) -> dict[str, Any]:
    """Through the API of the other domain where it has one of its own."""
    if origin.domain and origin.domain != cluster.domain:
        return {"name": origin.stream, "external": {"api": f"$JS.{origin.domain}.API"}}
    return {"name": origin.stream}


def consumer_config(consumer: Consumer) -> Request:
    """The config in the body of ``CONSUMER.CREATE``, a pull consumer."""
    config: dict[str, Any] = {
        "name": consumer.name,
        "ack_policy": consumer.ack_policy,
        "deliver_policy": "all",
        "max_deliver": consumer.max_deliver,
        "num_replicas": consumer.replicas,
    }
    if consumer.durable:
        config["durable_name"] = consumer.name
    match [subject.strip() for subject in consumer.filter_subject.split(",") if subject.strip()]:
        case []:
            pass
        case [one]:
            config["filter_subject"] = one
        case several:
            config["filter_subjects"] = several
    return config


def _nanoseconds(seconds: float | None) -> int:
    return round(seconds * _NANOSECONDS) if seconds else 0
