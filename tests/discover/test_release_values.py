"""What a Flux HelmRelease or an Argo CD Application deploys the NATS chart with: values from everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import discovered

from secondsite.audit.registry import audit
from secondsite.discover.manifests import Discovery
from secondsite.model.mark import Knowledge
from secondsite.model.service import Spreading

GI = 1024**3
APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: berths, namespace: port}
spec: {template: {spec: {containers: [{name: berths, image: "berths:1"}]}}}
"""
FLUX = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: bus, namespace: port}
spec:
  chart: {spec: {chart: nats, version: 1.3.x}}
  valuesFrom:
  - {kind: ConfigMap, name: bus-values, valuesKey: base.yaml}
"""
BASE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: bus-values, namespace: port}
data:
  base.yaml: |
    container: {image: {tag: 2.12.3-alpine}}
    config:
      cluster: {enabled: true, replicas: 3}
      jetstream: {enabled: true, fileStore: {pvc: {size: 40Gi}}}
  zones: '6'
"""
OWN = "  values: {config: {cluster: {replicas: 5}}}\n"
ARGO = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: events, namespace: argocd}
spec:
  destination: {namespace: events}
  sources:
  - repoURL: https://charts.example
    chart: nats
    helm:
      valueFiles: [$infra/values/nats.yaml]
      parameters: [{name: config.jetstream.fileStore.pvc.size, value: 25Gi}]
  - {repoURL: https://code.example/infra, ref: infra}
"""
FILE = "config: {cluster: {enabled: true, replicas: 3}, jetstream: {enabled: true, fileStore: {pvc: {size: 10Gi}}}}\n"


def _origin(found: Discovery, path: str) -> tuple[Knowledge, str]:
    mark = found.system.marks[path]
    return mark.origin, mark.why


def test_a_release_takes_its_values_from_a_config_map_and_its_own_count_more(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"app.yaml": APP, "bus.yaml": FLUX + OWN, "values.yml": BASE})
    (cluster,) = found.system.nats
    assert (cluster.servers, cluster.version, cluster.jetstream) == (5, "2.12.3-alpine", True)
    assert cluster.max_file_bytes == 40 * GI
    assert str(found.system.marks["nats.bus-nats.jetstream"].place).startswith("values.yml:")


def test_a_release_without_values_of_its_own_is_a_release(tmp_path: Path) -> None:
    """And one value of a ConfigMap goes where its path says."""
    one = FLUX + "  - {kind: ConfigMap, name: bus-values, valuesKey: zones, targetPath: config.cluster.replicas}\n"
    found = discovered(tmp_path, {"app.yaml": APP, "bus.yaml": one, "values.yml": BASE})
    assert [(one.name, one.servers, one.jetstream) for one in found.system.nats] == [("bus-nats", 6, True)]


def test_what_the_chart_calls_things_comes_from_the_release(tmp_path: Path) -> None:
    """The chart puts its own name behind the release's, and a Service of the StatefulSet's name for its pods."""
    found = discovered(tmp_path, {"app.yaml": APP, "bus.yaml": FLUX + OWN, "values.yml": BASE})
    (cluster,) = found.system.nats
    assert (cluster.service, cluster.cluster_name, cluster.headless) == ("bus-nats", "bus-nats", "bus-nats-headless")
    plain = discovered(tmp_path / "plain", {"values.yaml": FILE}).system
    assert plain.nats[0].headless == "nats-headless"
    assert plain.marks["nats.nats.cluster_name"].origin is Knowledge.ASSUMED, "nobody said what the release is called"


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_values_that_are_not_at_hand_leave_open_what_nothing_else_sets(tmp_path: Path, kind: str) -> None:
    """No default of the chart is taken for them, and nobody is accused of it."""
    release = FLUX + f"  - {{kind: {kind}, name: elsewhere}}\n"
    found = discovered(tmp_path, {"app.yaml": APP, "bus.yaml": release.replace("bus-values", "gone")})
    (cluster,) = found.system.nats
    assert (cluster.servers, cluster.jetstream) == (3, True)
    for key in ("jetstream", "servers", "version", "route_tls", "route_authorization", "cluster_name", "store_dir"):
        origin, why = _origin(found, f"nats.bus-nats.{key}")
        assert origin is Knowledge.ASSUMED, key
        assert "ConfigMap gone" in why, key
    assert found.system.service("bus-nats").spread_nodes is Spreading.NONE  # type: ignore[union-attr] # it is there
    assert _origin(found, "services.bus-nats.spread_nodes")[0] is Knowledge.ASSUMED
    accused = {hazard.rule for hazard in audit(found.system) if hazard.rule.startswith("nats")}
    assert accused <= {"nats-streams-unseen", "nats-no-network-policy"}


def test_an_application_takes_a_values_file_of_another_source(tmp_path: Path) -> None:
    """One cluster, of the file and the single parameter over it; files of other environments beside it are none."""
    files = {"app.yaml": APP, "argo/nats.yaml": ARGO, "values/nats.yaml": FILE, "values/nats-test.yaml": FILE}
    found = discovered(tmp_path, files)
    (cluster,) = found.system.nats
    assert (cluster.name, cluster.servers, cluster.max_file_bytes) == ("events-nats", 3, 25 * GI)
    assert found.system.service("events-nats").namespace == "events"  # type: ignore[union-attr] # it is there
    (told,) = [note for note in found.notes if "Argo CD deploys" in note]
    assert told.endswith("by hand from https://charts.example (HEAD), https://code.example/infra (HEAD)")


def test_a_values_file_that_is_not_there_is_unknown_and_no_default(tmp_path: Path) -> None:
    found = discovered(tmp_path, {"app.yaml": APP, "argo/nats.yaml": ARGO})
    assert found.system.nats[0].jetstream is True
    origin, why = _origin(found, "nats.events-nats.jetstream")
    assert origin is Knowledge.ASSUMED
    assert "$infra/values/nats.yaml" in why


EVENT_BUS = """
apiVersion: argoproj.io/v1alpha1
kind: EventBus
metadata: {name: flow, namespace: port}
spec: {jetstream: {version: 2.10.10, replicas: 3, persistence: {volumeSize: 20Gi}}}
"""


def test_servers_of_an_operator_keep_the_names_that_it_gives_them(tmp_path: Path) -> None:
    """Argo Events: the cluster is called like the EventBus, routes have TLS, the store is in a folder of its own."""
    found = discovered(tmp_path, {"app.yaml": APP, "bus.yaml": EVENT_BUS})
    (cluster,) = found.system.nats
    assert (cluster.cluster_name, cluster.headless) == ("flow", "eventbus-flow-js-svc")
    assert cluster.store_dir == "/data/jetstream/store"
    accused = {hazard.rule for hazard in audit(found.system)}
    assert not accused & {"nats-route-tls", "nats-store-above-volume"}, "the operator sets both by itself"
