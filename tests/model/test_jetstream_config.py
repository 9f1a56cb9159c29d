"""What is taken apart is put together again: every field of a configuration, whatever its value."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.jetstream_config import (
    CONSUMER_DEFAULTS,
    STREAM_DEFAULTS,
    consumer_of,
    dropped,
    is_internal,
    own_metadata,
    stream_of,
)
from secondsite.model.nats import NatsCluster
from secondsite.model.settings import Settings
from secondsite.model.units import Seconds
from secondsite.strategies.stream_config import (
    PROMOTING,
    as_mirror,
    consumer_config,
    once_promoted,
    once_wanted,
    stream_config,
)

CASES = json.loads((Path(__file__).parent.parent / "cases" / "streams.json").read_text("utf-8"))
CLUSTER = NatsCluster("nats")
NAMES = st.from_regex(r"[A-Za-z]{1,6}", fullmatch=True)
SUBJECTS = st.lists(st.from_regex(r"[a-z]{1,4}(\.[a-z*]{1,3})?", fullmatch=True), min_size=1, max_size=3)
COUNTS = st.integers(1, 2**53)
NANOSECONDS = st.integers(1, 10**18)
TRANSFORM = st.fixed_dictionaries({"src": st.just("a.>"), "dest": NAMES})
SOURCE = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "filter_subject": NAMES,
        "opt_start_seq": COUNTS,
        "subject_transforms": st.lists(TRANSFORM, min_size=1, max_size=2),
        "external": st.sampled_from([{"api": "$JS.hub.API"}, {"api": "$JS.hub.API", "deliver": "d"}, {"api": "X.Y"}]),
    },
)
STREAM_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "subjects": SUBJECTS,
    "retention": st.sampled_from(["limits", "interest", "workqueue"]),
    "storage": st.sampled_from(["file", "memory"]),
    "discard": st.sampled_from(["old", "new"]),
    "compression": st.sampled_from(["none", "s2"]),
    "persist_mode": st.sampled_from(["default", "async"]),
    "num_replicas": st.sampled_from([1, 3, 5]),
    **dict.fromkeys(("max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size", "max_consumers"), COUNTS),
    **dict.fromkeys(("max_age", "duplicate_window", "subject_delete_marker_ttl"), NANOSECONDS),
    **dict.fromkeys(
        (
            *("sealed", "no_ack", "deny_delete", "deny_purge", "allow_rollup_hdrs", "mirror_direct"),
            *("discard_new_per_subject", "allow_msg_ttl", "allow_msg_counter", "allow_atomic", "allow_batched"),
            "allow_msg_schedules",
        ),
        st.booleans(),
    ),
    "first_seq": COUNTS,
    "description": st.text(max_size=9),
    "metadata": st.dictionaries(NAMES, NAMES, max_size=2),
    "subject_transform": TRANSFORM,
    "republish": st.fixed_dictionaries({"src": st.just(">"), "dest": NAMES}, optional={"headers_only": st.booleans()}),
    "consumer_limits": st.fixed_dictionaries({}, optional={"inactive_threshold": COUNTS, "max_ack_pending": COUNTS}),
    "sources": st.lists(SOURCE, min_size=1, max_size=2),
    "placement": st.fixed_dictionaries({}, optional={"cluster": NAMES, "tags": st.lists(NAMES, max_size=2)}),
    "a_field_of_tomorrow": st.one_of(st.integers(), NAMES, st.lists(NAMES, max_size=2)),
}
CONSUMER_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "ack_policy": st.sampled_from(["none", "all", "explicit"]),
    "deliver_policy": st.sampled_from(["all", "new", "last", "last_per_subject", "by_start_time"]),
    "replay_policy": st.sampled_from(["instant", "original"]),
    **dict.fromkeys(("ack_wait", "inactive_threshold", "idle_heartbeat", "max_expires", "priority_timeout"), COUNTS),
    **dict.fromkeys(("max_ack_pending", "max_waiting", "max_batch", "max_bytes", "rate_limit_bps"), COUNTS),
    "max_deliver": st.integers(1, 99),
    "backoff": st.lists(NANOSECONDS, min_size=1, max_size=3),
    "filter_subjects": SUBJECTS,
    **dict.fromkeys(("headers_only", "flow_control", "mem_storage"), st.booleans()),
    **dict.fromkeys(("opt_start_time", "pause_until"), st.just("2099-01-01T00:00:00Z")),
    **dict.fromkeys(("deliver_subject", "deliver_group", "sample_freq", "description", "priority_policy"), NAMES),
    "priority_groups": st.lists(NAMES, min_size=1, max_size=2),
    "metadata": st.dictionaries(NAMES, NAMES, max_size=2),
    "a_field_of_tomorrow": NAMES,
}


def whole(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """As a server shows it, which fills in what is not said."""
    usual: dict[str, Any] = {
        "max_age": 0,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msgs_per_subject": -1,
        "num_replicas": 1,
    }
    usual |= {"retention": "limits", "storage": "file", "discard": "old", "allow_msg_ttl": False, "subjects": []}
    usual |= {"persist_mode": "default", "allow_direct": False, "duplicate_window": 120 * 10**9}
    usual |= {"duplicate_window": 0} if config.get("sources") else {}
    return {**(usual if defaults is STREAM_DEFAULTS else {"max_deliver": -1}), **defaults, **config}


@given(st.fixed_dictionaries({"name": NAMES, "allow_direct": st.booleans()}, optional=STREAM_FIELDS))
def test_a_stream_comes_out_whole(config: dict[str, Any]) -> None:
    before = copy.deepcopy(config)
    stream = stream_of(config)
    assert whole(stream_config(stream, CLUSTER), STREAM_DEFAULTS) == whole(before, STREAM_DEFAULTS)
    assert stream_of(stream_config(stream, CLUSTER)) == stream
    assert config == before


@given(st.fixed_dictionaries({"name": NAMES, "num_replicas": st.sampled_from([0, 1, 3])}, optional=CONSUMER_FIELDS))
def test_a_consumer_comes_out_whole(config: dict[str, Any]) -> None:
    consumer = consumer_of(config)
    expected = whole({"ack_policy": "none", **config}, CONSUMER_DEFAULTS)
    assert whole(consumer_config(consumer), CONSUMER_DEFAULTS) == expected
    assert consumer_of(consumer_config(consumer)) == consumer


@given(st.fixed_dictionaries({"name": NAMES, "allow_direct": st.booleans()}, optional=STREAM_FIELDS))
def test_a_mirror_and_what_its_promotion_adds_are_the_origin(config: dict[str, Any]) -> None:
    stream = stream_of(config)
    origin = stream_config(stream, CLUSTER)
    mirror = as_mirror(origin)
    assert not PROMOTING & set(mirror)
    assert mirror.get("retention") != "interest"
    again = mirror | once_promoted(stream, CLUSTER) | once_wanted(stream)
    again |= {key: origin[key] for key in ("subjects", "duplicate_window")}
    assert again == origin


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_what_people_set_is_kept(case: Mapping[str, Any]) -> None:
    stream = {"allow_direct": False, **case["stream"]}
    config = stream_config(stream_of(stream), CLUSTER)
    assert {key: config.get(key, STREAM_DEFAULTS.get(key)) for key in stream} == stream
    for consumer in case["consumers"]:
        written = consumer_config(consumer_of(consumer))
        assert {key: written.get(key, CONSUMER_DEFAULTS.get(key)) for key in consumer} == consumer


def test_an_attribute_that_was_changed_counts() -> None:
    stream = stream_of({"name": "A", "max_age": 3_600_000_000_001, "allow_direct": True})
    assert stream_config(stream, CLUSTER)["max_age"] == 3_600_000_000_001
    assert stream_config(evolve(stream, max_age_s=Seconds(60)), CLUSTER)["max_age"] == 60_000_000_000


def test_several_filters_stay_several() -> None:
    consumer = consumer_of({"durable_name": "w", "filter_subjects": ["roll.a", "roll.b"]})
    assert (consumer.filter_subject, consumer.filters) == ("", ("roll.a", "roll.b"))
    assert consumer_config(consumer)["filter_subjects"] == ["roll.a", "roll.b"]
    assert "filter_subject" not in consumer_config(consumer)


def test_what_servers_and_operations_write_is_no_configuration() -> None:
    metadata = {"_nats.ver": "2.15.1", "secondsite-diverged": "7", "team": "billing"}
    assert own_metadata({"metadata": metadata}) == {"team": "billing"}
    assert is_internal("JS_MIRROR_abc")
    assert is_internal("JS_SRC_abc")
    assert not is_internal("worker")


def test_what_an_older_server_drops_is_seen() -> None:
    asked = {"name": "A", "allow_atomic": True, "max_age": 0, "max_bytes": -1, "persist_mode": "default"}
    assert dropped(asked, {"name": "A"}) == ("allow_atomic",)
    assert dropped(asked, {"name": "A", "allow_atomic": True}) == ()


def test_settings_do_not_change() -> None:
    settings = Settings({"republish": {"src": ">", "dest": "again.>"}})
    settings["republish"]["dest"] = "elsewhere"
    assert settings["republish"]["dest"] == "again.>"
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 # our own bytes
    assert {settings: 1}[Settings(settings)] == 1
    with pytest.raises(AttributeError):
        settings.text = "{}"
