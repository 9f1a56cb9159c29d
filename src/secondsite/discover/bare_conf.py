"""A nats.conf that stands alone, as the server that would be started with it.

Nothing says where it runs, of which version it is, or how many there are: the routes that it names are counted, and
that is said to be assumed. What it includes is read with it, and is no server of its own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from attrs import define, field

from secondsite.discover.nats_conf import parse_conf
from secondsite.discover.resources import SOURCE, Resource, mapping, scalar
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode, read_text
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place

ENDING = ".conf"
_FOLDER = "/etc/nats"
_OF_A_SERVER = re.compile(
    r"^\s*(jetstream|cluster|leaf(nodes)?|gateway|accounts|server_name|authorization|operator|resolver)\b\s*[:={]",
    re.MULTILINE,
)
_INCLUDES = re.compile(r"^\s*include\b", re.MULTILINE)


def is_nats_conf(text: str) -> bool:
    return _OF_A_SERVER.search(text) is not None


@define
class ServerFile:
    """A configuration, and the files that it includes, by the names that it has for them."""

    path: Path
    shown: Callable[[Path], str]
    others: Collection[Path] = ()
    """Files that a person named by their folder; what stands below the configuration may be included as well."""
    included: dict[str, Path] = field(factory=dict)

    def include(self, name: str) -> tuple[str, str]:
        path = self.path.parent / name
        real = path.resolve()
        if not real.is_file() or not (real in self.others or real.is_relative_to(self.path.parent.resolve())):
            raise KeyError(name)
        self.included[name] = path
        return read_text(path, self.shown(path)), self.shown(path)


def servers_in(
    paths: Sequence[Path], shown: Callable[[Path], str], problems: list[Problem]
) -> Iterator[tuple[Path, list[Resource]]]:
    """Of all these files those that a server would be started with: what another includes is a part of it."""
    files: list[tuple[ServerFile, list[Resource]]] = []
    known = {path.resolve() for path in paths}
    for path in paths:
        file = ServerFile(path, shown, known)
        own = False
        try:
            text = read_text(path, shown(path))
            own = is_nats_conf(text)
            if own or _INCLUDES.search(text):
                resources = server_of(text, file)
                if own or any(is_nats_conf(read_text(part, shown(part))) for part in file.included.values()):
                    files.append((file, resources))
        except InputError as error:
            problems += error.problems if own else ()  # the configuration of some other program
    parts = {path.resolve() for file, _ in files for path in file.included.values()}
    yield from ((file.path, resources) for file, resources in files if file.path.resolve() not in parts)


def server_of(text: str, file: ServerFile) -> list[Resource]:
    """A workload and the files that it mounts. Raises InputError where the server would refuse one of them."""
    shown = file.shown(file.path)
    conf = parse_conf(text, shown, include=file.include)
    place = Place(shown, 1)
    given = conf.values.get("server_name")
    name = given if isinstance(given, str) and re.fullmatch(r"[A-Za-z0-9_.-]+", given) else _stem(file.path)
    block = conf.values.get("cluster")
    routes = block.get("routes") if isinstance(block, dict) else None
    servers = len(routes) if isinstance(routes, list) and routes else 1
    own = posixpath.join(*["folder"] * _ups(file.included), file.path.name)
    folder = posixpath.dirname(own)
    data: dict[str, Node] = {own: ScalarNode(text, text, place)}
    for key, path in file.included.items():
        held, at = read_text(path, file.shown(path)), Place(file.shown(path), 1)
        data[posixpath.normpath(posixpath.join(folder, key))] = ScalarNode(held, held, at)
    return [
        Resource.of(_object("v1", "ConfigMap", name, place, {"data": mapping(data, place)})),
        Resource.of(_workload(name, own, servers, place)),
    ]


def _ups(names: Collection[str]) -> int:
    """How many folders above the configuration the highest of these stands."""
    return max((name.split("/").count("..") for name in names), default=0)


def _stem(path: Path) -> str:
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", path.stem).strip("-").lower()
    return "nats" if stem in ("", "nats-server", "server") else stem


def _workload(name: str, file: str, servers: int, place: Place) -> MapNode:
    def text(value: str) -> ScalarNode:
        return scalar(value, place)

    def one(**entries: Node) -> MapNode:
        return mapping(dict(entries), place)

    container = one(
        name=text("nats"),
        command=ListNode((text("nats-server"), text("-c"), text(posixpath.join(_FOLDER, file))), place),
        volumeMounts=ListNode((one(name=text("conf"), mountPath=text(_FOLDER)),), place),
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
