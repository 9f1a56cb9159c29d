"""NATS servers as people start them: flags over files, files wherever mounted, unknown where nobody can see."""

from __future__ import annotations

import pytest

from cases import ASSUMED, CASES, READ, case, line_of, mark_of, only_cluster
from secondsite.model.mark import Knowledge
from secondsite.model.service import Role
from secondsite.model.units import Seconds

GI = 2**30


@pytest.mark.parametrize(
    ("name", "jetstream", "cluster", "store", "line"),
    [
        ("A1-js-flag", READ, "", "", '"-js"'),
        ("A2-shell-flags", READ, "main", "/data", "exec nats-server -js"),
        ("A3-flags", READ, "main", "/data", '"--jetstream"'),
        ("A5-conf-in-secret", READ, "", "/data", "jetstream { store_dir: /data }"),
        ("A6-include-other-cm", ASSUMED, "", "", 'include "/etc/js/js.conf"'),
        ("A11-operator-mode", READ, "", "/data", "jetstream {"),
        ("A12-leaf-gateway", READ, "east", "/data", "jetstream {"),
        ("A14-quoted-and-vars", READ, "x", "/data", "jetstream {"),
        ("A17-bad-conf", ASSUMED, "", "/data", "jetstream { store_dir: /data, max_file_store: lots }"),
        ("P1-later-conf", READ, "", "/data", "jetstream {"),
        ("V1-headless-name", READ, "acme-main", "/var/lib/js", "jetstream {"),
        ("X1-single-server", READ, "", "/data", "jetstream {"),
        ("Z1-rendered-chart", READ, "nats", "/data", '"jetstream": {'),
    ],
)
def test_whether_jetstream_is_on_and_where_it_stores(
    name: str, jetstream: Knowledge, cluster: str, store: str, line: str
) -> None:
    found = case(name)
    server = only_cluster(found)
    mark = mark_of(found, f"nats.{server.name}.jetstream")
    assert server.jetstream
    assert mark.origin is jetstream
    assert bool(mark.why) == (jetstream is ASSUMED)
    assert (server.cluster_name, server.store_dir) == (cluster, store)
    if name != "A6-include-other-cm":
        assert line in line_of(found, f"nats.{server.name}.jetstream")


@pytest.mark.parametrize(
    ("name", "version", "origin", "role"),
    [
        ("W4-image-tagless", "", ASSUMED, Role.NATS),
        ("W5-image-v-prefix", "2.11.4", READ, Role.NATS),
        ("W6-custom-image", "2.11.4", ASSUMED, Role.NATS),
        ("W7-ports-only", "2.11.4", ASSUMED, Role.NATS),
        ("Z1-rendered-chart", "2.12.1-alpine", READ, Role.NATS),
    ],
)
def test_which_version_runs_is_read_where_the_image_says_it(
    name: str, version: str, origin: Knowledge, role: Role
) -> None:
    found = case(name)
    assert only_cluster(found).version == version
    assert mark_of(found, "nats.nats.version").origin is origin
    assert found.system.services[0].role is role


def test_nats_streaming_is_not_jetstream_and_said() -> None:
    found = case("W8-streaming")
    assert found.system.nats == ()
    assert any("NATS Streaming" in note for note in found.notes)


def test_one_statefulset_a_zone_is_one_cluster() -> None:
    found = case("A8-sts-per-zone")
    cluster = only_cluster(found)
    assert (cluster.servers, cluster.cluster_name) == (3, "main")
    assert cluster.parts == ("nats-a", "nats-b", "nats-c")
    assert [service.depends_on for service in found.system.services] == [(), (), ()]


@pytest.mark.parametrize(
    ("name", "headless", "container"),
    [("V1-headless-name", "bus-headless", "nats"), ("Z1-rendered-chart", "nats-headless", "nats")],
)
def test_the_governing_service_and_the_container_are_kept(name: str, headless: str, container: str) -> None:
    found = case(name)
    cluster = only_cluster(found)
    assert (cluster.headless, cluster.container) == (headless, container)
    assert mark_of(found, f"nats.{cluster.name}.headless").origin is READ


def test_operator_mode_is_kept() -> None:
    found = case("A11-operator-mode")
    assert only_cluster(found).operator
    assert line_of(found, "nats.nats.operator").startswith("operator:")


def test_leaf_and_gateway_are_read_as_the_server_reads_them() -> None:
    cluster = only_cluster(case("A12-leaf-gateway"))
    assert [link.cluster for link in cluster.gateways] == ["west"]
    assert [(link.account, link.tls) for link in cluster.leaves] == [("APP", True)]
    assert cluster.accounts == ("APP", "SYS")


def test_quotes_and_variables() -> None:
    cluster = only_cluster(case("A14-quoted-and-vars"))
    assert (cluster.max_file_bytes, cluster.max_memory_bytes) == (12 * GI, 512 * 2**20)
    assert cluster.sync_interval_s == Seconds(0)


def test_a_refused_value_is_told_at_its_place_and_is_unknown() -> None:
    found = case("A17-bad-conf")
    (problem,) = found.unread
    line = (CASES / problem.place.file).read_text().splitlines()[problem.place.line - 1]
    assert line[problem.place.column - 1 :].startswith("max_file_store")
    assert only_cluster(found).max_file_bytes is None
    assert mark_of(found, "nats.nats.max_file").origin is ASSUMED


def test_an_include_that_is_mounted_beside_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    from manifest_tree import discovered

    text = (CASES / "A6-include-other-cm/a.yaml").read_text()
    mounted = text.replace(
        "- {name: conf, mountPath: /etc/nats}",
        "- {name: conf, mountPath: /etc/nats}\n        - {name: js, mountPath: /etc/js}",
    ).replace("- name: conf\n", "- name: js\n        configMap: {name: js}\n      - name: conf\n")
    root = tmp_path_factory.mktemp("include")
    found = discovered(root, {"a.yaml": mounted})
    cluster = only_cluster(found)
    assert cluster.max_file_bytes == 5 * GI
    place = mark_of(found, "nats.nats.max_file").place
    assert place is not None
    assert mounted.splitlines()[place.line - 1][place.column - 1 :].startswith("max_file_store")
