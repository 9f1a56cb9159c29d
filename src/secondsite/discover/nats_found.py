"""NATS clusters among the workloads, with their configuration, streams and consumers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from attrs import define, evolve, field, frozen

from secondsite.discover.dependencies import Network, dependencies, settings_of
from secondsite.discover.draft import under
from secondsite.discover.nats_cluster import cluster_from_conf
from secondsite.discover.nats_conf import Conf, parse_conf
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.stream_calls import read_script
from secondsite.discover.streams import StreamDrafts, read_config_map, read_nack
from secondsite.discover.workloads import Workload, workloads_of
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.errors import InputError, Problem
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster
from secondsite.model.service import Service

_NACK = ("Stream", "Consumer", "KeyValue", "ObjectStore")


@define
class FoundNats:
    """``marks`` are keyed from the System on."""

    clusters: list[NatsCluster] = field(factory=list)
    marks: dict[str, Mark] = field(factory=dict)
    notes: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)


@frozen
class _File:
    """A configuration file in a ConfigMap."""

    resource: Resource
    key: str
    node: ScalarNode


def nats_of(
    inventory: ResourceInventory, workloads: Sequence[Workload], services: Mapping[str, Service], network: Network
) -> FoundNats:
    """Each workload that runs nats-server is a cluster. Problems are collected."""
    found = FoundNats()
    for workload in workloads:
        if workload.kind and workload.kind.engine == "nats":
            try:
                _add_cluster(found, workload, services[workload.name], inventory)
            except InputError as error:
                found.problems.extend(error.problems)
    _add_streams(found, inventory, workloads, network)
    return found


def _add_cluster(found: FoundNats, workload: Workload, service: Service, inventory: ResourceInventory) -> None:
    tag = service.image.rpartition("/")[2].partition(":")[2].partition("@")[0]
    file = _configuration(workload, inventory)
    if file is None:
        cluster, marks = _from_arguments(workload, service.replicas, tag)
        found.notes.append(f"{workload.resource.place}: no nats.conf of {workload.name} was found in a ConfigMap")
    else:
        conf = _parse(file, workload)
        found.notes += [str(note) for note in conf.notes]
        cluster, marks = cluster_from_conf(
            conf, name=workload.name, service=workload.name, servers=service.replicas, version=tag
        )
    replicas = workload.resource.spec["replicas"]
    marks[""] = Mark(Knowledge.READ, workload.resource.place)
    marks["servers"] = Mark(Knowledge.READ, replicas.place or workload.resource.place)
    if tag and workload.main["image"].place:
        marks["version"] = Mark(Knowledge.READ, workload.main["image"].place)
    found.clusters.append(cluster)
    found.marks |= under(f"nats.{workload.name}", marks)


def _from_arguments(workload: Workload, servers: int, tag: str) -> tuple[NatsCluster, dict[str, Mark]]:
    flags = [item for key in ("command", "args") for item in workload.main[key].items]
    enabled = next((flag for flag in flags if flag.text in ("-js", "--js", "--jetstream", "-jetstream")), None)
    marks = {"jetstream": Mark(Knowledge.READ, enabled.place)} if enabled else {}
    name, on = workload.name, enabled is not None
    return NatsCluster(name, service=name, servers=servers, version=tag, jetstream=on), marks


def _configuration(workload: Workload, inventory: ResourceInventory) -> _File | None:
    """The file that the server is started with, else the first mounted one that is named like a configuration."""
    named = _config_argument(workload)
    files: dict[str, _File] = {}
    for mount in workload.main["volumeMounts"].items:
        volume = next(
            (item for item in workload.pod["volumes"].items if item["name"].text == mount["name"].text), YamlNode(None)
        )
        sources = [volume["configMap"]["name"], *(part["configMap"]["name"] for part in _projected(volume))]
        for source in sources:
            resource = inventory.find("ConfigMap", workload.namespace, source.text) if source.text else None
            for key, at in (resource.top["data"].entries if resource else {}).items():
                if resource and isinstance(at.node, ScalarNode):
                    folder, part = mount["mountPath"].text, mount["subPath"].text
                    path = folder if part == key else posixpath.join(folder, key)
                    files.setdefault(path, _File(resource, key, at.node))
    if named in files:
        return files[named]
    return next((file for file in files.values() if file.key.endswith(".conf")), None)


def _projected(volume: YamlNode) -> Sequence[YamlNode]:
    return volume.dig("projected", "sources").items


def _config_argument(workload: Workload) -> str:
    words = [item.text for key in ("command", "args") for item in workload.main[key].items]
    for word, after in pairwise([*words, ""]):
        if word in ("-c", "--config", "-config"):
            return after
        if word.startswith(("--config=", "-config=", "-c=")):
            return word.partition("=")[2]
    return ""


def _parse(file: _File, workload: Workload) -> Conf:
    def include(name: str) -> tuple[str, str]:
        node = file.resource.top["data"][posixpath.basename(name)].node
        if not isinstance(node, ScalarNode):
            raise KeyError(name)
        # Padded, so that its lines are those of the manifest.
        return "\n" * (node.first_line - 1) + node.text, node.place.file

    return parse_conf(
        file.node.text,
        file.node.place.file,
        first_line=file.node.first_line,
        include=include,
        environment=_environment(workload),
    )


_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


def _environment(workload: Workload) -> dict[str, str]:
    """Plain values, and what the field references of a first pod would give. Secrets stay unknown.

    ``$(NAME)`` in a value is what Kubernetes puts there; where that is unknown, so is the value.
    """
    values: dict[str, str] = {}
    for item in workload.main["env"].items:
        path = item.dig("valueFrom", "fieldRef", "fieldPath").text
        if item["value"]:
            value = _REFERENCE.sub(lambda match: values.get(match[1], match[0]), item["value"].text)
            if not _REFERENCE.search(value):
                values[item["name"].text] = value
        elif path == "metadata.name":
            values[item["name"].text] = f"{workload.resource.name}-0"
        elif path == "metadata.namespace":
            values[item["name"].text] = workload.namespace
    return values


def _add_streams(
    found: FoundNats, inventory: ResourceInventory, workloads: Sequence[Workload], network: Network
) -> None:
    by_cluster: dict[str, StreamDrafts] = {}
    names = [cluster.name for cluster in found.clusters]
    users = [*workloads, *workloads_of(inventory, "Job")]
    owners = _Owners(names, {item.name: item.namespace for item in workloads}, users, inventory, network)
    for resource in inventory.of_kind("ConfigMap", *_NACK):
        if resource.kind != "ConfigMap" and resource.group != "jetstream.nats.io":
            continue
        streams = (
            StreamDrafts()
            if resource.kind == "ConfigMap"
            else by_cluster.setdefault(owners.of(resource), StreamDrafts())
        )
        try:
            if resource.kind != "ConfigMap":
                read_nack(resource, streams)
            elif read_config_map(resource, streams):
                _absorb(by_cluster.setdefault(owners.of(resource), StreamDrafts()), streams)
        except InputError as error:
            found.problems.extend(error.problems)
    for user in users:
        _add_calls(found, user, owners, by_cluster)
    for name, streams in by_cluster.items():
        _attach(found, name, streams)


def _add_calls(found: FoundNats, user: Workload, owners: _Owners, by_cluster: dict[str, StreamDrafts]) -> None:
    for setting in settings_of(user, owners.inventory):
        if setting.source in ("command", "args", "file") and "nats" in setting.text:
            streams = StreamDrafts()
            try:
                if read_script(setting.text, setting.place, streams):
                    _absorb(by_cluster.setdefault(owners.called_by(user), StreamDrafts()), streams)
            except InputError as error:
                found.problems.extend(error.problems)


def _absorb(into: StreamDrafts, streams: StreamDrafts) -> None:
    """What was configured before stays; a second description adds what the first left out."""
    for name, draft in streams.drafts.items():
        known = into.drafts.setdefault(name, draft)
        known.values = {**draft.values, **known.values}
        known.marks = {**draft.marks, **known.marks}
    for name, consumers in streams.consumers.items():
        into.consumers[name] = {**consumers, **into.consumers.get(name, {})}


@frozen
class _Owners:
    """Which cluster a stream's description is meant for."""

    names: Sequence[str]
    namespaces: Mapping[str, str]
    users: Sequence[Workload]
    inventory: ResourceInventory
    network: Network

    def of(self, resource: Resource) -> str:
        if len(self.names) < 2:
            return self._default(resource.where)
        for server in resource.spec["servers"].texts:
            target = self.network.resolve(server.rpartition("//")[2].partition(":")[0], resource.where)
            if target and target in self.names:
                return target
        for user in self.users:
            mounted = (volume.dig("configMap", "name").text for volume in user.pod["volumes"].items)
            if user.namespace == resource.where and resource.name in mounted:
                return self.called_by(user)
        return self._default(resource.where)

    def called_by(self, user: Workload) -> str:
        if len(self.names) < 2:
            return self._default(user.namespace)
        inside, _ = dependencies(user, list(settings_of(user, self.inventory)), self.network)
        return next((name for name in inside if name in self.names), self._default(user.namespace))

    def _default(self, namespace: str) -> str:
        near = (name for name in self.names if self.namespaces.get(name) == namespace)
        return next(near, self.names[0] if self.names else "nats")


def _attach(found: FoundNats, name: str, streams: StreamDrafts) -> None:
    """Put streams into their cluster; where no manifest runs one, it is assumed to run elsewhere."""
    built, marks = streams.build()
    if not built:
        return
    index = next((i for i, cluster in enumerate(found.clusters) if cluster.name == name), None)
    if index is None:
        found.clusters.append(NatsCluster(name, streams=built))
        found.marks[f"nats.{name}"] = Mark(Knowledge.ASSUMED, why="streams are configured, but no manifest runs NATS")
    else:
        found.clusters[index] = evolve(found.clusters[index], streams=built)
    found.marks |= under(f"nats.{name}", marks.marks)
