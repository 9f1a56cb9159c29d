"""What systems of others taught: one small input for each thing that was read wrongly in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import secondsite

from cases import only_cluster
from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery, discover

GI = 2**30
APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: desk, namespace: shop}
spec:
  template:
    spec:
      containers:
        - name: desk
          image: example.org/desk:1
          env:
            - {name: MAIL_URL, value: "http://mailer.shop:8080"}
            - {name: PAY_URL, value: "https://api.pay.example.com"}
            - {name: CODE, value: "ko://example.dev/desk/cmd"}
            - {name: NATS_URL, value: "nats://bus:4222"}
"""


def _read(folder: Path, **files: str) -> Discovery:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return discover([folder], base=folder)


def test_an_application_of_others_is_not_argo_cds(tmp_path: Path) -> None:
    other = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: shelf}\nspec: {components: []}\n"
    found = _read(tmp_path, app_yaml=APP, other_yaml=other)
    assert not [note for note in found.notes if "Argo CD" in note]
    assert found.system.name != "shelf"
    assert found.unknown == {"Application.core.oam.dev": 1}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("{nats: {native: {replicas: 3}}}", "runs NATS Streaming (STAN), not NATS JetStream"),
        ("{jetstreamExotic: {url: 'nats://bus.example.com:4222'}}", "uses a JetStream that stands elsewhere"),
        ("{kafka: {url: k}}", "runs no JetStream"),
    ],
)
def test_an_event_bus_without_jetstream_is_told(tmp_path: Path, spec: str, told: str) -> None:
    bus = f"apiVersion: argoproj.io/v1alpha1\nkind: EventBus\nmetadata: {{name: main}}\nspec: {spec}\n"
    found = _read(tmp_path, app_yaml=APP, bus_yaml=bus)
    assert [note for note in found.notes if f"bus.yaml:3:18: EventBus main {told}" in note]


def test_a_stream_stands_where_its_account_leads(tmp_path: Path) -> None:
    server = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: %s}
spec:
  serviceName: %s
  template: {spec: {containers: [{name: nats, image: "nats:2.12.1", args: [-js]}]}}
"""
    nack = """
apiVersion: jetstream.nats.io/v1beta2
kind: Account
metadata: {name: tills}
spec: {servers: ["nats://south:4222"]}
---
apiVersion: jetstream.nats.io/v1beta2
kind: Stream
metadata: {name: receipts}
spec: {name: RECEIPTS, subjects: [receipts.>], account: tills}
"""
    north, south = server % ("north", "north"), server % ("south", "south")
    found = _read(tmp_path, north_yaml=north, south_yaml=south, streams_yaml=nack)
    held = {cluster.name: [stream.name for stream in cluster.streams] for cluster in found.system.nats}
    assert held == {"north": [], "south": ["RECEIPTS"]}
    assert found.unknown == {}


@pytest.mark.parametrize("alias", ["container_name: %s", "hostname: %s", "networks: {inside: {aliases: [%s]}}"])
def test_servers_of_a_compose_file_reach_each_other_by_any_name(tmp_path: Path, alias: str) -> None:
    routes = "cluster { name: tills, routes: [nats://n1:6222, nats://n2:6222] }\njetstream { store_dir: /data }\n"
    services = [
        f"  till-{letter}:\n    image: nats:2.12.1\n    command: [-c, /etc/nats.conf]\n    {alias % name}\n"
        f"    volumes: ['./bus.conf:/etc/nats.conf', './data/{name}:/data']\n"
        for letter, name in (("a", "n1"), ("b", "n2"))
    ]
    found = _read(tmp_path, compose_yaml="services:\n" + "".join(services), bus_conf=routes)
    cluster = only_cluster(found)
    assert (cluster.cluster_name, cluster.servers, cluster.parts) == ("tills", 2, ("till-a", "till-b"))


def test_a_server_that_no_route_names_is_of_the_cluster_that_it_dials(tmp_path: Path) -> None:
    routes = "cluster { name: tills, routes: [nats://till-a:6222, nats://till-b:6222] }\njetstream {}\n"
    services = [
        f"  till-{letter}:\n    image: nats:2.12.1\n    command: [-c, /etc/nats.conf]\n"
        f"    volumes: ['./bus.conf:/etc/nats.conf']\n"
        for letter in "abc"
    ]
    cluster = only_cluster(_read(tmp_path, compose_yaml="services:\n" + "".join(services), bus_conf=routes))
    assert (cluster.name, cluster.servers, cluster.parts) == ("till-a", 3, ("till-a", "till-b", "till-c"))


def test_a_server_that_is_one_of_three_is_no_single_replica(tmp_path: Path) -> None:
    """Each is a service of its own in a compose file, and the API that dials all of them depends on no single one."""
    routes = "cluster { name: tills, routes: [nats://till-a:6222, nats://till-b:6222] }\njetstream {}\n"
    services = [
        f"  till-{letter}:\n    image: nats:2.12.1\n    command: [-c, /etc/nats.conf]\n"
        f"    volumes: ['./bus.conf:/etc/nats.conf']\n"
        for letter in "abc"
    ]
    dialled = ",".join(f"nats://till-{letter}:4222" for letter in "abc")
    services.append(f"  web:\n    image: web:1\n    ports: ['80:80']\n    environment: {{NATS_URL: '{dialled}'}}\n")
    found = _read(tmp_path, compose_yaml="services:\n" + "".join(services), bus_conf=routes)
    (web,) = (service for service in found.system.services if service.name == "web")
    assert set(web.depends_on) == {"till-a", "till-b", "till-c"}
    assert not [one for one in audit(found.system) if one.rule == "api-dependency-single-replica"]


def test_what_an_operator_keeps_in_memory_is_read(tmp_path: Path) -> None:
    spec = "{cluster: {size: 3}, jetStream: {fileStorage: {size: 2Gi}, memStorage: {enabled: %s, size: 1Gi}}}"
    for enabled, size in (("true", GI), ("false", None)):
        head = "apiVersion: operator.kyma-project.io/v1alpha1\nkind: NATS\nmetadata: {name: n}\n"
        text = f"{head}spec: {spec % enabled}\n"
        cluster = only_cluster(_read(tmp_path, nats_yaml=text))
        assert (cluster.max_file_bytes, cluster.max_memory_bytes) == (2 * GI, size)
        assert (cluster.route_authorization, cluster.client_authorization) == (None, None)


def test_a_name_of_the_clusters_own_is_not_outside(tmp_path: Path) -> None:
    found = _read(tmp_path, app_yaml=APP)
    (note,) = [note for note in found.notes if "outside of the cluster" in note]
    assert note.endswith("outside of the cluster: api.pay.example.com")


def test_where_nothing_was_found_the_notes_say_why(tmp_path: Path) -> None:
    bus = "apiVersion: argoproj.io/v1alpha1\nkind: EventBus\nmetadata: {name: b}\nspec: {nats: {native: {}}}\n"
    (tmp_path / "bus.yaml").write_text(bus)
    sensor = "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: s}\n---\n"
    (tmp_path / "a.yaml").write_text(sensor * 5)
    _, told = secondsite("init", str(tmp_path), "--file", str(tmp_path / "s.yaml"), code=2)
    assert "no workload was found" in told
    assert "EventBus b runs NATS Streaming (STAN)" in told


SERVER = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: bus}
spec: {serviceName: bus, template: {spec: {containers: [{name: nats, image: "nats:2.12.1", args: [-js]}]}}}
"""
SCRIPT = """#!/bin/sh
nats context save one --server nats://localhost:4222
nats stream add --subjects "lamps.>,fans.*" --retention work --no-deny-purge --replicas 3 DEVICES
nats consumer add DEVICES worker --pull --ack explicit
"""


def test_a_script_beside_the_manifests_defines_its_streams(tmp_path: Path) -> None:
    found = _read(tmp_path, bus_yaml=SERVER, setup_sh=SCRIPT, other_sh="nats pub lamps.1 on\n")
    (stream,) = only_cluster(found).streams
    assert (stream.name, stream.subjects, stream.replicas) == ("DEVICES", ("lamps.>", "fans.*"), 3)
    assert str(found.system.marks["nats.bus.streams.DEVICES"].place) == "setup.sh:3"
    assert [consumer.name for consumer in stream.consumers] == ["worker"]
    assert found.unknown == {}


def test_a_script_beside_other_definitions_is_told(tmp_path: Path) -> None:
    nack = "apiVersion: jetstream.nats.io/v1beta2\nkind: Stream\nmetadata: {name: a}\nspec: {name: A, subjects: [a]}\n"
    found = _read(tmp_path, bus_yaml=SERVER, setup_sh=SCRIPT, nack_yaml=nack)
    assert [stream.name for stream in only_cluster(found).streams] == ["A"]
    assert "setup.sh:1: adds streams as well; not read, as others define them already" in found.notes


def test_a_script_that_is_named_is_read(tmp_path: Path) -> None:
    for name, text in (("bus.yaml", SERVER), ("setup.sh", SCRIPT)):
        (tmp_path / name).write_text(text)
    found = discover([tmp_path / "bus.yaml", tmp_path / "setup.sh"], base=tmp_path)
    assert [stream.name for stream in only_cluster(found).streams] == ["DEVICES"]


def test_a_configuration_in_a_mounted_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "bus").mkdir()
    (tmp_path / "bus" / "nats.conf").write_text("jetstream { store_dir: /data, max_file_store: 2Gi }\n")
    bus = "services:\n  bus:\n    image: nats:2.12.1\n    command: -c /data/nats.conf\n    volumes: ['./bus:/data']\n"
    found = _read(tmp_path, compose_yaml=bus)
    cluster = only_cluster(found)
    assert (cluster.jetstream, cluster.max_file_bytes) == (True, 2 * GI)
    assert str(found.system.marks["nats.bus.max_file"].place) == "bus/nats.conf:1:31"


def test_every_flag_of_a_script_is_kept(tmp_path: Path) -> None:
    script = """nats stream add --defaults ORDERS --subjects 'a.>' --subjects b --max-msg-size 1MB --deny-purge \\
  --no-allow-rollup --compression s2 --transform-source 'a.*' --transform-destination 'c.{{wildcard(1)}}' --max-msgs -1
nats consumer add --pull ORDERS bill --filter 'a.x' --filter b --deliver new --wait 90s --max-pending 7 --ack explicit
nats stream add --no-ack --tag fast --source S1 --source S2 ALL
"""
    orders, everything = only_cluster(_read(tmp_path, bus_yaml=SERVER, make_sh=script)).streams
    assert orders.subjects == ("a.>", "b")
    assert orders.max_messages is None
    assert dict(orders.settings) == {
        "max_msg_size": 2**20,
        "deny_purge": True,
        "compression": "s2",
        "subject_transform": {"src": "a.*", "dest": "c.{{wildcard(1)}}"},
    }
    (bill,) = orders.consumers
    assert dict(bill.settings) == {
        "filter_subjects": ["a.x", "b"],
        "deliver_policy": "new",
        "ack_wait": 90_000_000_000,
        "max_ack_pending": 7,
    }
    assert (everything.name, everything.placement, [one.stream for one in everything.sources]) == (
        *("ALL", "fast"),
        ["S1", "S2"],
    )
    assert dict(everything.settings) == {"no_ack": True}


def test_nothing_of_kubernetes_is_missed_in_a_compose_file(tmp_path: Path) -> None:
    """No budget against drains, no policy, no spreading: it has none of these, and is not accused of lacking them."""
    bus = "services:\n  bus:\n    image: nats:2.12.1\n    command: -js\n    deploy: {replicas: 3}\n"
    desk = "  desk:\n    image: example.org/desk:1\n    deploy: {replicas: 2}\n    ports: ['80:80']\n"
    rules = {hazard.rule for hazard in audit(_read(tmp_path, compose_yaml=bus + desk).system)}
    kubernetes = {"nats-budget-majority", "nats-no-network-policy", "nats-may-share-node", "api-may-share-node"}
    assert rules & kubernetes == set()
    assert "nats-no-volume" in rules


RENDERED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: leaf}
spec:
  template:
    spec:
      containers: [{name: nats, image: "nats:2.12.1", args: [-c, /made/nats.conf]}]
      initContainers: [{name: make, image: "busybox:1", command: [sh, -c, "envsubst < /in > /made/nats.conf"]}]
"""


def test_a_configuration_that_is_made_on_the_way_accuses_nobody(tmp_path: Path) -> None:
    found = _read(tmp_path, leaf_yaml=RENDERED)
    hazards = {hazard.rule: hazard.message for hazard in audit(found.system)}
    assert "nats-sync-interval" not in hazards
    assert hazards["nats-streams-unseen"] == "JetStream may be on in leaf, and not one of its streams is known"
    assert "was not read" in found.system.marks["nats.leaf.sync_interval"].why
    told, _ = secondsite("init", str(tmp_path), "--file", str(tmp_path / "s.yaml"))
    assert told.startswith("no streams known: JetStream may be on in leaf, but")


def test_an_image_that_the_chart_chooses_is_not_called_floating(tmp_path: Path) -> None:
    found = _read(tmp_path, values_yaml="config: {cluster: {enabled: true}, jetstream: {enabled: true}}\n")
    assert "image-latest" not in {hazard.rule for hazard in audit(found.system)}


FUNCTIONS = """#!/bin/bash
NATS=./nats
make() {
  local name=$1; shift
  echo "making $name"
  $NATS stream info "$name" >/dev/null 2>&1 || { /usr/local/bin/nats stream add "$name" "$@" --server "$URL"; }
}
function work { for one in "${@:2}"; do make "$one" --subjects "$1.$one.>" --retention work; done; }
make BILLS --subjects "bills.>" --max-age 2h
while read line; do echo "$line"; done < names
if ! work floor SAWS PRESSES; then exit 1; fi
"""


def test_functions_of_a_script_are_written_out(tmp_path: Path) -> None:
    found = _read(tmp_path, bus_yaml=SERVER, setup_sh=FUNCTIONS)
    bills, presses, saws = sorted(only_cluster(found).streams, key=lambda stream: stream.name)
    assert (bills.name, bills.subjects, bills.max_age_s, bills.retention.value) == (
        *("BILLS", ("bills.>",), 7200.0),
        "limits",
    )
    assert [(one.name, one.subjects, one.retention.value) for one in (presses, saws)] == [
        ("PRESSES", ("floor.PRESSES.>",), "workqueue"),
        ("SAWS", ("floor.SAWS.>",), "workqueue"),
    ]
    assert not found.unread


def test_what_only_the_caller_of_a_function_knows_is_told(tmp_path: Path) -> None:
    script = 'add() { nats stream add "$1" --subjects "$2"; nats stream add PLAIN --subjects plain; }\n'
    found = _read(tmp_path, bus_yaml=SERVER, setup_sh=script)
    assert [stream.name for stream in only_cluster(found).streams] == ["PLAIN"]
    assert ["$1" in problem.what for problem in found.unread] == [True]


@pytest.mark.parametrize("names", [["again", "again"], ["low", "high"]])
def test_functions_that_call_each_other_come_to_an_end(tmp_path: Path, names: list[str]) -> None:
    one, other = names
    body = f"{one} x; {other} y; " * 50
    script = f"{one}() {{ {body}}}\n{other}() {{ {body}}}\n{one} z\nnats stream add LAST --subjects last\n"
    nested = "".join(f"for v{number} in 1 2 3 4 5 6 7 8 9; do\n" for number in range(20))
    endless = f"{nested}nats stream add S$v1 --subjects s\n" + "done\n" * 20
    found = _read(tmp_path, bus_yaml=SERVER, setup_sh=script + endless)
    assert only_cluster(found).name == "bus"
