"""Streams wherever people write them: scripts, YAML, operators' resources, and origins that stand elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import READ, case, line_of, mark_of, only_cluster
from secondsite.discover.stream_calls import read_script
from secondsite.discover.streams import StreamDrafts
from secondsite.model.nats import Stream
from secondsite.model.place import Place
from secondsite.model.units import Seconds

GI = 2**30


def test_a_mirror_of_a_stream_elsewhere_is_kept_and_told() -> None:
    found = case("B1-mirror-elsewhere")
    (stream,) = only_cluster(found).streams
    assert stream.mirror is not None
    assert (stream.mirror.stream, stream.mirror.external) == ("ORDERS", True)
    assert any("COPY copies ORDERS" in note for note in found.notes)


def test_a_scripts_streams_buckets_variables_and_loops() -> None:
    found = case("B3-job-streams")
    streams = {stream.name: stream for stream in only_cluster(found).streams}
    assert set(streams) == {"ORDERS", "EVENTS", "A", "B", "KV_sessions", "OBJ_files"}
    assert (streams["ORDERS"].max_bytes, streams["ORDERS"].max_age_s) == (5 * GI, Seconds(72 * 3600))
    assert [consumer.filter_subject for consumer in streams["ORDERS"].consumers] == ["orders.paid"]
    assert streams["A"].subjects == ("A.*",)
    assert (streams["KV_sessions"].replicas, streams["KV_sessions"].max_age_s) == (3, Seconds(3600))
    assert streams["OBJ_files"].subjects == ("$O.files.C.>", "$O.files.M.>")
    assert "for n in A B" in line_of(found, "nats.nats.streams.B")


@pytest.mark.parametrize(
    ("script", "names", "unknown"),
    [
        ('for s in A B; do\n  nats s add $s --subjects "$s.>" --defaults\ndone', ["A", "B"], 0),
        ("export N=ORDERS\nnats stream add ${N}_V2 --defaults", ["ORDERS_V2"], 0),
        ("nats stream add $(hostname) --defaults", [], 1),
        ("nats stream add $NAME --defaults", [], 1),
        ("nats stream add ${NAME:-ORDERS} --defaults", ["ORDERS"], 0),
        ("for s in $(ls /cfg); do nats stream add $s; done", [], 1),
        ("if true; then nats -s x stream add A --defaults >/dev/null 2>&1 || true; fi", ["A"], 0),
    ],
)
def test_names_that_can_be_known_are(script: str, names: list[str], unknown: int) -> None:
    streams = StreamDrafts()
    read_script(script, Place("job.sh", 1), streams)
    built, _ = streams.build()
    assert [stream.name for stream in built] == names
    assert len(streams.unread) == unknown


@pytest.mark.parametrize(("written", "size"), [("5GB", 5 * GI), ("512MiB", 2**29), ("1k", 1024), ("1024", 1024)])
def test_sizes_are_those_of_the_nats_command(written: str, size: int) -> None:
    streams = StreamDrafts()
    read_script(f"nats stream add S --max-bytes {written}", Place("job.sh", 1), streams)
    built: tuple[Stream, ...] = streams.build()[0]
    assert built[0].max_bytes == size


def test_yaml_in_a_config_map_is_read() -> None:
    found = case("B5-yaml-streams")
    (stream,) = only_cluster(found).streams
    assert (stream.name, stream.subjects, stream.replicas, stream.max_age_s) == (
        "ORDERS",
        ("orders.>",),
        3,
        Seconds(86400),
    )
    assert line_of(found, "nats.nats.streams.ORDERS.replicas") == "num_replicas: 3"


def test_operators_resources_are_clusters_with_what_they_say() -> None:
    clusters = {cluster.name: cluster for cluster in case("N1-crs").system.nats}
    assert {name: (one.servers, one.version, one.max_file_bytes) for name, one in clusters.items()} == {
        "eventbus-default-js": (3, "2.10.10", 20 * GI),
        "isbsvc-default-js": (3, "2.10.17", 3 * GI),
        "eventing": (3, "", 20 * GI),
    }


@pytest.mark.parametrize(
    ("name", "servers", "size"),
    [("H2-values-wrapper-alias", 3, 40), ("H4-bitnami", 3, 20), ("H5-flux-helmrelease", 3, 40)],
)
def test_charts_in_their_several_spellings(name: str, servers: int, size: int) -> None:
    found = case(name)
    cluster = only_cluster(found)
    assert (cluster.servers, cluster.max_file_bytes, cluster.jetstream) == (servers, size * GI, True)
    assert mark_of(found, f"nats.{cluster.name}.max_file").origin is READ


def test_a_template_in_a_value_is_unknown_at_its_place() -> None:
    found = case("H7-template-in-values")
    assert only_cluster(found).cluster_name == ""
    assert "is a template" in mark_of(found, "nats.nats.cluster_name").why


def test_values_of_another_chart_make_no_cluster() -> None:
    assert case("H8-values-other-app").system.nats == ()


def test_streams_that_are_not_known_are_said_first(tmp_path: Path) -> None:
    from command import secondsite

    from cases import CASES

    told, _ = secondsite("init", str(CASES / "P1-later-conf"), "--file", str(tmp_path / "secondsite.yaml"))
    assert told.startswith("no streams known: JetStream is on in nats")
    assert "--nats URL" in told


def test_nothing_found_ends_with_2(tmp_path: Path) -> None:
    from command import secondsite

    from cases import CASES

    _, told = secondsite("init", str(CASES / "H8-values-other-app"), "--file", str(tmp_path / "s.yaml"), code=2)
    assert "no workload was found" in told
    assert not (tmp_path / "s.yaml").exists()
