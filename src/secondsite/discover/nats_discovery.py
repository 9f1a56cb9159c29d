"""NATS clusters among the workloads, with their configuration, streams and consumers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from attrs import define, evolve, field, frozen

from secondsite.discover.dependencies import Network, dependencies, settings_of
from secondsite.discover.draft import under
from secondsite.discover.nats_cluster import cluster_from_conf
from secondsite.discover.nats_command import CommandLine, command_line, overlaid
from secondsite.discover.nats_conf import Conf
from secondsite.discover.nats_files import mounted_files, parse_mounted
from secondsite.discover.resources import Resource, ResourceInventory
from secondsite.discover.stream_calls import read_script
from secondsite.discover.stream_scripts import KIND as SCRIPT_KIND
from secondsite.discover.streams import StreamDrafts, read_config, read_config_map, read_nack
from secondsite.discover.transforms import split_image
from secondsite.discover.workloads import SERVERS_BY_ROUTES, Workload, workloads_of
from secondsite.discover.yaml_source import ScalarNode
from secondsite.model.errors import InputError, Problem
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster
from secondsite.model.service import Service

_NACK = ("Stream", "Consumer", "KeyValue", "ObjectStore")


@define
class NatsDiscovery:
    """``marks`` are keyed from the System on."""

    clusters: list[NatsCluster] = field(factory=list)
    marks: dict[str, Mark] = field(factory=dict)
    notes: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    routes: dict[str, tuple[str, ...]] = field(factory=dict)


def nats_of(
    inventory: ResourceInventory, workloads: Sequence[Workload], services: Mapping[str, Service], network: Network
) -> NatsDiscovery:
    """Each workload that runs nats-server is a cluster. Problems are collected."""
    discovery = NatsDiscovery()
    for workload in workloads:
        if workload.kind and workload.kind.engine == "nats":
            try:
                _add_cluster(discovery, workload, services[workload.name], inventory)
            except InputError as error:
                discovery.problems.extend(error.problems)
    join_parts(discovery, workloads, network)
    _add_streams(discovery, inventory, workloads, network)
    return discovery


def _add_cluster(discovery: NatsDiscovery, workload: Workload, service: Service, inventory: ResourceInventory) -> None:
    line = command_line(workload.main)
    conf = _configuration(discovery, workload, line, inventory)
    version, version_mark = _version(workload)
    cluster, marks = cluster_from_conf(
        overlaid(conf or Conf(workload.resource.place.file, {}), line),
        name=workload.name,
        service=workload.name,
        servers=service.replicas,
        version=version,
        problems=discovery.problems,
    )
    if conf is None and not line.jetstream:
        cluster, marks = _without_config(cluster, marks, workload, line)
    headless = workload.resource.spec["serviceName"]
    container = workload.main["name"]
    cluster = evolve(cluster, headless=headless.text, container=container.text)
    marks |= {
        key: Mark(Knowledge.READ, at.place) for key, at in (("headless", headless), ("container", container)) if at
    }
    replicas = workload.resource.spec["replicas"]
    marks[""] = Mark(Knowledge.READ, workload.resource.place)
    marks["servers"] = Mark(Knowledge.READ, replicas.place or workload.resource.place)
    if workload.resource.source == "nats.conf":
        marks["servers"] = Mark(Knowledge.ASSUMED, workload.resource.place, SERVERS_BY_ROUTES)
    marks["version"] = version_mark
    discovery.clusters.append(cluster)
    discovery.routes[cluster.name] = _route_hosts(overlaid(conf or Conf(workload.resource.place.file, {}), line))
    discovery.marks |= under(f"nats.{workload.name}", marks)


def _without_config(
    cluster: NatsCluster, marks: dict[str, Mark], workload: Workload, line: CommandLine
) -> tuple[NatsCluster, dict[str, Mark]]:
    """No configuration was read: nothing of it is known, but for a server that is started without any."""
    place = workload.resource.place
    if not line.config and not marks["jetstream"].why:
        why = "neither a configuration nor -js is given, and the server's default is off"
        return cluster, {**marks, "jetstream": Mark(Knowledge.ASSUMED, place, why)}
    cluster = evolve(cluster, route_authorization=None, gateway_authorization=None, client_authorization=None)
    why = f"the server's configuration {line.config} was not read" if line.config else "no configuration was read"
    unknown = {key: Mark(Knowledge.ASSUMED, place, why) for key, mark in marks.items() if key != "name"}
    flags = ("cluster_name", "store_dir")
    kept = {key: mark for key, mark in marks.items() if key in flags and mark.origin is Knowledge.READ}
    return evolve(cluster, jetstream=True), {
        **marks,
        **unknown,
        **kept,
        "jetstream": Mark(Knowledge.ASSUMED, place, why),
    }


def _configuration(
    discovery: NatsDiscovery, workload: Workload, line: CommandLine, inventory: ResourceInventory
) -> Conf | None:
    """The file that the server is started with, else the first mounted one that is named like a configuration."""
    files = mounted_files(workload, inventory)
    file = files.get(line.config) or next((file for path, file in files.items() if path.endswith(".conf")), None)
    if file is None:
        if line.config:
            what = f"{line.config}, the configuration of {workload.name}, is in no ConfigMap or Secret that was read"
            discovery.notes.append(f"{workload.resource.place}: {what}")
        elif not line.jetstream:
            discovery.notes.append(
                f"{workload.resource.place}: no nats.conf of {workload.name} was found in a ConfigMap"
            )
        return None
    try:
        conf = parse_mounted(file, files, _environment(workload))
    except InputError as error:
        discovery.problems += error.problems
        return None
    discovery.notes += [str(note) for note in conf.notes]
    return conf


_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?)((?:-(?:alpine|scratch|linux|windows\w*|nanoserver)[\w.]*)*)(.*)")


def _version(workload: Workload) -> tuple[str, Mark]:
    """The tag as far as it is a version; what another image than NATS's own is tagged with is a guess."""
    image = workload.main["image"]
    place = image.place or workload.resource.place
    repository, tag = split_image(image.text.partition("@")[0])
    tag = tag.removeprefix(":")
    match = _VERSION.fullmatch(tag)
    if not tag or match is None:
        return tag, Mark(Knowledge.ASSUMED, place, f"the image {image.text} names no version")
    version = match[1] + match[2]
    if "nats" not in repository.rpartition("/")[2].lower():
        return version, Mark(Knowledge.ASSUMED, place, f"the tag of {repository}, which may be a version of its own")
    return version, Mark(Knowledge.READ, place)


def _route_hosts(conf: Conf) -> tuple[str, ...]:
    block = conf.values.get("cluster")
    routes = block.get("routes") if isinstance(block, dict) else None
    urls = routes if isinstance(routes, list) else [routes]
    hosts = (re.sub(r"^\w+://|^[^@/]*@", "", url.rpartition("@")[2]) for url in urls if isinstance(url, str))
    return tuple(host.partition(":")[0].partition("/")[0] for host in hosts)


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


def join_parts(discovery: NatsDiscovery, workloads: Sequence[Workload], network: Network) -> None:
    """Servers that one StatefulSet a zone runs are one cluster: the same cluster name, and routes to each other."""
    by_name = {workload.name: workload for workload in workloads}
    for first in list(discovery.clusters):
        if first not in discovery.clusters or not first.cluster_name:
            continue
        together = [first]
        for other in discovery.clusters:
            alike = other is not first and other.cluster_name == first.cluster_name
            if alike and any(_dial_each_other(discovery, one, other, by_name, network) for one in together):
                together.append(other)
        if len(together) > 1:
            _join(discovery, together)


def _dial_each_other(
    discovery: NatsDiscovery,
    one: NatsCluster,
    other: NatsCluster,
    by_name: Mapping[str, Workload],
    network: Network,
) -> bool:
    """One of the two is enough: a server that comes later is in nobody else's routes."""
    return any(
        network.resolve(host, by_name[here.name].namespace) == there.name
        for here, there in ((one, other), (other, one))
        for host in discovery.routes.get(here.name, ())
    )


def _join(discovery: NatsDiscovery, together: Sequence[NatsCluster]) -> None:
    first, rest = together[0], together[1:]
    servers = sum(cluster.servers for cluster in together)
    whole = evolve(first, servers=servers, parts=tuple(cluster.service for cluster in together))
    discovery.clusters = [
        whole if cluster is first else cluster for cluster in discovery.clusters if cluster not in rest
    ]
    for cluster in rest:
        discovery.marks = {
            key: mark
            for key, mark in discovery.marks.items()
            if key != f"nats.{cluster.name}" and not key.startswith(f"nats.{cluster.name}.")
        }
    discovery.marks[f"nats.{first.name}.parts"] = discovery.marks[f"nats.{first.name}"]


def _add_streams(
    discovery: NatsDiscovery, inventory: ResourceInventory, workloads: Sequence[Workload], network: Network
) -> None:
    by_cluster: dict[str, StreamDrafts] = {}
    names = [cluster.name for cluster in discovery.clusters]
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
            else:
                discovery.problems += streams.unread
        except InputError as error:
            discovery.problems.extend(error.problems)
    run = set[str]()
    for user in users:
        run |= _add_calls(discovery, user, owners, by_cluster)
    _add_scripts(discovery, inventory, owners, by_cluster, run)
    for name, streams in by_cluster.items():
        _attach(discovery, name, streams)


def _add_scripts(
    discovery: NatsDiscovery,
    inventory: ResourceInventory,
    owners: _Owners,
    by_cluster: dict[str, StreamDrafts],
    run: Collection[str],
) -> None:
    """Where nothing else defines a stream; else they are told. ``run``: files that were read as a workload's own."""
    defined = any(streams.drafts or streams.consumers for streams in by_cluster.values())
    for script in inventory.of_kind(SCRIPT_KIND):
        if script.place.file in run:
            continue
        if defined:
            discovery.notes.append(f"{script.place}: adds streams as well; not read, as others define them already")
            continue
        streams = StreamDrafts()
        for name, at in script.top["files"].entries.items():
            if isinstance(at.node, ScalarNode) and read_config(at.node, name, streams):
                streams.configured.add(name)
        if read_script(script.top["script"].text, script.place, streams) or streams.configured:
            _absorb(by_cluster.setdefault(owners.by_default(script.where), StreamDrafts()), streams)
        discovery.problems += streams.unread


def _add_calls(
    discovery: NatsDiscovery, user: Workload, owners: _Owners, by_cluster: dict[str, StreamDrafts]
) -> set[str]:
    """The files that its streams were read from."""
    read = set[str]()
    for setting in settings_of(user, owners.inventory):
        if setting.source in ("command", "args", "file") and "nats" in setting.text:
            streams = StreamDrafts()
            try:
                if read_script(setting.text, setting.place, streams):
                    read.add(setting.place.file)
                    _absorb(by_cluster.setdefault(owners.called_by(user), StreamDrafts()), streams)
            except InputError as error:
                discovery.problems.extend(error.problems)
    return read


def _absorb(into: StreamDrafts, streams: StreamDrafts) -> None:
    """What was configured before stays; a second description adds what the first left out."""
    for name, draft in streams.drafts.items():
        known = into.drafts.setdefault(name, draft)
        known.values = {**draft.values, **known.values}
        known.marks = {**draft.marks, **known.marks}
    into.unread += streams.unread
    into.whole |= streams.whole
    into.elsewhere |= streams.elsewhere
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
            return self.by_default(resource.where)
        for server in self._servers(resource):
            target = self.network.resolve(server.rpartition("//")[2].partition(":")[0], resource.where)
            if target and target in self.names:
                return target
        for user in self.users:
            mounted = (volume.dig("configMap", "name").text for volume in user.pod["volumes"].items)
            if user.namespace == resource.where and resource.name in mounted:
                return self.called_by(user)
        return self.by_default(resource.where)

    def _servers(self, resource: Resource) -> tuple[str, ...]:
        """Its own, else those of the Account that it names."""
        account = self.inventory.find("Account", resource.where, resource.spec["account"].text)
        return resource.spec["servers"].texts or (account.spec["servers"].texts if account else ())

    def called_by(self, user: Workload) -> str:
        if len(self.names) < 2:
            return self.by_default(user.namespace)
        inside, _ = dependencies(user, list(settings_of(user, self.inventory)), self.network)
        return next((name for name in inside if name in self.names), self.by_default(user.namespace))

    def by_default(self, namespace: str) -> str:
        near = (name for name in self.names if self.namespaces.get(name) == namespace)
        return next(near, self.names[0] if self.names else "nats")


def _attach(discovery: NatsDiscovery, name: str, streams: StreamDrafts) -> None:
    """Put streams into their cluster; where no manifest runs one, it is assumed to run elsewhere."""
    built, marks = streams.build()
    if not built:
        return
    index = next((i for i, cluster in enumerate(discovery.clusters) if cluster.name == name), None)
    if index is None:
        discovery.clusters.append(NatsCluster(name, streams=built))
        unseen = Mark(Knowledge.ASSUMED, why="streams are configured, but no manifest runs NATS")
        of_servers = ("", "servers", "version", "sync_interval", "route_tls")
        discovery.marks |= under(f"nats.{name}", dict.fromkeys(of_servers, unseen))
    else:
        discovery.clusters[index] = evolve(discovery.clusters[index], streams=built)
    discovery.marks |= under(f"nats.{name}", marks.marks)
    discovery.problems += marks.unread
