"""Streams and consumers of the model as the JetStream API takes them, so that lab and deployment create the same.

What a server said of a stream is said again, word by word; what nobody said is left out, as older servers refuse or
drop names they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from secondsite.model.jetstream_config import USUAL, write_consumer, write_stream
from secondsite.model.nats import Consumer, Discard, NatsCluster, Retention, Stream, StreamKind, StreamOrigin

Request = Mapping[str, Any]


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


def written_subjects(cluster: NatsCluster) -> tuple[str, ...]:
    """What writers of the cluster's streams publish on: a link must not carry it, or both regions store it."""
    writable = (stream for stream in cluster.streams if stream.mirror is None)
    return tuple(dict.fromkeys(subject for stream in writable for subject in subjects_of(stream)))


def stream_config(stream: Stream, cluster: NatsCluster) -> Request:
    """The body of ``STREAM.CREATE``: all that is known of the stream, as the cluster has to be told it.

    Where nobody has seen its configuration, what its kind needs is added.
    """
    config = write_stream(stream)
    if not stream.settings:
        config |= USUAL[stream.kind]
    if cluster.gateways:
        placement = config.get("placement") or {}
        config["placement"] = {**placement, "cluster": stream.placement or cluster.name}
    if stream.mirror:
        for key in ("subjects", "duplicate_window"):
            config.pop(key, None)
        config["mirror"] = _origin(stream.mirror, cluster)
        if stream.mirror.region or not stream.settings:
            config["mirror_direct"] = True
        return config
    if stream.kind is not StreamKind.STREAM:
        config["subjects"] = list(subjects_of(stream))
    if stream.sources:
        own = subjects_of(stream)
        config["sources"] = [_origin(source, cluster) | _transforms(source, own) for source in stream.sources]
    return config


PROMOTING = frozenset(
    (
        "allow_atomic",
        "allow_batched",
        "allow_msg_counter",
        "allow_msg_schedules",
        "first_seq",
        "republish",
        "sealed",
        "sources",
        "subject_delete_marker_ttl",
        "subject_transform",
    )
)
"""What a mirror does not have: servers refuse it, or it would be done twice. It is set as the mirror is promoted."""


_COPIED_BY_INTEREST = {"retention": str(Retention.LIMITS), "discard": str(Discard.OLD)}


def as_mirror(config: Request) -> dict[str, Any]:
    """The configuration of a mirror of such a stream, without its origin."""
    left_out = PROMOTING | {"subjects", "duplicate_window", "mirror"}
    mirror = {key: value for key, value in config.items() if key not in left_out}
    if config.get("retention") == Retention.INTEREST:
        mirror |= _COPIED_BY_INTEREST
        mirror.pop("discard_new_per_subject", None)
    return mirror


def copied_by_limits(stream: Stream) -> Stream:
    """A copy of a stream that is kept by interest keeps by limits: its consumers are elsewhere, so by interest it keeps
    nothing (nats-server 2.12.8 to 2.15.1, measured). It becomes one of interest once its consumers stand beside it.
    """
    if stream.retention is not Retention.INTEREST:
        return stream
    settings = stream.settings.without("discard_new_per_subject")
    return evolve(stream, retention=Retention.LIMITS, discard=Discard.OLD, settings=settings)


def once_wanted(stream: Stream) -> dict[str, Any]:
    """What a promoted copy of it gets back once its consumers are there; nothing where it kept all of it."""
    config = write_stream(stream)
    if stream.retention is not Retention.INTEREST:
        return {}
    return {key: config[key] for key in (*_COPIED_BY_INTEREST, "discard_new_per_subject") if key in config}


def once_promoted(stream: Stream, cluster: NatsCluster) -> dict[str, Any]:
    """What the promoting update adds: the fields of the origin that a mirror could not have."""
    return {key: value for key, value in stream_config(stream, cluster).items() if key in PROMOTING}


def _transforms(source: StreamOrigin, subjects: tuple[str, ...]) -> dict[str, Any]:
    """A transform is a filter too: what has a prefix already is not taken again."""
    if not source.prefix:
        return {}
    return {"subject_transforms": [{"src": each, "dest": f"{source.prefix}.{each}"} for each in subjects]}


def _origin(origin: StreamOrigin, cluster: NatsCluster) -> dict[str, Any]:
    """Through the API of the other domain where it has one of its own."""
    config: dict[str, Any] = {"name": origin.stream}
    if origin.domain and origin.domain != cluster.domain:
        config["external"] = {"api": f"$JS.{origin.domain}.API"}
    return config | origin.settings.whole()


def consumer_config(consumer: Consumer) -> Request:
    """The config in the body of ``CONSUMER.CREATE``; several filters in one text are several."""
    config = write_consumer(consumer)
    filters = [subject.strip() for subject in consumer.filter_subject.split(",") if subject.strip()]
    if len(filters) > 1:
        del config["filter_subject"]
        config["filter_subjects"] = filters
    return config
