"""Configurations of streams and consumers as the JetStream API writes them, and the nouns that are views on them.

A noun's attributes hold what this program reasons about; its ``settings`` hold the rest, word by word. Both together
are the whole configuration: what `stream_of` took apart, `write_stream` puts together again, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import frozen

from secondsite.model.nats import Consumer, Discard, Retention, Storage, Stream, StreamKind, StreamOrigin
from secondsite.model.settings import Settings
from secondsite.model.units import Bytes, Seconds

Json = Mapping[str, Any]
T = TypeVar("T")

NANOSECONDS = 1_000_000_000
_SERVERS_OWN = ("_nats.", "secondsite-")
"""Metadata that a server or an operation wrote: the state of a stream, not its configuration."""
ARCHIVER = "secondsite-archive-"
"""What the consumers that an archive reads by are called; they go by themselves."""
ARCHIVERS = tuple(f"{ARCHIVER}{number}" for number in range(8))
"""All their names, so that a login can be allowed these and no others; as many can read a stream at once."""
_INTERNAL = ("JS_MIRROR_", "JS_SRC_", ARCHIVER)

STREAM_DEFAULTS: Json = {
    "max_consumers": -1,
    "max_msg_size": -1,
    "compression": "none",
    "sealed": False,
    "no_ack": False,
    "deny_delete": False,
    "deny_purge": False,
    "allow_rollup_hdrs": False,
    "mirror_direct": False,
    "discard_new_per_subject": False,
    "first_seq": 0,
    "consumer_limits": {},
    "metadata": {},
    "allow_msg_counter": False,
    "allow_atomic": False,
    "allow_batched": False,
    "allow_msg_schedules": False,
    "subject_delete_marker_ttl": 0,
    "template_owner": "",
    "description": "",
}
CONSUMER_DEFAULTS: Json = {
    "deliver_policy": "all",
    "replay_policy": "instant",
    "ack_wait": 30 * NANOSECONDS,
    "max_waiting": 512,
    "max_ack_pending": 1000,
    "metadata": {},
    "description": "",
}
"""What a server assumes where nothing is said; left out, so that the file of a system says what is special."""

USUAL: Mapping[StreamKind, Json] = {
    StreamKind.STREAM: {"allow_direct": True},
    StreamKind.KV: {"allow_direct": True, "allow_rollup_hdrs": True, "deny_delete": True},
    StreamKind.OBJECT: {"allow_direct": True, "allow_rollup_hdrs": True},
}
"""As the clients of JetStream create them, beside what they are asked for."""


@frozen
class _View:
    """``key`` of the configuration as an attribute, and the attribute as a value of the configuration."""

    key: str
    attribute: str
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]

    def rewrites(self, value: Any) -> bool:
        """Whether the attribute tells the value whole."""
        return bool(self.write(self.read(value)) == value)


def _choice(kind: Callable[[Any], T], default: T) -> Callable[[Any], T]:
    def read(value: Any) -> T:
        try:
            return kind(value)
        except (TypeError, ValueError):
            return default

    return read


def _number(value: Any) -> float:
    """0 for what is no number that a server sends."""
    return value if isinstance(value, (int, float)) and -1e300 < value < 1e300 else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, (list, tuple)) else ()


def _map(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _limit(value: Any) -> int | None:
    """-1 and, for a limit, 0 are none."""
    return int(_number(value)) if _number(value) >= 1 else None


def _or_none(value: Any) -> Any:
    return -1 if value is None else value


def _age(value: Any) -> Seconds | None:
    return Seconds(_number(value) / NANOSECONDS) if _number(value) > 0 else None


def _nanoseconds(seconds: float | None) -> int:
    return round(seconds * NANOSECONDS) if seconds else 0


def _bytes(value: Any) -> Bytes | None:
    limit = _limit(value)
    return None if limit is None else Bytes(limit)


def _window(value: Any) -> Seconds:
    return Seconds(120 if value is None else max(0, _number(value)) / NANOSECONDS)


_VIEWS = (
    _View("name", "name", _text, str),
    _View("subjects", "subjects", _texts, list),
    _View("retention", "retention", _choice(Retention, Retention.LIMITS), str),
    _View("storage", "storage", _choice(Storage, Storage.FILE), str),
    _View("discard", "discard", _choice(Discard, Discard.OLD), str),
    _View("num_replicas", "replicas", lambda value: int(_number(value)) or 1, int),
    _View("max_age", "max_age_s", _age, _nanoseconds),
    _View("max_bytes", "max_bytes", _bytes, _or_none),
    _View("max_msgs", "max_messages", _limit, _or_none),
    _View("max_msgs_per_subject", "max_messages_per_subject", _limit, _or_none),
    _View("duplicate_window", "duplicate_window_s", _window, _nanoseconds),
)
_FLAGS = (
    _View("allow_msg_ttl", "message_ttl", bool, bool),
    _View(
        "persist_mode", "async_persist", lambda value: value == "async", lambda value: "async" if value else "default"
    ),
)
"""What older servers do not know, and what is therefore said only where it is set."""


def stream_of(config: Json) -> Stream:
    """The stream of a configuration, without its consumers."""
    attributes = {view.attribute: view.read(config.get(view.key)) for view in (*_VIEWS, *_FLAGS)}
    mirror, sources = config.get("mirror"), config.get("sources")
    sources = sources if isinstance(sources, (list, tuple)) else ()
    if "duplicate_window" not in config and (mirror or sources):
        attributes["duplicate_window_s"] = Seconds(0)  # what is copied is not deduplicated unless somebody says so
    rest = _beyond(config, (*_VIEWS, *_FLAGS), STREAM_DEFAULTS, ("mirror", "sources"))
    return Stream(
        **attributes,
        placement=placement_of(config),
        mirror=origin_of(mirror) if isinstance(mirror, Mapping) else None,
        sources=tuple(origin_of(source) for source in sources if isinstance(source, Mapping)),
        settings=Settings(rest),
    )


def write_stream(stream: Stream) -> dict[str, Any]:
    """All but its mirror and its sources, whose names depend on where they are read from."""
    config = stream.settings.whole()
    for view in _VIEWS:
        _write(config, view, getattr(stream, view.attribute), always=True)
    for view in _FLAGS:
        _write(config, view, getattr(stream, view.attribute), always=False)
    return config


def consumer_of(config: Json, name: str = "") -> Consumer:
    """``name`` is the one of its INFO: a configuration may lack it."""
    rest = _beyond(config, _CONSUMER_VIEWS, CONSUMER_DEFAULTS, ("name", "durable_name"))
    return Consumer(
        name=name or _text(config.get("name")) or _text(config.get("durable_name")),
        durable=bool(config.get("durable_name")),
        **{view.attribute: view.read(config.get(view.key)) for view in _CONSUMER_VIEWS},
        settings=Settings(rest),
    )


def write_consumer(consumer: Consumer) -> dict[str, Any]:
    config = {"deliver_policy": "all"} | consumer.settings.whole() | {"name": consumer.name}
    for view in _CONSUMER_VIEWS:
        _write(config, view, getattr(consumer, view.attribute), always=view.key != "filter_subject")
    if consumer.durable:
        config["durable_name"] = consumer.name
    return config


_CONSUMER_VIEWS = (
    _View("filter_subject", "filter_subject", _text, str),
    _View("max_deliver", "max_deliver", lambda value: int(_number(value)) or -1, int),
    _View("num_replicas", "replicas", lambda value: int(_number(value)), int),
    _View("ack_policy", "ack_policy", lambda value: _text(value) or "none", str),
)


def origin_of(config: Json) -> StreamOrigin:
    """The domain is spelt in the API prefix: ``$JS.hub.API``."""
    external = _map(config.get("external"))
    parts = _text(external.get("api")).split(".")
    domain = parts[1] if len(parts) == 3 and parts[0] == "$JS" else ".".join(parts)
    plain = {key: value for key, value in external.items() if value} in ({}, {"api": f"$JS.{domain}.API"})
    known_keys = {"name", "domain", *(("external",) if plain else ())}
    rest = Settings({key: value for key, value in config.items() if key not in known_keys})
    return StreamOrigin(_text(config.get("name")), domain or _text(config.get("domain")), settings=rest)


def dropped(asked: Json, kept: Json) -> tuple[str, ...]:
    """What was asked for and is not in the configuration that a server answered with: older ones drop it silently."""
    return tuple(
        sorted(key for key, value in asked.items() if value and value not in (-1, "default") and key not in kept)
    )


def placement_of(config: Json) -> str:
    placement = _map(config.get("placement"))
    return " ".join((_text(placement.get("cluster")), *_texts(placement.get("tags")))).strip()


def is_internal(consumer: str) -> bool:
    """Consumers that servers make for mirrors and sources, and those of an archive: nobody's position."""
    return consumer.startswith(_INTERNAL)


def own_metadata(config: Json) -> dict[str, str]:
    """The metadata that people wrote."""
    metadata = _map(config.get("metadata"))
    return {key: value for key, value in metadata.items() if not key.startswith(_SERVERS_OWN)}


def _beyond(config: Json, views: tuple[_View, ...], defaults: Json, elsewhere: tuple[str, ...]) -> dict[str, Any]:
    """What no attribute tells, and what an attribute would not write the same."""
    by_key = {view.key: view for view in views}
    stated = {**config, "metadata": own_metadata(config)}
    return {
        key: value
        for key, value in stated.items()
        if key not in elsewhere
        and not (key in defaults and value == defaults[key])
        and not (key in by_key and by_key[key].rewrites(value))
    }


def _write(config: dict[str, Any], view: _View, value: Any, *, always: bool) -> None:
    """The attribute counts; where the setting says the same in other words, its words stay."""
    stated = view.key in config
    if stated and view.read(config[view.key]) == value:
        return
    if always or stated or value != view.read(None):
        config[view.key] = view.write(value)
