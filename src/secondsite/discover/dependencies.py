"""Who calls whom: host names in env, arguments and configuration, matched to the cluster's own Services.

Only what is written in the clear is looked at; the content of a Secret never is. A name counts as a host in a
URL, before a port, as a DNS name of the cluster, or alone in a setting that is named like an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import define, field, frozen

from secondsite.discover.resources import Resource, ResourceInventory, YamlNode, selects
from secondsite.discover.workloads import Workload
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.place import Place

MAX_TEXT = 200_000

_HOST = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)?(?:[^\s@/\"'`,;\[\](){}]{0,200}@)?"
    r"(?P<host>[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9][a-z0-9-]{0,62}){0,8})(?P<port>:\d{2,5})?(?![\w.-])"
)
_NO_HOSTS = ("ko://", "oci://", "docker://")
"""References to images and code: whatever runs calls nobody there."""
_COMMENTS = ("#", "//", "--", ";", "/*", "* ")
_TOKEN = re.compile(r"[^\s\"'`,;\[\](){}<>=|]+")
_ADDRESS_NAME = re.compile(r"HOST|ADDR|URL|URI|ENDPOINT|SERVER|BROKER|NODES|DSN|TARGET", re.IGNORECASE)
_TOP_LEVEL = re.compile(r".*\.[a-z]{2,}")


@frozen
class PodSetting:
    """A named text that a pod is given. ``place`` is where the text's first line stands."""

    name: str
    text: str
    place: Place
    secret: bool = False
    optional: bool = False
    source: str = ""


@frozen
class Host:
    name: str
    place: Place
    url: bool = False


@define
class Network:
    """The cluster's names: each Service of Kubernetes, and the workload behind it."""

    by_name: dict[tuple[str, str], str] = field(factory=dict)
    namespaces: frozenset[str] = frozenset()

    @classmethod
    def of(cls, inventory: ResourceInventory, workloads: Sequence[Workload]) -> Network:
        by_label: dict[tuple[str, str, str], list[Workload]] = {}
        for workload in workloads:
            for key, value in workload.labels.items():
                by_label.setdefault((workload.namespace, key, value), []).append(workload)
        network = cls(namespaces=frozenset(resource.where for resource in inventory.resources))
        for service in inventory.of_kind("Service"):
            key, at = next(iter(service.spec["selector"].entries.items()), ("", YamlNode(None)))
            behind = backend(service, by_label.get((service.where, key, at.text), ()))
            if behind:
                network.by_name[(service.where, service.name)] = behind.name
        for workload in workloads:
            head = workload.resource.spec["serviceName"].text
            if head:
                network.by_name.setdefault((workload.namespace, head), workload.name)
        return network

    def only(self, name: str) -> str | None:
        """The workload behind the one Service of that name: what names no namespace is put where a person says."""
        there = {workload for (_, service), workload in self.by_name.items() if service == name}
        return next(iter(there)) if len(there) == 1 else None

    def resolve(self, host: str, namespace: str) -> str | None:
        """The workload that a name means when it is looked up in a namespace."""
        name = host.rstrip(".").removesuffix(".cluster.local").removesuffix(".svc")
        parts = name.split(".")
        if len(parts) == 1:
            return self.by_name.get((namespace, name))
        full = self.by_name.get((parts[-1], parts[-2]))
        return full or (self.by_name.get((namespace, parts[-1])) if len(parts) == 2 else None)


def backend(service: Resource, candidates: Sequence[Workload]) -> Workload | None:
    selector = service.spec["selector"]
    if not selector.entries:
        return None
    return next((candidate for candidate in candidates if selects(selector, candidate.labels)), None)


def settings_of(workload: Workload, inventory: ResourceInventory) -> Iterator[PodSetting]:
    """Everything a pod is told in the clear, and the names of what it is told in secret."""
    for container in workload.containers:
        for source in container["envFrom"].items:
            yield from _config_map(source.dig("configMapRef", "name").text, workload, inventory)
        for item in container["env"].items:
            setting = _env(item, workload, inventory)
            if setting:
                yield setting
        for key in ("command", "args"):
            for part in container[key].items:
                if isinstance(part.node, ScalarNode):
                    yield PodSetting("", part.text, _first_line(part.node), source=key)
    for volume in workload.pod["volumes"].items:
        for name in (
            volume.dig("configMap", "name").text,
            *(part.dig("configMap", "name").text for part in volume.dig("projected", "sources").items),
        ):
            yield from _config_map(name, workload, inventory, source="file")


def _env(item: YamlNode, workload: Workload, inventory: ResourceInventory) -> PodSetting | None:
    name, value = item["name"].text, item["value"]
    if isinstance(value.node, ScalarNode):
        return PodSetting(name, value.text, _first_line(value.node), source="env")
    reference = item["valueFrom"]
    place = item["name"].place or Place("?")
    secret = reference["secretKeyRef"]
    if secret:
        return PodSetting(name, "", place, secret=True, optional=secret["optional"].flag is True, source="env")
    key = reference["configMapKeyRef"]
    config_map = inventory.find("ConfigMap", workload.namespace, key["name"].text) if key else None
    node = config_map.top["data"][key["key"].text].node if config_map else None
    return PodSetting(name, node.text, _first_line(node), source="env") if isinstance(node, ScalarNode) else None


def _config_map(
    name: str, workload: Workload, inventory: ResourceInventory, source: str = "env"
) -> Iterator[PodSetting]:
    config_map = inventory.find("ConfigMap", workload.namespace, name) if name else None
    if config_map:
        for key, at in config_map.top["data"].entries.items():
            if isinstance(at.node, ScalarNode):
                yield PodSetting(key, at.text, _first_line(at.node), source=source)


def _first_line(node: ScalarNode) -> Place:
    return Place(node.place.file, node.first_line, 0 if node.block else node.place.column)


def hosts_in(setting: PodSetting) -> Iterator[Host]:
    """The names in a setting that can be hosts, with their lines."""
    for offset, line in enumerate(setting.text[:MAX_TEXT].splitlines()):
        place = Place(setting.place.file, setting.place.line + offset, 0 if offset else setting.place.column)
        if line.lstrip().startswith(_COMMENTS):
            continue
        for token in _TOKEN.findall(line):
            match = _HOST.match(token.lower())
            if match and (match["scheme"] or match["port"] or "." in match["host"] or _alone(setting, token)):
                yield Host(match["host"], place, url=match["scheme"] not in (None, *_NO_HOSTS))


def _alone(setting: PodSetting, token: str) -> bool:
    return token == setting.text.strip() and bool(_ADDRESS_NAME.search(setting.name))


def dependencies(
    workload: Workload, settings: Sequence[PodSetting], network: Network
) -> tuple[Mapping[str, Place], Mapping[str, Place]]:
    """Workloads that this one calls, and hosts outside of the cluster, each with the first place that says so."""
    inside: dict[str, Place] = {}
    outside: dict[str, Place] = {}
    for setting in settings:
        for host in hosts_in(setting):
            target = network.resolve(host.name, workload.namespace)
            if target and target != workload.name:
                inside.setdefault(target, host.place)
            elif target is None and host.url and _TOP_LEVEL.fullmatch(host.name) and not _internal(host.name, network):
                outside.setdefault(host.name, host.place)
    return inside, outside


def _internal(host: str, network: Network) -> bool:
    """Of the cluster's own, also where nobody read that Service: ``SERVICE.NAMESPACE`` names no domain."""
    ending = host.rpartition(".")[2] in network.namespaces and host.count(".") == 1
    named = host.endswith((".local", ".svc", ".internal", ".localhost")) or host.startswith("kubernetes.default")
    return ending or named


def secrets_of(workload: Workload) -> Iterator[tuple[str, str, YamlNode]]:
    """Secret name, key (empty: all) and where, for each secret that the pods are given."""
    for container in workload.containers:
        for source in container["envFrom"].items:
            reference = source["secretRef"]
            if reference["name"].text:
                yield reference["name"].text, "", reference["name"]
        for item in container["env"].items:
            reference = item.dig("valueFrom", "secretKeyRef")
            if reference["name"].text:
                yield reference["name"].text, reference["key"].text, reference["name"]
    for volume in workload.pod["volumes"].items:
        projected = [part["secret"]["name"] for part in volume.dig("projected", "sources").items]
        for at in (volume["secret"]["secretName"], *projected):
            if at.text:
                yield at.text, "", at
