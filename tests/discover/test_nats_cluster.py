"""A cluster from its nats.conf: every spelling, every mark, and no secret anywhere."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.discover.nats_cluster import cluster_from_conf
from secondsite.discover.nats_conf import parse_conf
from secondsite.discover.system_file.schema import paths
from secondsite.model.errors import InputError
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import GatewayLink, LeafLink, NatsCluster
from secondsite.model.units import Bytes, Seconds

SECRET = "hunter2"

FULL = f"""
server_name: $POD_NAME
jetstream {{ store_dir: /data, max_file_store: 10Gi, max_memory_store: 1Gi
  sync_interval: always
  domain: eu }}
cluster {{ name: C1, tls {{ cert_file: a, key_file: b }}
  authorization {{ user: route, password: {SECRET} }}
  routes: [ nats://route:{SECRET}@nats-0.nats:6222 ] }}
gateway {{ name: C1, reject_unknown_cluster: true, authorization {{ user: g, password: {SECRET} }}, gateways: [
  {{ name: C1, url: nats://x:7222 }}
  {{ name: C2, urls: ["nats://u:{SECRET}@c2:7222"], tls {{ ca_file: x }} }} ] }}
leafnodes {{ remotes: [
  {{ url: "nats-leaf://u:{SECRET}@hub.eu.svc:7422", account: APP, creds: /etc/app.creds
     deny_imports: ["agentese.>", "events.>"], deny_export: kgent.> }}
  {{ urls: ["tls://hub.eu.svc:7422"], local: SYS, nkey: {SECRET} }}
  {{ urls: ["tls://{SECRET}/{SECRET}@hub.us.svc:7422"], local: SYS }} ] }}
system_account: SYS
authorization {{ token: {SECRET} }}
accounts {{ SYS {{ users: [ {{ user: a, password: {SECRET} }} ] }}, APP {{ jetstream: enabled }} }}
"""


def read(text: str, name: str = "nats", servers: int = 3) -> tuple[NatsCluster, dict[str, Mark]]:
    return cluster_from_conf(parse_conf(text, "nats.conf"), name=name, service="nats", servers=servers, version="2.10")


def test_everything_the_audit_asks_is_read() -> None:
    cluster, _ = read(FULL)
    assert cluster == NatsCluster(
        name="nats",
        service="nats",
        servers=3,
        version="2.10",
        jetstream=True,
        domain="eu",
        system_account="SYS",
        max_file_bytes=Bytes(10 * 2**30),
        max_memory_bytes=Bytes(2**30),
        sync_interval_s=Seconds(0),
        route_tls=True,
        route_authorization=True,
        gateway_authorization=True,
        self_route=True,
        cluster_name="C1",
        store_dir="/data",
        reject_unknown_gateways=True,
        gateways=(GatewayLink("C2", tls=True),),
        leaves=(
            LeafLink("hub", "APP", False, "/etc/app.creds", ("agentese.>", "events.>"), ("kgent.>",)),
            LeafLink("hub", "SYS", True),
            LeafLink("hub-2", "SYS", True),
        ),
        accounts=("SYS", "APP"),
        client_authorization=True,
    )


def test_every_value_has_a_mark_at_its_line() -> None:
    cluster, marks = read(FULL)
    where = {key: str(mark) for key, mark in marks.items()}
    assert where["sync_interval"] == "read nats.conf:4:3"
    assert where["domain"] == "read nats.conf:5:3"
    assert where["max_file"] == "read nats.conf:3:31"
    assert where["leaves.hub@APP.deny_imports"] == "read nats.conf:14:6"
    assert where["gateways.C2.tls"] == "read nats.conf:11:51"
    given_by_the_caller = {"", "name", "service", "region", "servers", "version", "streams", "gateways", "leaves"}
    given_by_the_caller |= {"headless", "container", "parts", "trust"}  # nothing is trusted outside of operator mode
    known = set(paths(cluster, ""))
    assert set(marks) <= known
    missing = known - set(marks) - given_by_the_caller
    assert {path.rpartition(".")[2] for path in missing} <= {"cluster"}


def test_no_secret_comes_along() -> None:
    conf = parse_conf(FULL, "nats.conf")
    cluster, marks = read(FULL)
    assert SECRET not in f"{conf!r} {conf.notes} {cluster} {marks}"


def test_defaults_are_assumed_and_said_so() -> None:
    cluster, marks = read("jetstream {}\ncluster { name: x }")
    assert (cluster.jetstream, cluster.sync_interval_s, cluster.max_file_bytes) == (True, Seconds(120), None)
    assert marks["sync_interval"].origin is Knowledge.ASSUMED
    assert "2m" in marks["sync_interval"].why
    assert str(marks["sync_interval"].place) == "nats.conf:1:1"
    assert (cluster.route_tls, cluster.route_authorization, cluster.self_route) == (False, False, False)
    assert cluster.gateway_authorization is False
    assert str(marks["route_tls"]) == "read nats.conf:2:1"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("jetstream {}", False),
        ("accounts { APP { jetstream: enabled } }", False),
        ("accounts { APP { users: [{user: a, password: b}] } }", True),
        ("accounts { APP { users: [{user: a, password: b}] } }\nno_auth_user: a", False),
        ("authorization { user: a, password: b }", True),
        ("authorization { timeout: 2 }", False),
        ("authorization { token: t }", True),
        ("tls { cert_file: c, key_file: k, verify: true }", True),
        ("tls { cert_file: c, key_file: k }", False),
        ("operator: /etc/nats/o.jwt", True),
        ("include others.conf", None),
    ],
)
def test_whether_clients_log_in(text: str, asked: bool | None) -> None:
    assert read(text)[0].client_authorization is asked


def test_what_the_pod_alone_knows_is_assumed() -> None:
    cluster, marks = read("jetstream { domain: $DOMAIN, sync_interval: $SYNC, max_file: $SIZE }\nsystem_account: $S")
    assert (cluster.domain, cluster.sync_interval_s, cluster.max_file_bytes) == ("", Seconds(120), None)
    for key in ("domain", "sync_interval", "max_file", "system_account"):
        assert marks[key].origin is Knowledge.ASSUMED
        assert "$" in marks[key].why


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("port: 4222", False),
        ("jetstream: enabled", True),
        ("jetstream: true", True),
        ("JetStream: disabled", False),
        ("jetstream {}", True),
        ("jetstream { enabled: false }", False),
        ("jetstream = $JS", True),
    ],
)
def test_jetstream_is_on(text: str, on: bool) -> None:
    assert read(text)[0].jetstream is on


@pytest.mark.parametrize(
    ("key", "value", "size"),
    [
        ("max_file_store", "10G", 10**10),
        ("max_file", "'10G'", 10 * 2**30),
        ("MAX_FILE", "10gb", 10 * 2**30),
        ("max_file", "0", 0),
        ("max_file", "-1", None),
    ],
)
def test_a_size_is_what_the_server_takes(key: str, value: str, size: int | None) -> None:
    assert read(f"jetstream {{ {key}: {value} }}")[0].max_file_bytes == size


@pytest.mark.parametrize(("written", "seconds"), [("always", 0), ("'1m30s'", 90), ("'500ms'", 0.5), ("30", 30)])
def test_a_sync_interval_is_in_seconds(written: str, seconds: float) -> None:
    assert read(f"jetstream {{ sync_interval: {written} }}")[0].sync_interval_s == seconds


def test_a_cluster_may_name_itself() -> None:
    assert read("cluster { name: eu }", name="")[0].name == "eu"
    assert read("gateway { name: us }", name="")[0].name == "us"
    assert read("", name="")[0].name == "nats"


def test_all_that_the_server_would_refuse_is_told_at_once() -> None:
    text = "jetstream { max_file: big, sync_interval: soon, domain: 5 }\nsystem_account: [a]\n"
    text += "leafnodes { remotes: [ { url: a, deny_imports: [1 ], creds: '-----BEGIN NATS USER JWT-----' } ] }"
    with pytest.raises(InputError) as caught:
        read(text)
    assert [(problem.place.line, problem.what.split()[0]) for problem in caught.value.problems] == [
        (1, "domain"),
        (2, "system_account"),
        (1, "max_file"),
        (1, "sync_interval"),
        (3, "credentials"),
        (3, "deny_imports"),
    ]
    assert "BEGIN" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=3,
)
KEYS = ["jetstream", "cluster", "gateway", "leafnodes", "system_account", "accounts", "remotes", "gateways", "url"]
KEYS += ["routes", "name", "tls", "sync_interval", "max_file", "enabled", "deny_imports", "creds", "account", "urls"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(KEYS),
        JSON | st.dictionaries(st.sampled_from(KEYS), JSON | st.lists(st.dictionaries(st.sampled_from(KEYS), JSON))),
    )
)
def test_values_of_any_shape_make_a_cluster_or_an_input_error(values: dict[str, object]) -> None:
    conf = attrs.evolve(parse_conf("", "nats.conf"), values=values)
    try:
        cluster, marks = cluster_from_conf(conf, name="n", service="n", servers=1, version="")
    except InputError:
        return
    assert set(marks) <= set(paths(cluster, ""))
