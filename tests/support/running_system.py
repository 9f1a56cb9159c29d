"""A small system as an API server holds it: a service, a NATS server, a stream of a custom resource, a Secret."""

from __future__ import annotations

from typing import Any

CONF = """server_name: $POD_NAME
cluster { name: acme-main, routes: [nats://bus-0.bus:6222] }
jetstream {
  store_dir: /data
  max_file_store: 15Gi
}
"""
PASSWORD = "hunter2-and-more"

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "streams.jetstream.nats.io"},
    "spec": {
        "group": "jetstream.nats.io",
        "scope": "Namespaced",
        "names": {"plural": "streams", "singular": "stream", "kind": "Stream", "listKind": "StreamList"},
        "versions": [
            {
                "name": "v1beta2",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def named(kind: str, name: str, namespace: str = "", version: str = "v1", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def workload(kind: str, name: str, namespace: str, container: dict[str, Any], **more: Any) -> dict[str, Any]:
    labels = {"app": name}
    template: dict[str, Any] = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", **container}]}}
    template["spec"].update(more.pop("pod", {}))
    spec = {"selector": {"matchLabels": labels}, "template": template, **more}
    return named(kind, name, namespace, "apps/v1", spec=spec)


def namespaces() -> list[dict[str, Any]]:
    return [named("Namespace", name) for name in ("shop", "other")]


def nats_server(namespace: str = "shop") -> list[dict[str, Any]]:
    volume = {"name": "conf", "configMap": {"name": "bus-config"}}
    container = {
        "image": "nats:2.11.4",
        "args": ["-c", "/etc/nats/nats.conf"],
        "volumeMounts": [{"name": "conf", "mountPath": "/etc/nats"}],
    }
    more = {"replicas": 3, "serviceName": "bus", "pod": {"volumes": [volume]}}
    return [
        named("ConfigMap", "bus-config", namespace, data={"nats.conf": CONF}),
        named(
            "Service",
            "bus",
            namespace,
            spec={"clusterIP": "None", "selector": {"app": "bus"}, "ports": [{"port": 4222}]},
        ),
        workload("StatefulSet", "bus", namespace, container, **more),
    ]


def stream() -> dict[str, Any]:
    spec = {"name": "ORDERS", "subjects": ["orders.>"], "storage": "file", "replicas": 3}
    return named("Stream", "orders", "shop", "jetstream.nats.io/v1beta2", spec=spec)


def service(name: str = "api", namespace: str = "shop", replicas: int = 4) -> dict[str, Any]:
    password = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}
    container = {
        "image": "registry.example/api:1.4",
        "env": [{"name": "NATS_URL", "value": "nats://bus:4222"}, password],
    }
    return workload("Deployment", name, namespace, container, replicas=replicas)


def secret() -> dict[str, Any]:
    return named("Secret", "login", "shop", stringData={"password": PASSWORD})
