"""From which release on a server takes a field of a stream or a consumer: below it the field is dropped, or refused.

Tried by creating each on nats-server 2.10.26, 2.11.11, 2.12.8, 2.14.6 and 2.15.1, 2026-11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from secondsite.model.jetstream_config import write_consumer, write_stream
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.nats_release import Support, Version, reaches, release_name

STREAM_FIELDS: Mapping[str, Version] = {
    "allow_msg_ttl": (2, 11, 0),
    "subject_delete_marker_ttl": (2, 11, 0),
    "allow_msg_counter": (2, 12, 0),
    "allow_atomic": (2, 12, 0),
    "allow_msg_schedules": (2, 12, 0),
    "persist_mode": (2, 12, 0),
    "allow_batched": (2, 14, 0),
}
CONSUMER_FIELDS: Mapping[str, Version] = {
    "pause_until": (2, 11, 0),
    "priority_groups": (2, 11, 0),
    "priority_policy": (2, 11, 0),
    "priority_timeout": (2, 11, 0),
}
_HARMLESS = ("default", "none", "0001-01-01T00:00:00Z")
"""Values that mean what a server without the field does."""


def not_taken(stream: Stream, version: str) -> tuple[str, ...]:
    """What the server drops or refuses of the stream and its consumers, with the release that takes it.

    A version that nobody knows takes everything here: nothing is held against it.
    """
    unsupported = [f"{field} ({since})" for field, since in missing(write_stream(stream), STREAM_FIELDS, version)]
    for consumer in stream.consumers:
        fields = missing(write_consumer(consumer), CONSUMER_FIELDS, version)
        unsupported += [f"{field} ({since}) of its consumer {consumer.name}" for field, since in fields]
    return tuple(unsupported)


def clusters_not_taking(clusters: Iterable[NatsCluster]) -> Iterator[tuple[NatsCluster, Stream, tuple[str, ...]]]:
    """Each stream of which a cluster does not take everything."""
    for cluster in clusters:
        for stream in cluster.streams:
            if fields := not_taken(stream, cluster.version):
                yield cluster, stream, fields


def missing(config: Mapping[str, Any], fields: Mapping[str, Version], version: str) -> Iterator[tuple[str, str]]:
    """Each field that is set and that the server has not, with the release that has it, as ``2.11``."""
    for field, release in fields.items():
        value = config.get(field)
        if value and value not in _HARMLESS and reaches(version, release) is Support.NO:
            yield field, release_name(release)
