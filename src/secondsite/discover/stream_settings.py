"""What manifests say of streams and consumers beyond the nouns' attributes, in the server's words.

NACK spells names as Kubernetes does and durations as Go does. A key that nobody here knows is respelt by the rule and
kept: nothing that somebody wrote is lost on the way, and a server that does not take it says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from secondsite.discover.resources import YamlNode
from secondsite.discover.yaml_source import to_plain
from secondsite.model.jetstream_config import USUAL, consumer_of, origin_of, stream_of
from secondsite.model.nats import StreamKind, StreamOrigin
from secondsite.model.settings import Settings
from secondsite.model.units import parse_seconds

_NOT_THE_STREAMS = frozenset(
    {
        *("servers", "nkey", "creds", "tls", "tls_first", "account", "prevent_delete", "prevent_update", "js_domain"),
        *("stream_name", "bucket", "ttl", "history", "max_value_size"),
    }
)
_STREAM_NAMES = {
    "replicas": "num_replicas",
    "discard_per_subject": "discard_new_per_subject",
    "allow_rollup": "allow_rollup_hdrs",
    "first_sequence": "first_seq",
    "allow_atomic_publish": "allow_atomic",
    "source": "src",
    "destination": "dest",
}
_CONSUMER_NAMES = {
    "replicas": "num_replicas",
    "heartbeat_interval": "idle_heartbeat",
    "max_request_batch": "max_batch",
    "max_request_expires": "max_expires",
    "max_request_max_bytes": "max_bytes",
    "pinned_ttl": "priority_timeout",
}
_DURATIONS = frozenset(
    {
        *("max_age", "duplicate_window", "subject_delete_marker_ttl", "inactive_threshold", "ack_wait", "backoff"),
        *("idle_heartbeat", "max_expires", "priority_timeout"),
    }
)
_ATTRIBUTES = (
    *("subjects", "retention", "storage", "discard", "num_replicas", "max_age", "max_bytes", "max_msgs"),
    *("max_msgs_per_subject", "duplicate_window", "allow_msg_ttl", "persist_mode"),
    *("filter_subject", "max_deliver", "ack_policy", "stream", "stream_name"),
)
"""What the nouns tell themselves; where it cannot be read, it is unknown there, and nothing to send to a server."""
_ENUMS = frozenset({"retention", "storage", "discard", "deliver_policy", "ack_policy", "replay_policy", "compression"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def stream_settings(config: YamlNode) -> Settings:
    """Of a configuration in the server's own words."""
    return stream_of(_map(to_plain(config.node))).settings.without(*_ATTRIBUTES)


def consumer_settings(config: YamlNode) -> Settings:
    return consumer_of(_map(to_plain(config.node))).settings.without(*_ATTRIBUTES)


def nack_bucket(kind: StreamKind, spec: YamlNode) -> Settings:
    """A bucket is a stream with what its kind needs; its largest value is its largest message."""
    most = to_plain(spec["maxValueSize"].node)
    own: dict[str, Any] = {"max_msg_size": most} if most else {}
    if spec["compression"].flag is not None:
        own["compression"] = "s2" if spec["compression"].flag else None
    settings = {**USUAL[kind], **nack_stream(spec), **own}
    return Settings({key: value for key, value in settings.items() if value is not None})


def nack_stream(spec: YamlNode) -> Settings:
    config = _respelt(_map(to_plain(spec.node)), _STREAM_NAMES)
    config.pop("mirror", None)
    config.pop("sources", None)
    return stream_of(config).settings.without(*_ATTRIBUTES)


def nack_consumer(spec: YamlNode) -> Settings:
    return consumer_of(_respelt(_map(to_plain(spec.node)), _CONSUMER_NAMES)).settings.without(*_ATTRIBUTES)


def origin_settings(at: YamlNode, origin: StreamOrigin) -> Settings:
    """Filters, transforms and where to begin: what is beyond the name and the domain that the origin has already."""
    config = _respelt(_map(to_plain(at.node)), _STREAM_NAMES)
    config = {key: value for key, value in config.items() if not key.startswith("external") and key != "name"}
    return origin_of({"name": origin.stream, **config}).settings


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _respelt(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in values.items():
        snake = _HUMP.sub("_", key).lower()
        word = names.get(snake, snake)
        if word in _NOT_THE_STREAMS or value is None or value == "":
            continue
        respelt = _value(word, value, names)
        if respelt is not None:
            settings[word] = respelt
    return settings


def _value(word: str, value: Any, names: Mapping[str, str]) -> Any:
    if word == "metadata":
        return value
    if isinstance(value, Mapping):
        return _respelt(value, names)
    if isinstance(value, list):
        return [_value(word, each, names) for each in value]
    if word in _DURATIONS and isinstance(value, str):
        try:
            return round(parse_seconds(value) * 1_000_000_000)
        except ValueError:
            return None
    return value.lower() if word in _ENUMS and isinstance(value, str) else value
