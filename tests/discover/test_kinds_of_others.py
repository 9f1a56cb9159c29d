"""Resources of operators, gateways and monitoring systems of others: each is what it stands for, with its figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from manifest_tree import discovered

from secondsite.model.service import Role
from secondsite.model.store import Loss

DATABASES = {
    "acid.zalan.do/v1, kind: postgresql": "{numberOfInstances: 2, volume: {size: 5Gi}}",
    "stackgres.io/v1, kind: SGCluster": "{instances: 2, pods: {persistentVolume: {size: 5Gi}}}",
    "pgv2.percona.com/v2, kind: PerconaPGCluster": "{instances: [{replicas: 2, dataVolumeClaimSpec: CLAIM}]}",
    "postgres-operator.crunchydata.com/v1beta1, kind: PostgresCluster": (
        "{instances: [{replicas: 2, dataVolumeClaimSpec: CLAIM}]}"
    ),
}
CACHES = {
    "databases.spotahome.com/v1, kind: RedisFailover": ("{redis: {replicas: 3, storage: STORAGE}}", "redis"),
    "redis.redis.opstreelabs.in/v1beta2, kind: RedisReplication": (
        "{clusterSize: 3, storage: {volumeClaimTemplate: CLAIM}}",
        "redis",
    ),
    "hyperspike.io/v1, kind: Valkey": ("{nodes: 3, storage: CLAIM}", "valkey"),
}
BUSES = {
    "argoproj.io/v1alpha1, kind: EventBus": "eventbus-it-js",
    "numaflow.numaproj.io/v1alpha1, kind: InterStepBufferService": "isbsvc-it-js",
}
RULES = (
    "operator.victoriametrics.com/v1beta1, kind: VMRule",
    "monitoring.googleapis.com/v1, kind: Rules",
    "monitoring.coreos.com/v1, kind: PrometheusRule",
)
WAYS_IN = {
    "traefik.io/v1alpha1, kind: IngressRoute": (
        "{routes: [{match: 'Host(`shop.example.org`)', services: [{name: web, port: 80}]}]}"
    ),
    "projectcontour.io/v1, kind: HTTPProxy": (
        "{virtualhost: {fqdn: shop.example.org}, routes: [{services: [{name: web, port: 80}]}]}"
    ),
    "route.openshift.io/v1, kind: Route": "{host: shop.example.org, to: {kind: Service, name: web}}",
}
WEB = """
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "example.org/web:1"}]}}}
"""


def _object(kind: str, spec: str) -> str:
    return f"{{apiVersion: {kind}, metadata: {{name: it}}, spec: {spec}}}"


@pytest.mark.parametrize("kind", DATABASES)
def test_a_database_that_an_operator_runs_is_a_store(tmp_path: Path, kind: str) -> None:
    spec = DATABASES[kind].replace("CLAIM", "{resources: {requests: {storage: 5Gi}}}")
    (store,) = discovered(tmp_path, {"a.yaml": _object(kind, spec)}).system.stores
    assert (store.name, store.engine, store.replicas, store.size_bytes) == ("it", "postgres", 2, 5 << 30)


@pytest.mark.parametrize("kind", CACHES)
def test_a_cache_that_an_operator_runs_is_a_cache(tmp_path: Path, kind: str) -> None:
    spec, engine = CACHES[kind]
    claim = "{spec: {resources: {requests: {storage: 5Gi}}}}"
    written = spec.replace("STORAGE", f"{{persistentVolumeClaim: {claim}}}").replace("CLAIM", claim)
    (store,) = discovered(tmp_path, {"a.yaml": _object(kind, written)}).system.stores
    assert (store.name, store.engine, store.replicas, store.size_bytes) == ("it", engine, 3, 5 << 30)
    assert store.loss is Loss.CACHE


@pytest.mark.parametrize("kind", BUSES)
def test_the_jetstream_that_an_operator_deploys_is_a_cluster(tmp_path: Path, kind: str) -> None:
    spec = "{jetstream: {version: 2.10.3, replicas: 3, persistence: {volumeSize: 5Gi}}}"
    (cluster,) = discovered(tmp_path, {"a.yaml": _object(kind, spec)}).system.nats
    assert (cluster.name, cluster.servers, cluster.version) == (BUSES[kind], 3, "2.10.3")


@pytest.mark.parametrize("annotation", ["auth-url", "auth-type"])
def test_an_ingress_of_nginx_says_in_its_annotations_who_comes_in(tmp_path: Path, annotation: str) -> None:
    ingress = f"""
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, annotations: {{nginx.ingress.kubernetes.io/{annotation}: basic}}}}
spec:
  ingressClassName: nginx
  rules: [{{host: shop.example.org, http: {{paths: [{{backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]
"""
    system = discovered(tmp_path, {"a.yaml": WEB + ingress}).system
    (gateway,) = system.gateways
    assert (gateway.engine, gateway.authentication) == ("nginx", annotation)
    assert system.traffic.host == "shop.example.org"


@pytest.mark.parametrize("kind", RULES)
def test_rules_of_each_monitoring_system_are_alerts(tmp_path: Path, kind: str) -> None:
    rules = _object(kind, "{groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 5m}]}]}")
    (alert,) = discovered(tmp_path, {"a.yaml": rules + WEB}).system.alerts
    assert alert.name == "Down"


@pytest.mark.parametrize("kind", WAYS_IN)
def test_what_a_gateways_own_route_leads_to_is_the_api(tmp_path: Path, kind: str) -> None:
    system = discovered(tmp_path, {"a.yaml": _object(kind, WAYS_IN[kind]) + WEB}).system
    assert {service.name: service.role for service in system.services} == {"web": Role.API}
    assert system.traffic.host == "shop.example.org"
