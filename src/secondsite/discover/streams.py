"""Streams and consumers, from JSON configurations and NACK's objects (and, in `stream_calls`, the `nats` command).

They say the same in different spellings; one draft per stream brings them together. What is left out has the
server's defaults. Durations are nanoseconds in JSON and Go's spelling elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field

from secondsite.discover.draft import Draft
from secondsite.discover.resources import Resource, YamlNode
from secondsite.discover.stream_settings import (
    consumer_settings,
    nack_bucket,
    nack_consumer,
    nack_stream,
    origin_settings,
    stream_settings,
)
from secondsite.discover.yaml_source import Node, ScalarNode, load_manifests
from secondsite.model.errors import InputError, Problem
from secondsite.model.nats import Consumer, Discard, Retention, Storage, Stream, StreamKind, StreamOrigin
from secondsite.model.place import Place
from secondsite.model.settings import Settings
from secondsite.model.units import Seconds

_STREAM_KEYS = frozenset(("subjects", "mirror", "sources", "retention", "num_replicas", "max_msgs", "max_age"))
_CONSUMER_KEYS = frozenset(("durable_name", "ack_policy", "deliver_policy", "max_deliver", "filter_subject"))
CHOICES = ("retention", "storage", "discard")
_TELLING = ("subjects", "durable_name", "num_replicas", "mirror")
_COUNTS = {
    "num_replicas": "replicas",
    "replicas": "replicas",
    "max_msgs": "max_messages",
    "max_msgs_per_subject": "max_messages_per_subject",
    "max_bytes": "max_bytes",
}
_CHOICE_TYPES: Mapping[str, type[Retention] | type[Storage] | type[Discard]] = {
    "retention": Retention,
    "storage": Storage,
    "discard": Discard,
}
_WORDS = {"work": "workqueue", "work_queue": "workqueue", "f": "file", "m": "memory", "limit": "limits"}


@define
class StreamDrafts:
    """Drafts by stream name; consumers by stream and name.

    ``whole``: whose configuration was read as the server takes it. ``elsewhere``: of which a command says that the
    settings stand in another place; it may be one that was read. ``configured``: files of settings that were read.
    """

    drafts: dict[str, Draft] = field(factory=dict)
    consumers: dict[str, dict[str, Draft]] = field(factory=dict)
    unread: list[Problem] = field(factory=list)
    whole: set[str] = field(factory=set)
    elsewhere: dict[str, Place] = field(factory=dict)
    configured: set[str] = field(factory=set)

    def stream(self, name: str, place: Place | None) -> Draft:
        if name not in self.drafts:
            self.drafts[name] = Draft({"name": name})
            self.drafts[name].mark("", place)
        return self.drafts[name]

    def bucket(self, kind: StreamKind, name: str, place: Place | None) -> Draft:
        """Its stream, as the clients of JetStream make it: one value of each key where no history is asked for."""
        keys = kind is StreamKind.KV
        draft = self.stream(f"KV_{name}" if keys else f"OBJ_{name}", place)
        draft.read("subjects", (f"$KV.{name}.>",) if keys else (f"$O.{name}.C.>", f"$O.{name}.M.>"), place)
        draft.read("discard", Discard.NEW, place)
        draft.read("max_messages_per_subject", 1 if keys else None, place)
        return draft

    def consumer(self, stream: str, name: str, place: Place | None) -> Draft:
        known = self.consumers.setdefault(stream, {})
        if name not in known:
            known[name] = Draft({"name": name})
            known[name].mark("", place)
        return known[name]

    def build(self) -> tuple[tuple[Stream, ...], Draft]:
        """The streams, and their marks keyed from the cluster on. Consumers of unknown streams make one."""
        for name, place in self.elsewhere.items():
            if name not in self.whole:
                self._leave_open(name, place, f"adds the stream {name} with settings that are defined elsewhere")
        for name, consumers in self.consumers.items():
            if name not in self.drafts and (mark := next(iter(consumers.values())).marks.get("")) and mark.place:
                self._leave_open(name, mark.place, f"adds a consumer to {name}, and no file read defines that stream")
        marks, built = Draft(unread=self.unread), []
        for name, draft in self.drafts.items():
            consumers = self.consumers.get(name, {})
            for key, consumer in consumers.items():
                draft.nest(f"consumers.{key}", consumer)
            consumers_built = tuple(Consumer(**consumer.values) for consumer in consumers.values())
            built.append(Stream(**{**draft.values, "consumers": consumers_built}))
            marks.nest(f"streams.{name}", draft)
        return tuple(built), marks

    def _leave_open(self, name: str, place: Place, what: str) -> None:
        """What the command does not say is unknown, and none of the server's defaults."""
        self.unread.append(Problem(place, what, "read it from the server with --nats"))
        draft = self.stream(name, place)
        for attribute in _OPEN:
            if attribute not in draft.values:
                draft.assume(attribute, None, "its settings are defined elsewhere, and were not read")


_OPEN = ("subjects", "retention", "storage", "discard", "replicas", "max_age_s", "max_bytes", "max_messages")
"""What a stream is by, and what hazards are made of."""


def read_config_map(resource: Resource, streams: StreamDrafts) -> bool:
    """Take every stream and consumer configuration in a ConfigMap. False when there is none."""
    any_stream = False
    for key, at in resource.top["data"].entries.items():
        node = at.node
        if not isinstance(node, ScalarNode):
            continue
        written = key.endswith((".yaml", ".yml", ".json")) or node.text.lstrip().startswith(("{", "["))
        if not written or not any(word in node.text for word in _TELLING):
            continue
        any_stream = read_config(node, key, streams) or any_stream
    return any_stream


def read_config(node: ScalarNode, key: str, streams: StreamDrafts) -> bool:
    """Take the streams and consumers of a text in the server's words. False when there is none."""
    try:
        documents = load_manifests(node.text, node.place.file, first_line=node.first_line, columns=False)
    except InputError as error:
        if key.endswith(".json"):
            streams.unread += error.problems
        return False
    any_stream = False
    for document in documents:
        any_stream = _read_json(document, key, streams) or any_stream
    return any_stream


def _read_json(document: Node, key: str, streams: StreamDrafts) -> bool:
    at = YamlNode(document)
    for entry in at.items or (*at["streams"].items, *at["consumers"].items):
        if entry.node is not None:
            _read_json(entry.node, key, streams)
    if at.items or at["streams"] or at["consumers"]:
        return True
    config = at["config"] if at["config"].entries else at
    names = config.entries.keys()
    if names & _STREAM_KEYS and not names & {"durable_name"} and config["name"].text:
        streams.whole.add(config["name"].text)
        _json_stream(config, streams.stream(config["name"].text, config["name"].place))
        return True
    if names & _CONSUMER_KEYS:
        return _json_consumer(at, config, key, streams)
    return False


def _json_stream(config: YamlNode, draft: Draft) -> None:
    draft.read("subjects", config["subjects"].texts or None, config["subjects"])
    for key in CHOICES:
        choose(draft, key, config[key])
    for key, attribute in _COUNTS.items():
        _limit(draft, attribute, config[key])
    for key, attribute in (("max_age", "max_age_s"), ("duplicate_window", "duplicate_window_s")):
        _nanoseconds(draft, attribute, config[key])
    draft.read("message_ttl", config["allow_msg_ttl"].flag, config["allow_msg_ttl"])
    mode = config["persist_mode"]
    draft.read("async_persist", mode.text == "async" if mode else None, mode)
    placement = config["placement"]
    draft.read("placement", placement["cluster"].text or ",".join(placement["tags"].texts) or None, placement)
    _origins(draft, config["mirror"], config["sources"].items)
    _settle(draft, stream_settings(config), config)


def _settle(draft: Draft, settings: Settings, at: YamlNode) -> None:
    """The rest of a configuration, where it says more than the attributes."""
    if settings:
        draft.read("settings", settings, at)


def _origins(draft: Draft, mirror: YamlNode, sources: tuple[YamlNode, ...]) -> None:
    if mirror:
        draft.read("mirror", _origin(mirror), mirror)
    origins = []
    for source in sources:
        origin = _origin(source)
        origins.append(origin)
        draft.mark(f"sources.{origin.stream}@{origin.domain}" if origin.domain else f"sources.{origin.stream}", source)
    if origins:
        draft.values["sources"] = tuple(origins)


def _origin(at: YamlNode) -> StreamOrigin:
    """``$JS.hub.API`` is the API prefix of the domain ``hub``."""
    prefix = at["external"]["api"].text or at["externalApiPrefix"].text or at.dig("external", "apiPrefix").text
    domain = at["domain"].text or (prefix.split(".")[1] if prefix.startswith("$JS.") and prefix.count(".") > 1 else "")
    origin = StreamOrigin(at["name"].text, domain)
    return evolve(origin, settings=origin_settings(at, origin))


def choose(draft: Draft, key: str, at: YamlNode) -> None:
    """Take one of a stream's fixed choices; a word that is none is unknown."""
    word = at.text.lower()
    word = _WORDS.get(word, word)
    if not word:
        return
    try:
        draft.read(key, _CHOICE_TYPES[key](word), at)
    except ValueError:
        known = ", ".join(_CHOICE_TYPES[key])
        what = f"{at.text!r} is no {key} of a stream"
        draft.unknown(key, InputError.at(at.place or Place("?"), what, f"write {known}"))


def _nanoseconds(draft: Draft, attribute: str, at: YamlNode) -> None:
    try:
        nanoseconds = at.whole
    except InputError as error:
        draft.unknown(attribute, error)
        return
    draft.read(attribute, Seconds(nanoseconds / 1e9) if nanoseconds else None, at)


def _limit(draft: Draft, attribute: str, at: YamlNode) -> None:
    """-1 and 0 are no limit, except for replicas, where 0 is the default."""
    try:
        value = at.whole
    except InputError as error:
        draft.unknown(attribute, error)
        return
    if value is not None and value > 0:
        draft.read(attribute, value, at)


def _json_consumer(top: YamlNode, config: YamlNode, key: str, streams: StreamDrafts) -> bool:
    """The stream is named beside the configuration, or by the file: ``stream.consumer.json``."""
    name_at = config["durable_name"] if config["durable_name"] else config["name"]
    parts = key.removesuffix(".json").split(".")
    stream = top["stream_name"].text or top["stream"].text or (".".join(parts[:-1]) if len(parts) > 1 else "")
    name = name_at.text or parts[-1]
    if not stream or not name:
        return False
    draft = streams.consumer(stream, name, name_at.place or config.place)
    if not config["durable_name"]:
        draft.read("durable", not config["inactive_threshold"], name_at)
    for attribute, word in (("filter_subject", "filter_subject"), ("ack_policy", "ack_policy")):
        draft.read(attribute, config[word].text or None, config[word])
    draft.take("max_deliver", "whole", config["max_deliver"])
    draft.take("replicas", "whole", config["num_replicas"])
    _settle(draft, consumer_settings(config), config)
    return True


def read_nack(resource: Resource, streams: StreamDrafts) -> None:
    """A `Stream`, `Consumer`, `KeyValue` or `ObjectStore` of jetstream.nats.io."""
    spec = resource.spec
    if resource.kind == "Consumer":
        name_at = spec["durableName"] if spec["durableName"] else spec["name"]
        draft = streams.consumer(spec["streamName"].text, name_at.text or resource.name, resource.place)
        draft.read("durable", bool(spec["durableName"]), spec["durableName"])
        for attribute, key in (("filter_subject", "filterSubject"), ("ack_policy", "ackPolicy")):
            draft.read(attribute, spec[key].text or None, spec[key])
        draft.take("max_deliver", "whole", spec["maxDeliver"])
        draft.take("replicas", "whole", spec["replicas"])
        _settle(draft, nack_consumer(spec), spec)
        return
    if resource.kind in ("KeyValue", "ObjectStore"):
        kind = StreamKind.KV if resource.kind == "KeyValue" else StreamKind.OBJECT
        draft = streams.bucket(kind, spec["bucket"].text or resource.name, resource.place)
        draft.take("max_age_s", "seconds", spec["ttl"])
        _limit(draft, "max_messages_per_subject", spec["history"])
        _settle(draft, nack_bucket(kind, spec), spec)
    else:
        name = spec["name"].text or resource.name
        streams.whole.add(name)
        draft = streams.stream(name, resource.place)
        draft.read("subjects", spec["subjects"].texts or None, spec["subjects"])
        _settle(draft, nack_stream(spec), spec)
    for key in CHOICES:
        choose(draft, key, spec[key])
    for key, attribute in (
        ("replicas", "replicas"),
        ("maxMsgs", "max_messages"),
        ("maxMsgsPerSubject", "max_messages_per_subject"),
        ("maxBytes", "max_bytes"),
    ):
        _limit(draft, attribute, spec[key])
    for key, attribute in (("maxAge", "max_age_s"), ("duplicateWindow", "duplicate_window_s")):
        if spec[key].text not in ("", "0"):
            draft.take(attribute, "seconds", spec[key])
    draft.read("message_ttl", spec["allowMsgTtl"].flag, spec["allowMsgTtl"])
    mode = spec["persistMode"]
    draft.read("async_persist", mode.text == "async" if mode else None, mode)
    placement = spec["placement"]
    draft.read("placement", placement["cluster"].text or ",".join(placement["tags"].texts) or None, placement)
    _origins(draft, spec["mirror"], spec["sources"].items)
