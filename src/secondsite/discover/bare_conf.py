"""A nats.conf that stands alone, as the server that would be started with it.

Nothing says where it runs, of which version it is, or how many there are: the routes that it names are counted, and
that is said to be assumed.
"""

from __future__ import annotations

import re
from pathlib import Path

from secondsite.discover.nats_conf import parse_conf
from secondsite.discover.resources import SOURCE, Resource, mapping, scalar
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode
from secondsite.model.place import Place

ENDING = ".conf"
_OF_A_SERVER = re.compile(
    r"^\s*(jetstream|cluster|leaf(nodes)?|gateway|accounts|server_name|authorization|operator|resolver)\b\s*[:={]",
    re.MULTILINE,
)


def is_nats_conf(text: str) -> bool:
    return _OF_A_SERVER.search(text) is not None


def server_of(text: str, path: Path, shown: str) -> list[Resource]:
    """A workload and the file that it mounts. Raises InputError where the server would refuse the file."""
    conf = parse_conf(text, shown)
    place = Place(shown, 1)
    given = conf.values.get("server_name")
    name = given if isinstance(given, str) and re.fullmatch(r"[A-Za-z0-9_.-]+", given) else _stem(path)
    block = conf.values.get("cluster")
    routes = block.get("routes") if isinstance(block, dict) else None
    servers = len(routes) if isinstance(routes, list) and routes else 1
    file = mapping({path.name: ScalarNode(text, text, place)}, place)
    return [
        Resource.of(_object("v1", "ConfigMap", name, place, {"data": file})),
        Resource.of(_workload(name, path.name, servers, place)),
    ]


def _stem(path: Path) -> str:
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", path.stem).strip("-").lower()
    return "nats" if stem in ("", "nats-server", "server") else stem


def _workload(name: str, file: str, servers: int, place: Place) -> MapNode:
    def text(value: str) -> ScalarNode:
        return scalar(value, place)

    def one(**entries: Node) -> MapNode:
        return mapping(dict(entries), place)

    at = f"/etc/nats/{file}"
    container = one(
        name=text("nats"),
        command=ListNode((text("nats-server"), text("-c"), text(at)), place),
        volumeMounts=ListNode((one(name=text("conf"), mountPath=text(at), subPath=text(file)),), place),
    )
    volume = one(name=text("conf"), configMap=one(name=text(name)))
    pod = one(containers=ListNode((container,), place), volumes=ListNode((volume,), place))
    labels = one(app=text(name))
    template = one(metadata=one(labels=labels), spec=pod)
    spec = one(template=template, serviceName=text(name), replicas=scalar(servers, place))
    return _object("apps/v1", "StatefulSet", name, place, {"spec": spec})


def _object(version: str, kind: str, name: str, place: Place, rest: dict[str, Node]) -> MapNode:
    labels = mapping({SOURCE: scalar("nats.conf", place)}, place)
    metadata = mapping({"name": scalar(name, place), "labels": labels}, place)
    head: dict[str, Node] = {"apiVersion": scalar(version, place), "kind": scalar(kind, place), "metadata": metadata}
    return mapping(head | rest, place)
