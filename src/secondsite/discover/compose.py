"""Docker compose files, as the objects of Kubernetes that say the same: the rest of discovery knows only those.

A service is a workload with a Service of its name, a file that is mounted from beside the compose file is a ConfigMap,
a named volume is a claim whose size nobody knows. Places are those of the compose file and of the mounted files. What
compose has no word for stays out, so that it is assumed as everywhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from secondsite.discover.bare_conf import ENDING
from secondsite.discover.resources import SOURCE, Resource, YamlNode, mapping, scalar, with_entries
from secondsite.discover.yaml_source import ListNode, MapNode, Node, ScalarNode, read_text
from secondsite.model.errors import InputError
from secondsite.model.place import Place

FILE_NAME = re.compile(r"(docker-)?compose([-_.].*)?\.ya?ml", re.IGNORECASE)
OVERRIDE = re.compile(r"(docker-)?compose\.override\.ya?ml", re.IGNORECASE)
_USUAL = re.compile(r"(docker-)?compose\.ya?ml", re.IGNORECASE)
_DEFAULT = re.compile(r"\$\{[A-Za-z_]\w*:?-([^}]*)\}")
_MOST_BYTES = 1_000_000
_MOST_CONFS = 20
_MERGED = ("environment", "labels", "deploy")
_COMPLETED = "service_completed_successfully"
_ADDED = ("ports", "volumes", "configs", "expose")


@frozen(eq=False)
class ComposeFile:
    path: Path
    node: MapNode
    named: bool


def is_compose(node: Node, path: Path) -> bool:
    """No object of Kubernetes, and each of its services says what to run; by its name an override need not."""
    top = YamlNode(node)
    services = top["services"].entries
    runs = all(one["image"] or one["build"] or one["extends"] or one["command"] for one in services.values())
    known = runs or FILE_NAME.fullmatch(path.name) is not None
    return bool(services) and known and not top["apiVersion"] and not top["kind"]


def usual(files: Sequence[ComposeFile]) -> tuple[list[ComposeFile], list[ComposeFile]]:
    """Of one folder: what ``docker compose`` takes by itself, and what only a person would name."""
    named = [file for file in files if file.named]
    taken = named or [file for file in files if _USUAL.fullmatch(file.path.name) or OVERRIDE.fullmatch(file.path.name)]
    taken = taken or list(files[:1])
    taken.sort(key=lambda file: bool(OVERRIDE.fullmatch(file.path.name)))
    return taken, [file for file in files if file not in taken]


def resources_of(files: Sequence[ComposeFile], shown: Mapping[Path, str]) -> list[Resource]:
    """Later files are laid over earlier ones. ``shown``: how the mounted files beside them are named."""
    services: dict[str, MapNode] = {}
    configs: dict[str, Node] = {}
    for file in files:
        for name, service in YamlNode(file.node)["services"].entries.items():
            if isinstance(service.node, MapNode):
                services[name] = _over(services[name], service.node) if name in services else service.node
        configs |= {name: at.node for name, at in YamlNode(file.node)["configs"].entries.items() if at.node is not None}
    nodes = {name: YamlNode(node) for name, node in services.items()}
    awaited = {
        name
        for at in nodes.values()
        for name, how in at["depends_on"].entries.items()
        if how["condition"].text == _COMPLETED
    }
    reader = _Reader(files[0].path.parent, configs, shown, frozenset(awaited))
    return [resource for name, at in _started(nodes).items() for resource in reader.service(name, at)]


def _started(services: Mapping[str, YamlNode]) -> Mapping[str, YamlNode]:
    """Without what only a profile starts: tools for developers, where anything starts without one."""
    started = {name: at for name, at in services.items() if not at["profiles"].items}
    return started or services


def _over(below: MapNode, above: MapNode) -> MapNode:
    """As compose merges: mappings by key, lists of ports and volumes one after the other, all else replaced."""
    merged: dict[str, Node] = {}
    for key, value in above.entries.items():
        known = below.entries.get(key)
        if key in _MERGED and isinstance(known, MapNode) and isinstance(value, MapNode):
            merged[key] = with_entries(known, value.entries)
        elif key in _ADDED and isinstance(known, ListNode) and isinstance(value, ListNode):
            merged[key] = ListNode((*known.items, *value.items), known.place)
        else:
            merged[key] = value
    return with_entries(below, merged)


@frozen
class _Mount:
    """``text`` is None for a volume or a folder."""

    name: str
    path: str
    text: ScalarNode | None
    place: Place


@frozen
class _Reader:
    folder: Path
    configs: Mapping[str, Node]
    shown: Mapping[Path, str]
    awaited: frozenset[str] = frozenset()

    def service(self, name: str, at: YamlNode) -> Iterator[Resource]:
        place = at.place or Place("?")
        mounts = [*self._volumes(name, at), *self._configs(name, at)]
        for mount in mounts:
            yield Resource.of(_file(mount) if mount.text else _claim(mount))
        keeps = any(mount.text is None for mount in mounts)
        once = name in self.awaited or at["restart"].text == "no"
        kind = "Job" if once else "StatefulSet" if keeps else "Deployment"
        yield Resource.of(_workload(kind, name, at, mounts, place))
        yield Resource.of(_network(name, name, at, place))
        for other in _other_names(at):
            if other != name:
                yield Resource.of(_network(other, name, at, place))

    def _volumes(self, name: str, at: YamlNode) -> Iterator[_Mount]:
        for number, item in enumerate(at["volumes"].items):
            source, target = item["source"].text, item["target"].text
            read_only = item["read_only"].flag or item["type"].text == "tmpfs"
            if not target:
                source, _, rest = _plain(item.text).partition(":")
                target, _, mode = rest.partition(":")
                target, read_only = target or source, "ro" in mode.split(",")
            place = item.place or Place("?")
            text = self._text(source)
            for file, text in self._configurations(source):
                yield _Mount(f"{name}-{number}-{file}", f"{target.rstrip('/')}/{file}", text, place)
            if text is not None or not read_only:
                yield _Mount(f"{name}-{number}", target, text, place)

    def _configs(self, name: str, at: YamlNode) -> Iterator[_Mount]:
        for number, item in enumerate(at["configs"].items):
            source = item["source"].text or item.text
            declared = YamlNode(self.configs.get(source))
            content = declared["content"].node
            text = content if isinstance(content, ScalarNode) else self._text(declared["file"].text)
            if text is not None:
                yield _Mount(
                    f"{name}-config-{number}", item["target"].text or f"/{source}", text, item.place or Place("?")
                )

    def _configurations(self, source: str) -> Iterator[tuple[str, ScalarNode]]:
        """Of a folder beside the compose file, what a server may be started with."""
        folder = self.folder / source
        for path in _confs_in(folder) if source.startswith((".", "/")) else ():
            text = self._text(f"{source}/{path.name}")
            if text is not None:
                yield path.name, text

    def _text(self, source: str) -> ScalarNode | None:
        """Of a file beside the compose file; None for a volume, a folder, and what is no text or not there."""
        path = self.folder / source
        if not source.startswith((".", "/")) or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        shown = self.shown.get(path.resolve(), str(path))
        try:
            text = read_text(path, shown)
        except InputError:
            return None
        return ScalarNode(text, text, Place(shown, 1))


def mounted_by(file: ComposeFile) -> Iterator[Path]:
    """The paths that a compose file names, so that they can be shown as the others are."""
    top = YamlNode(file.node)
    sources = [
        item["source"].text or _plain(item.text).partition(":")[0]
        for service in top["services"].entries.values()
        for item in service["volumes"].items
    ]
    sources += [config["file"].text for config in top["configs"].entries.values()]
    beside = [file.path.parent / source for source in sources if source.startswith((".", "/"))]
    yield from beside
    for path in beside:
        yield from _confs_in(path)


def _confs_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{ENDING}"))[:_MOST_CONFS] if folder.is_dir() else []


def _file(mount: _Mount) -> MapNode:
    assert mount.text is not None  # noqa: S101 - the caller looked
    name = mount.path.rpartition("/")[2]
    return _object("v1", "ConfigMap", mount.name, mount.place, {"data": mapping({name: mount.text}, mount.place)})


def _claim(mount: _Mount) -> MapNode:
    return _object("v1", "PersistentVolumeClaim", mount.name, mount.place, {"spec": mapping({}, mount.place)})


def _workload(kind: str, name: str, at: YamlNode, mounts: Sequence[_Mount], place: Place) -> MapNode:
    labels = mapping({"app": scalar(name, place)}, place)
    container: dict[str, Node] = {"name": scalar(name, place)}
    if at["image"].node is not None:
        container["image"] = _interpolated(at["image"])
    for key, theirs in (("command", "entrypoint"), ("args", "command")):
        words = _words(at[theirs])
        if words:
            container[key] = ListNode(words, at[theirs].place or place)
    container["env"] = ListNode(tuple(_environment(at["environment"])), place)
    container["ports"] = ListNode(tuple(_ports(at)), place)
    container["volumeMounts"] = ListNode(tuple(_mounted(mount) for mount in mounts), place)
    resources = at.dig("deploy", "resources")
    if resources.node is not None:
        container["resources"] = _resources(resources)
    pod: dict[str, Node] = {
        "containers": ListNode((mapping(container, place),), place),
        "volumes": ListNode(tuple(_volume(mount) for mount in mounts), place),
    }
    template = mapping({"metadata": mapping({"labels": labels}, place), "spec": mapping(pod, place)}, place)
    spec: dict[str, Node] = {"template": template, "serviceName": scalar(name, place)}
    replicas = at.dig("deploy", "replicas") or at["scale"]
    if replicas.node is not None:
        spec["replicas"] = replicas.node
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return _object(version, kind, name, place, {"spec": mapping(spec, place)})


def _other_names(at: YamlNode) -> tuple[str, ...]:
    """What else the network calls it by."""
    aliases = [alias.text for network in at["networks"].entries.values() for alias in network["aliases"].items]
    return tuple(dict.fromkeys(filter(None, (at["container_name"].text, at["hostname"].text, *aliases))))


def _network(name: str, service: str, at: YamlNode, place: Place) -> MapNode:
    """What publishes a port is reached from outside; so are all of them from each other."""
    spec: dict[str, Node] = {"selector": mapping({"app": scalar(service, place)}, place)}
    ports = [mapping({"port": number["containerPort"]}, place) for number in map(_entries, _ports(at))]
    spec["ports"] = ListNode(tuple(ports), place)
    if any(not _of_the_machine(item) for item in at["ports"].items):
        spec["type"] = scalar("LoadBalancer", at["ports"].place or place)
    return _object("v1", "Service", name, place, {"spec": mapping(spec, place)})


def _of_the_machine(port: YamlNode) -> bool:
    """Whether it is published to the machine itself alone, for its people and no client."""
    host = port["host_ip"].text or _plain(port.text)
    return host.startswith(("127.", "localhost:", "[::1]", "::1"))


def _entries(node: MapNode) -> dict[str, Node]:
    return node.entries


def _object(version: str, kind: str, name: str, place: Place, rest: dict[str, Node]) -> MapNode:
    metadata = mapping(
        {"name": scalar(name, place), "labels": mapping({SOURCE: scalar("docker compose", place)}, place)}, place
    )
    head: dict[str, Node] = {"apiVersion": scalar(version, place), "kind": scalar(kind, place), "metadata": metadata}
    return mapping(head | rest, place)


def _mounted(mount: _Mount) -> MapNode:
    name = mount.path.rpartition("/")[2]
    match: dict[str, Node] = {"name": scalar(mount.name, mount.place), "mountPath": scalar(mount.path, mount.place)}
    if mount.text is not None:
        match["subPath"] = scalar(name, mount.place)
    return mapping(match, mount.place)


def _volume(mount: _Mount) -> MapNode:
    key, word = ("configMap", "name") if mount.text is not None else ("persistentVolumeClaim", "claimName")
    inner = mapping({word: scalar(mount.name, mount.place)}, mount.place)
    return mapping({"name": scalar(mount.name, mount.place), key: inner}, mount.place)


def _words(at: YamlNode) -> tuple[Node, ...]:
    """A command is a list, or a text that is split as a shell would."""
    if at.items:
        return tuple(_interpolated(item) for item in at.items)
    if not at.text:
        return ()
    try:
        words = shlex.split(_plain(at.text))
    except ValueError:
        words = _plain(at.text).split()
    return tuple(scalar(word, at.place or Place("?")) for word in words)


def _environment(at: YamlNode) -> Iterator[Node]:
    for name, value in at.entries.items():
        if value.node is not None and value.place is not None:
            yield mapping({"name": scalar(name, value.place), "value": _interpolated(value)}, value.place)
    for item in at.items:
        name, equals, value_text = _plain(item.text).partition("=")
        if equals and item.place is not None:
            yield mapping({"name": scalar(name, item.place), "value": scalar(value_text, item.place)}, item.place)


def _ports(at: YamlNode) -> Iterator[MapNode]:
    """The container's side of each: ``127.0.0.1:8080:80/tcp`` is 80, and a range is its first."""
    for item in (*at["ports"].items, *at["expose"].items):
        text = item["target"].text or _plain(item.text).partition("/")[0].rpartition(":")[2].partition("-")[0]
        if text.isdecimal() and item.place is not None:
            yield mapping({"containerPort": scalar(int(text), item.place)}, item.place)


def _resources(at: YamlNode) -> MapNode:
    match: dict[str, Node] = {}
    for key, theirs in (("limits", "limits"), ("requests", "reservations")):
        names = (("cpu", "cpus"), ("memory", "memory"))
        values = {name: node for name, word in names if (node := at[theirs][word].node) is not None}
        if values:
            match[key] = mapping(values, at.place or Place("?"))
    return mapping(match, at.place or Place("?"))


def _interpolated(at: YamlNode) -> ScalarNode:
    """Of ``${NAME:-default}`` the default; any other variable stays, and is unknown wherever it stands."""
    place = at.place or Place("?")
    return scalar(_plain(at.text), place)


def _plain(text: str) -> str:
    return _DEFAULT.sub(lambda match: match[1], text).replace("$$", "$")
