"""What a container is, by its image and, where the image says nothing, by its ports."""

from __future__ import annotations

import re

from attrs import frozen

from secondsite.discover.transforms import split_image
from secondsite.model.service import Role
from secondsite.model.store import Loss


@frozen
class Product:
    """``engine`` is the product's name; ``loss`` is set for what holds data outside NATS."""

    engine: str
    role: Role
    loss: Loss | None = None


PART_OF = "app.kubernetes.io/part-of"
DELIVERING = ("argocd", "flux")
"""Of what deploys the system: neither its API nor its name."""
_NATS = Product("nats", Role.NATS)
_REDIS = Product("redis", Role.CACHE, Loss.CACHE)
_POSTGRES = Product("postgres", Role.DATABASE, Loss.DATA)
_QDRANT = Product("qdrant", Role.VECTOR_STORE, Loss.DATA)

# The last part of an image's repository, whole. Exporters, shells and operators of a product are not it.
_BY_IMAGE: tuple[tuple[str, Product], ...] = (
    (r"nats-streaming(-server)?|stan", Product("nats-streaming", Role.OTHER)),
    (r"nats(-server)?|synadia-server", _NATS),
    (r"redis(-stack(-server)?|-ha)?|valkey|keydb|dragonfly|bitnami-redis", _REDIS),
    (r"memcached", Product("memcached", Role.CACHE, Loss.CACHE)),
    (r"postgres(ql)?(-\d+)?|pgvector|postgis|timescaledb(-ha)?|spilo-\d+|alloydb(omni)?", _POSTGRES),
    (r"mysql(-server)?|mariadb|percona(-server)?", Product("mysql", Role.DATABASE, Loss.DATA)),
    (r"mongo(db)?|mongodb-community-server", Product("mongodb", Role.DATABASE, Loss.DATA)),
    (r"clickhouse(-server)?", Product("clickhouse", Role.DATABASE, Loss.DATA)),
    (r"cockroach(db)?", Product("cockroachdb", Role.DATABASE, Loss.DATA)),
    (r"cassandra|scylla", Product("cassandra", Role.DATABASE, Loss.DATA)),
    (r"elasticsearch|opensearch", Product("elasticsearch", Role.DATABASE, Loss.DATA)),
    (r"influxdb", Product("influxdb", Role.DATABASE, Loss.DATA)),
    (r"neo4j", Product("neo4j", Role.DATABASE, Loss.DATA)),
    (r"minio", Product("minio", Role.DATABASE, Loss.DATA)),
    (r"qdrant", _QDRANT),
    (r"weaviate", Product("weaviate", Role.VECTOR_STORE, Loss.DATA)),
    (r"milvus", Product("milvus", Role.VECTOR_STORE, Loss.DATA)),
    (r"kong(-gateway)?", Product("kong", Role.GATEWAY)),
    (r"(ingress-)?nginx-(ingress-)?controller|ingress-nginx|controller-ingress", Product("nginx", Role.GATEWAY)),
    (r"traefik", Product("traefik", Role.GATEWAY)),
    (r"envoy|envoyproxy|gateway-envoy", Product("envoy", Role.GATEWAY)),
    (r"haproxy(-ingress)?", Product("haproxy", Role.GATEWAY)),
    (r"prometheus", Product("prometheus", Role.OBSERVABILITY)),
    (r"alertmanager", Product("alertmanager", Role.OBSERVABILITY)),
    (r"grafana(-enterprise)?", Product("grafana", Role.OBSERVABILITY)),
    (r"loki", Product("loki", Role.OBSERVABILITY)),
    (r"tempo", Product("tempo", Role.OBSERVABILITY)),
    (r"promtail|fluent-bit|fluentd|vector|alloy", Product("log-shipper", Role.OBSERVABILITY)),
    (r"opentelemetry-(collector.*|operator)|otel-?col(lector)?.*", Product("opentelemetry", Role.OBSERVABILITY)),
    (r"(kube-state-metrics|node-exporter)", Product("exporter", Role.OBSERVABILITY)),
    (r"argocd|argocd-.*|argo-cd", Product("argocd", Role.DELIVERY)),
    (r"source-controller|kustomize-controller|helm-controller", Product("flux", Role.DELIVERY)),
    (r"external-secrets", Product("external-secrets", Role.SECRETS)),
    (r"vault", Product("vault", Role.SECRETS)),
    (r"velero", Product("velero", Role.BACKUP)),
)
_PATTERNS = tuple((re.compile(pattern), kind) for pattern, kind in _BY_IMAGE)

_BY_PORTS: tuple[tuple[frozenset[int], Product], ...] = (
    (frozenset({4222, 6222}), _NATS),
    (frozenset({4222, 8222}), _NATS),
    (frozenset({6379}), _REDIS),
    (frozenset({5432}), _POSTGRES),
    (frozenset({6333, 6334}), _QDRANT),
)
# Images of these names say nothing about what runs in them.
_NOT_THE_PRODUCT = re.compile(r"exporter|nats-box|reloader|proxy|pgbouncer|operator|sidecar|init|cli")


def kind_of(image: str, ports: tuple[int, ...] = (), *, starts_nats: bool = False) -> Product | None:
    """None is an application of its own. ``starts_nats``: its arguments are those of nats-server."""
    last = split_image(image)[0].rpartition("/")[2].lower()
    for pattern, kind in _PATTERNS:
        if pattern.fullmatch(last):
            return kind
    if _NOT_THE_PRODUCT.search(last):
        return None
    if starts_nats:
        return _NATS
    return next((kind for wanted, kind in _BY_PORTS if wanted <= set(ports)), None)
