"""What manifests say of streams and consumers comes out whole: as JSON, as NACK's objects, and through the file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from manifest_tree import discovered

from secondsite.discover.manifests import Discovery
from secondsite.discover.system_file.reading import load_system
from secondsite.discover.system_file.updating import plan
from secondsite.model.jetstream_config import write_consumer, write_stream
from secondsite.model.nats import Consumer, Stream

CASES = json.loads((Path(__file__).parents[1] / "cases" / "streams.json").read_text())
NANOSECONDS = 1_000_000_000
DURATIONS = (
    *("max_age", "duplicate_window", "subject_delete_marker_ttl", "inactive_threshold", "ack_wait", "idle_heartbeat"),
    *("max_expires", "priority_timeout"),
)


def _streams() -> list[Any]:
    return [pytest.param(case["stream"], id=case["stream"]["name"]) for case in CASES]


def _consumers() -> list[Any]:
    found = [consumer for case in CASES for consumer in case.get("consumers", ())]
    return [pytest.param(each, id=each.get("durable_name") or each["name"]) for each in found]


def _camel(key: str) -> str:
    renamed = {
        "num_replicas": "replicas",
        "discard_new_per_subject": "discardPerSubject",
        "allow_rollup_hdrs": "allowRollup",
        "first_seq": "firstSequence",
        "allow_atomic": "allowAtomicPublish",
        "src": "source",
        "dest": "destination",
        "idle_heartbeat": "heartbeatInterval",
        "max_batch": "maxRequestBatch",
        "max_expires": "maxRequestExpires",
        "priority_timeout": "pinnedTtl",
    }
    return renamed.get(key) or re.sub(r"_(\w)", lambda found: found[1].upper(), key)


def _as_nack(value: Any, key: str = "") -> Any:
    if key == "metadata":
        return value
    if isinstance(value, dict):
        return {_camel(name): _as_nack(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_as_nack(each, key) for each in value]
    return f"{value / NANOSECONDS:g}s" if key in (*DURATIONS, "backoff") and value else value


def _kept(asked: dict[str, Any], written: dict[str, Any]) -> None:
    """All that was asked for; copies are compared apart, as their names depend on where they are read from."""
    for key, value in asked.items():
        if key not in ("mirror", "sources", "metadata") and value not in (-1, 0, "", None, False, "none", "default"):
            assert written.get(key) == value, key
    for key, value in (asked.get("metadata") or {}).items():
        if not key.startswith("_nats."):
            assert written["metadata"][key] == value


def _stream(found: Discovery, name: str) -> Stream:
    return next(stream for cluster in found.system.nats for stream in cluster.streams if stream.name == name)


def _through_the_file(found: Discovery, folder: Path, name: str) -> Stream:
    path = folder / "secondsite.yaml"
    path.write_text(plan(path, found.system, live=False).after, encoding="utf-8")
    return next(s for cluster in load_system(path).nats for s in cluster.streams if s.name == name)


@pytest.mark.parametrize("config", _streams())
def test_a_stream_in_json_comes_out_whole(tmp_path: Path, config: dict[str, Any]) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "streams"},
        "data": {"stream.json": json.dumps(config)},
    }
    found = discovered(tmp_path, {"streams.json": json.dumps(manifest)})
    _kept(config, write_stream(_stream(found, config["name"])))
    _kept(config, write_stream(_through_the_file(found, tmp_path, config["name"])))


@pytest.mark.parametrize("config", _streams())
def test_a_stream_of_nack_comes_out_whole(tmp_path: Path, config: dict[str, Any]) -> None:
    manifest = {
        "apiVersion": "jetstream.nats.io/v1beta2",
        "kind": "Stream",
        "metadata": {"name": "one"},
        "spec": {**_as_nack(config), "account": "A", "preventDelete": True},
    }
    found = discovered(tmp_path, {"stream.json": json.dumps(manifest)})
    stream = _stream(found, config["name"])
    assert "account" not in stream.settings
    _kept(config, write_stream(stream))


@pytest.mark.parametrize("config", _consumers())
def test_a_consumer_of_nack_comes_out_whole(tmp_path: Path, config: dict[str, Any]) -> None:
    name = config.get("durable_name") or config["name"]
    manifest = {
        "apiVersion": "jetstream.nats.io/v1beta2",
        "kind": "Consumer",
        "metadata": {"name": "one"},
        "spec": {**_as_nack(config), "durableName": name, "streamName": "S"},
    }
    found = discovered(tmp_path, {"consumer.json": json.dumps(manifest)})
    consumers: tuple[Consumer, ...] = _stream(found, "S").consumers
    asked = {key: value for key, value in config.items() if key not in ("stream_name", "durable_name", "name")}
    _kept(asked, write_consumer(consumers[0]))


def test_origins_keep_filters_transforms_and_where_they_begin(tmp_path: Path) -> None:
    source = {
        "name": "ORDERS",
        "filterSubject": "orders.eu.>",
        "optStartSeq": 7,
        "subjectTransforms": [{"source": "orders.>", "dest": "eu.>"}],
        "externalApiPrefix": "$JS.hub.API",
    }
    manifest = {
        "apiVersion": "jetstream.nats.io/v1beta2",
        "kind": "Stream",
        "metadata": {"name": "all"},
        "spec": {"name": "ALL", "sources": [source]},
    }
    (origin,) = _stream(discovered(tmp_path, {"all.json": json.dumps(manifest)}), "ALL").sources
    assert (origin.stream, origin.domain) == ("ORDERS", "hub")
    assert origin.settings.whole() == {
        "filter_subject": "orders.eu.>",
        "opt_start_seq": 7,
        "subject_transforms": [{"src": "orders.>", "dest": "eu.>"}],
    }


def test_a_bucket_keeps_its_history_and_what_its_kind_needs(tmp_path: Path) -> None:
    manifest = {
        "apiVersion": "jetstream.nats.io/v1beta2",
        "kind": "KeyValue",
        "metadata": {"name": "flags"},
        "spec": {"bucket": "flags", "history": 8, "maxValueSize": 1024, "replicas": 3, "compression": True},
    }
    stream = _stream(discovered(tmp_path, {"kv.json": json.dumps(manifest)}), "KV_flags")
    assert stream.max_messages_per_subject == 8
    settings = stream.settings.whole()
    assert (settings["max_msg_size"], settings["allow_rollup_hdrs"]) == (1024, True)
    assert settings["compression"] == "s2", "a yes or no of the resource; the server takes words"
