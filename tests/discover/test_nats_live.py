"""Reading what a live server said: pure, whatever was said."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from secondsite.discover.live import LiveNats, LiveStream, cluster_from_live, merge_live
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import GatewayLink, LeafLink, NatsCluster, Stream
from secondsite.model.place import Place
from secondsite.model.region import Region
from secondsite.model.system import System
from secondsite.model.units import Bytes, Seconds

URL = "nats://nats.agents.svc:4222"
SERVER = {"version": "2.10.25", "server_name": "nats-0", "cluster": "eu", "domain": "hub"}
VARZ = {
    "system_account": "SYS",
    "cluster": {"name": "eu", "urls": ["a:6222"], "tls_required": True},
    "gateway": {
        "name": "eu",
        "tls_required": True,
        "reject_unknown": True,
        "gateways": [{"name": "eu"}, {"name": "us"}],
    },
    "leaf": {
        "remotes": [{"local_account": "A", "urls": ["hub.us.svc:7422"], "deny": {"imports": ["x.>"], "exports": ["y"]}}]
    },
    "jetstream": {"config": {"max_memory": 1, "max_storage": 2, "sync_interval": 5 * 10**9}},
}


def live(**changes: object) -> LiveNats:
    return evolve(LiveNats(URL, SERVER, {}, monitor="http://m:8222", varz=VARZ), **changes)  # type: ignore[arg-type]


def test_links_and_stores_come_from_the_monitoring_endpoint() -> None:
    cluster, marks = cluster_from_live(live())
    assert (cluster.name, cluster.service, cluster.version, cluster.domain) == ("eu", "nats", "2.10.25", "hub")
    assert (cluster.sync_interval_s, cluster.max_memory_bytes, cluster.max_file_bytes) == (5.0, 1, 2)
    assert (cluster.route_tls, cluster.reject_unknown_gateways, cluster.system_account) == (True, True, "SYS")
    assert cluster.gateways == (GatewayLink("us", tls=True),)
    assert cluster.leaves == (LeafLink("hub", "A", deny_imports=("x.>",), deny_exports=("y",)),)
    assert marks["leaves"] == Mark(Knowledge.READ, Place("http://m:8222"))


def test_without_monitoring_nothing_is_said_of_what_only_it_tells() -> None:
    cluster, marks = cluster_from_live(live(varz=None, monitor=""))
    for key in ("sync_interval", "max_file", "store_dir", "route_tls"):
        assert marks[key].origin is Knowledge.ASSUMED, key
        assert "--monitor" in marks[key].why, key
    assert "gateways" not in marks
    assert marks["cluster_name"].origin is Knowledge.READ, "every server says it of itself"
    assert marks["servers"].origin is Knowledge.ASSUMED
    assert cluster.servers == 1


@pytest.mark.parametrize(
    ("changes", "servers"),
    [
        ({"routez": {"routes": [{"remote_id": "B"}, {"remote_id": "B"}, {}, {"remote_id": "C"}]}}, 3),
        ({"routez": {"routes": []}}, 1),
        ({"jsz": {"meta_cluster": {"cluster_size": 5}}}, 5),
        ({"server": {**SERVER, "connect_urls": ["a", "b", "c"]}}, 3),
        ({"server": {"version": "2.10.1"}}, 1),
        ({"streams": (LiveStream({"cluster": {"leader": "a", "replicas": [{"name": "b"}, {"name": "c"}]}}),)}, 3),
    ],
)
def test_servers_are_counted_from_what_there_is(changes: dict[str, object], servers: int) -> None:
    assert cluster_from_live(live(**changes))[0].servers == servers


def stream(**state: object) -> LiveStream:
    told = {"messages": 50, "first_seq": 51, "last_seq": 100, "first_ts": "2026-01-01T00:00:00.123456789Z", **state}
    return LiveStream({"config": {"name": "S"}, "state": told, "ts": "2026-01-01T00:01:40.123456789Z"}, rate_per_s=9.0)


def test_a_duty_to_erase_and_assumed_loads_outlive_what_the_server_says() -> None:
    known = Stream("NEW", erasure_duty=True, rate_per_s=7.0, message_bytes=Bytes(3), replicas=3)
    (merged,) = merge_live(system(NatsCluster("eu", streams=(known,))), LIVE, MARKS).nats
    assert merged.streams == (evolve(known, replicas=1),)


@pytest.mark.parametrize(
    ("state", "rate"),
    [({}, 0.5), ({"messages": 0}, 9.0), ({"first_ts": "2026-01-01T00:01:30Z"}, 9.0), ({"first_ts": "soon"}, 9.0)],
)
def test_a_rate_is_the_mean_of_what_is_retained_or_the_sample(state: dict[str, object], rate: float) -> None:
    (found,) = cluster_from_live(live(streams=(stream(**state),)))[0].streams
    assert found.rate_per_s == pytest.approx(rate)


def system(*clusters: NatsCluster) -> System:
    return System("s", Region("aws", "eu-west-1"), nats=clusters)


LIVE = NatsCluster(
    "eu", service="nats", servers=5, version="2.12.8", sync_interval_s=Seconds(0), streams=(Stream("NEW"),)
)
MARKS = {
    key: Mark(Knowledge.READ, Place(URL)) for key in ("", "name", "service", "version", "sync_interval", "streams.NEW")
}


def test_a_cluster_is_found_by_name_or_service_or_being_the_only_one() -> None:
    other = NatsCluster("other", service="other")
    for known in (NatsCluster("eu"), NatsCluster("nats", service="x"), NatsCluster("y", service="nats")):
        merged = merge_live(system(other, known), evolve(LIVE, name="nats") if known.name == "nats" else LIVE, MARKS)
        assert [cluster.name for cluster in merged.nats] == ["other", known.name]
        assert merged.nats[1].version == "2.12.8"
    assert merge_live(system(other), LIVE, MARKS).nats[0].version == "2.12.8"


def test_a_cluster_that_no_manifest_names_is_added() -> None:
    merged = merge_live(system(NatsCluster("a"), NatsCluster("b")), LIVE, MARKS)
    assert [cluster.name for cluster in merged.nats] == ["a", "b", "eu"]
    assert merged.marks["nats.eu"] == Mark(Knowledge.READ, Place(URL))


def test_the_host_of_a_server_is_no_service_that_anybody_has_read() -> None:
    assert merge_live(system(), LIVE, MARKS).nats == (evolve(LIVE, service=""),)


def test_only_what_was_read_replaces_what_was_known() -> None:
    known = NatsCluster(
        "nats", service="nats", region="r", servers=3, version="2.10", domain="d", streams=(Stream("OLD"),)
    )
    merged = merge_live(system(known), LIVE, MARKS)
    (cluster,) = merged.nats
    assert (cluster.name, cluster.region, cluster.servers, cluster.domain) == ("nats", "r", 3, "d")
    assert (cluster.version, cluster.sync_interval_s) == ("2.12.8", Seconds(0))
    assert [each.name for each in cluster.streams] == ["NEW", "OLD"]
    assert set(merged.marks) == {"nats.nats.version", "nats.nats.sync_interval", "nats.nats.streams.NEW"}


WORDS = """name config state messages bytes max_age mirror sources external api cluster leader replicas jetstream
sync_interval sync_always max_storage gateway gateways leaf remotes urls deny imports num_replicas retention ts
first_ts placement tags routes first_seq last_seq max_deliver meta_cluster cluster_size"""
KEYS = st.sampled_from(WORDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=6,
)
OBJECT = st.dictionaries(KEYS, JSON, max_size=6)


@settings(max_examples=80, deadline=None)
@given(OBJECT, OBJECT, OBJECT, st.lists(st.tuples(OBJECT, st.lists(OBJECT, max_size=2)), max_size=3))
@example({}, {"jetstream": {"config": {"max_storage": float("inf")}}}, {}, [])
def test_whatever_a_server_says_there_is_a_cluster(
    server: dict[str, object],
    varz: dict[str, object],
    jsz: dict[str, object],
    streams: list[tuple[dict[str, object], list[dict[str, object]]]],
) -> None:
    told = tuple(LiveStream(info, tuple(consumers)) for info, consumers in streams)
    cluster, marks = cluster_from_live(LiveNats(URL, server, server, told, varz=varz, jsz=jsz))
    assert cluster.servers >= 1
    assert marks["version"].place == Place(URL)
