"""Values of the official NATS chart, and what the chart makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import discovered, line_at

from secondsite.discover.system_file.schema import paths
from secondsite.model.mark import Knowledge
from secondsite.model.nats import GatewayLink
from secondsite.model.service import Spreading
from secondsite.model.units import Bytes, Cores, Seconds

MI, GI = 1024**2, 1024**3
VALUES = """
config:
  cluster:
    enabled: true
    replicas: 5
    tls: {enabled: true}
  jetstream:
    enabled: true
    fileStore:
      pvc:
        size: 20Gi
        storageClassName: fast
    memoryStore:
      enabled: true
      maxSize: 512Mi
    merge:
      domain: east
      sync_interval: always
  gateway:
    enabled: true
    merge:
      name: nats
      reject_unknown_cluster: true
      gateways:
        - {name: west, urls: ["nats://west.example.com:7222"]}
  merge:
    system_account: SYS
    max_payload: << 8MB >>
container:
  image:
    tag: 2.12.1-alpine
  merge:
    resources:
      requests: {cpu: "2", memory: 4Gi}
      limits: {memory: 8Gi}
podTemplate:
  topologySpreadConstraints:
    kubernetes.io/hostname:
      maxSkew: 1
      whenUnsatisfiable: DoNotSchedule
    topology.kubernetes.io/zone:
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
"""


def test_values_are_read_as_the_chart_reads_them(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"values.yaml": VALUES})
    (service,), (cluster,) = found.system.services, found.system.nats
    assert (service.name, service.replicas, service.tag) == ("nats", 5, "2.12.1-alpine")
    assert (service.cpu_request_cores, service.memory_request_bytes, service.memory_limit_bytes) == (
        Cores(2),
        Bytes(4 * GI),
        Bytes(8 * GI),
    )
    assert (service.spread_nodes, service.spread_zones) == (Spreading.REQUIRED, Spreading.PREFERRED)
    assert [(volume.size_bytes, volume.storage_class) for volume in service.volumes] == [(20 * GI, "fast")]
    assert service.disruption_budget is not None
    assert service.disruption_budget.max_unavailable == 1
    assert (cluster.servers, cluster.version, cluster.jetstream) == (5, "2.12.1-alpine", True)
    assert (cluster.max_file_bytes, cluster.max_memory_bytes) == (20 * GI, 512 * MI)
    assert (cluster.domain, cluster.sync_interval_s, cluster.system_account) == ("east", Seconds(0), "SYS")
    assert cluster.route_tls
    assert cluster.reject_unknown_gateways
    assert cluster.gateways == (GatewayLink("west"),)
    assert set(found.system.marks) <= set(paths(found.system, ""))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("services.nats.replicas", "replicas: 5"),
        ("nats.nats.servers", "replicas: 5"),
        ("nats.nats.version", "tag: 2.12.1-alpine"),
        ("nats.nats.max_file", "size: 20Gi"),
        ("nats.nats.max_memory", "maxSize: 512Mi"),
        ("nats.nats.sync_interval", "sync_interval: always"),
        ("nats.nats.route_tls", "tls: {enabled: true}"),
        ("nats.nats.gateways.west", '- {name: west, urls: ["nats://west.example.com:7222"]}'),
        ("services.nats.spread_zones", "topology.kubernetes.io/zone:"),
        ("services.nats.memory_limit", "limits: {memory: 8Gi}"),
    ],
)
def test_a_value_stands_where_it_is_written(tmp_path: Path, path: str, line: str) -> None:
    found = discovered(tmp_path, {"values.yaml": VALUES})
    assert line_at(tmp_path, str(found.system.marks[path].place)) == line


def test_what_is_left_out_has_the_charts_defaults(tmp_path: Path) -> None:
    found = discovered(
        tmp_path, {"values.yaml": "nats:\n  config: {cluster: {enabled: true}, jetstream: {enabled: true}}\n"}
    )
    (service,), (cluster,) = found.system.services, found.system.nats
    assert (service.replicas, cluster.version, cluster.max_file_bytes) == (3, "", 10 * GI)
    assert found.system.marks["services.nats.replicas"].origin is Knowledge.ASSUMED


def test_without_a_cluster_it_is_one_server(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"values.yaml": "config: {cluster: {replicas: 3}, jetstream: {enabled: true}}\n"})
    assert [cluster.servers for cluster in found.system.nats] == [1]


def test_values_and_streams_are_one_cluster(tmp_path: Path) -> None:
    stream = (
        "apiVersion: jetstream.nats.io/v1beta2\nkind: Stream\nmetadata: {name: s}\nspec: {name: S, subjects: [s]}\n"
    )
    found = discovered(tmp_path, {"values.yaml": VALUES, "s.yaml": stream})
    (cluster,) = found.system.nats
    assert [entry.name for entry in cluster.streams] == ["S"]
    assert cluster.servers == 5
    assert "nats.nats.streams.S.subjects" in found.system.marks
    assert found.system.marks["nats.nats"].origin is Knowledge.READ


def test_values_beside_the_rendered_chart_are_not_a_second_cluster(tmp_path: Path) -> None:
    rendered = """
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: nats}
    spec: {replicas: 3, template: {spec: {containers: [{name: nats, image: "nats:2.12.0"}]}}}
    """
    found = discovered(tmp_path, {"values.yaml": VALUES, "out.yaml": rendered})
    assert [cluster.servers for cluster in found.system.nats] == [3]
    assert any("values.yaml: not used" in note for note in found.notes)


def test_other_values_are_noted_and_nothing_more(tmp_path: Path) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
    found = discovered(tmp_path, {"values.yaml": "config: {debug: true}\n", "s.yaml": service})
    assert found.system.nats == ()
    assert [(one.place.file, one.what) for one in found.skipped] == [("values.yaml", "holds no Kubernetes objects")]


def test_a_chart_is_not_rendered_and_that_is_said(tmp_path: Path) -> None:
    files = {"Chart.yaml": "name: x\n", "templates/a.yaml": "{{ if }}\n", "values.yaml": VALUES}
    found = discovered(tmp_path, files)
    assert found.system.nats[0].servers == 5
    assert any("templates were not rendered" in note for note in found.notes)


def test_a_wrong_value_is_unknown_with_its_line(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"values.yaml": VALUES.replace("replicas: 5", "replicas: many")})
    assert str(found.unread[0]).startswith("values.yaml:4:15: 'many' is not a whole number")
    assert found.system.marks["nats.nats.servers"].origin is Knowledge.ASSUMED


APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: nats}
spec:
  source: {path: platform/nats, helm: {valueFiles: [values.yaml, values-prod.yaml]}}
"""


def test_an_application_says_which_values_files_are_deployed(tmp_path: Path) -> None:
    """Also inside a folder with a kustomization, where a chart's values stand beside the Application."""
    files = {
        "platform/nats/Chart.yaml": "name: nats\ndependencies: [{name: nats}]\n",
        "platform/nats/kustomization.yaml": "resources: [application.yaml]\n",
        "platform/nats/application.yaml": APPLICATION,
        "platform/nats/values.yaml": "nats: {config: {cluster: {enabled: true, replicas: 3}}}\n",
        "platform/nats/values-prod.yaml": "nats: {config: {cluster: {replicas: 5}}}\n",
        "platform/nats/values-test.yaml": "nats: {config: {cluster: {replicas: 1}}}\n",
    }
    (cluster,) = discovered(tmp_path, files).system.nats
    assert cluster.servers == 5


def test_what_the_chart_decides_is_assumed(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"values.yaml": "config: {cluster: {enabled: true}}\n"})
    assert found.system.marks["nats.nats.jetstream"].origin is Knowledge.ASSUMED
