"""Streams as the JetStream API takes them; each of these was refused or went wrong on a real server otherwise."""

from __future__ import annotations

from attrs import evolve

from secondsite.model.nats import Consumer, GatewayLink, NatsCluster, Stream, StreamOrigin
from secondsite.model.units import Seconds
from secondsite.strategies.stream_config import consumer_config, stream_config

CLUSTER = NatsCluster("nats", domain="east")
STREAM = Stream("EVENTS", subjects=("events.>", "audit"), replicas=3, max_age_s=Seconds(60))


def test_a_mirror_has_no_subjects_and_reads_through_the_other_domain() -> None:
    config = stream_config(evolve(STREAM, subjects=(), mirror=StreamOrigin("EVENTS", domain="west")), CLUSTER)
    assert config["mirror"] == {"name": "EVENTS", "external": {"api": "$JS.west.API"}}
    assert not {"subjects", "duplicate_window"} & set(config)


def test_an_origin_in_the_same_domain_needs_no_other_api() -> None:
    config = stream_config(evolve(STREAM, subjects=(), mirror=StreamOrigin("EVENTS", domain="east")), CLUSTER)
    assert config["mirror"] == {"name": "EVENTS"}


def test_sources_with_a_prefix_take_only_what_has_none() -> None:
    source = StreamOrigin("EVENTS", domain="west", region="west", prefix="west")
    config = stream_config(evolve(STREAM, sources=(source,)), CLUSTER)
    assert config["sources"][0]["subject_transforms"] == [
        {"src": "events.>", "dest": "west.events.>"},
        {"src": "audit", "dest": "west.audit"},
    ]


def test_streams_of_a_super_cluster_are_placed_and_others_are_not() -> None:
    joined = evolve(CLUSTER, gateways=(GatewayLink("other"),))
    assert stream_config(STREAM, joined)["placement"] == {"cluster": "nats"}
    assert stream_config(evolve(STREAM, placement="other"), joined)["placement"] == {"cluster": "other"}
    assert "placement" not in stream_config(STREAM, CLUSTER)


def test_what_older_servers_do_not_know_is_left_out_unless_it_is_used() -> None:
    newer = {"allow_msg_ttl", "persist_mode"}
    assert not newer & set(stream_config(STREAM, CLUSTER))
    assert newer <= set(stream_config(evolve(STREAM, message_ttl=True, async_persist=True), CLUSTER))


def test_limits_in_the_servers_units() -> None:
    config = stream_config(STREAM, CLUSTER)
    assert (config["max_age"], config["max_bytes"], config["max_msgs"]) == (60_000_000_000, -1, -1)


def test_a_consumer() -> None:
    config = consumer_config(Consumer("metering", filter_subject="events.a", max_deliver=3))
    assert (config["durable_name"], config["filter_subject"], config["max_deliver"]) == ("metering", "events.a", 3)
    assert "durable_name" not in consumer_config(Consumer("tail", durable=False))


def test_buckets_are_what_clients_make_of_them() -> None:
    """A KV bucket that allowed deletion of messages, or an object store without rollup, would be no such thing."""
    bucket = stream_config(evolve(STREAM, name="KV_sessions"), CLUSTER)
    assert (bucket["allow_rollup_hdrs"], bucket["deny_delete"]) == (True, True)
    objects = stream_config(evolve(STREAM, name="OBJ_files"), CLUSTER)
    assert objects["allow_rollup_hdrs"]
    assert "deny_delete" not in objects
    assert not {"allow_rollup_hdrs", "deny_delete"} & set(stream_config(STREAM, CLUSTER))


def test_a_source_without_a_prefix_takes_every_subject() -> None:
    config = stream_config(evolve(STREAM, sources=(StreamOrigin("ORDERS", domain="west"),)), CLUSTER)
    assert config["sources"] == [{"name": "ORDERS", "external": {"api": "$JS.west.API"}}]


def test_a_bucket_takes_the_subjects_of_its_kind_where_none_are_declared() -> None:
    """With none the server takes the stream's name, and no client's key would be stored."""
    bucket = stream_config(Stream("KV_sessions"), CLUSTER)
    assert bucket["subjects"] == ["$KV.sessions.>"]
    sourced = stream_config(
        Stream("KV_sessions", sources=(StreamOrigin("KV_sessions", "west", prefix="west"),)), CLUSTER
    )
    assert [each["src"] for each in sourced["sources"][0]["subject_transforms"]] == ["$KV.sessions.>"]
    assert stream_config(Stream("TOTAL", sources=(StreamOrigin("EVENTS"),)), CLUSTER)["subjects"] == []
