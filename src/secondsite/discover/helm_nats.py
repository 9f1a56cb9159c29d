"""The values file of the official NATS Helm chart (nats-io/k8s, chart 1.x), read as the chart reads it.

Known by its shape: a ``config`` with one of the chart's own sections and no ``kind``. What the file leaves out
has the chart's defaults, which are stated here and marked as assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, evolve, field, frozen

from secondsite.discover.draft import Draft, under
from secondsite.discover.nats_cluster import cluster_from_conf
from secondsite.discover.nats_conf import Conf, Path, parse_conf
from secondsite.discover.resources import YamlNode
from secondsite.discover.spreading import spread_of_constraint
from secondsite.discover.yaml_source import MapNode, ScalarNode
from secondsite.model.errors import Problem
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster
from secondsite.model.place import Place
from secondsite.model.service import DisruptionBudget, Role, Service, Spreading, Volume
from secondsite.model.units import parse_bytes

_CHART = "the NATS chart's default"
_DEFAULT_FILE_STORE = "10Gi"
_DEFAULT_MEMORY_STORE = "256Mi"


@frozen
class NatsRelease:
    """``marks`` are keyed from the System on."""

    service: Service
    cluster: NatsCluster
    marks: dict[str, Mark]
    notes: tuple[str, ...] = ()
    unread: tuple[Problem, ...] = ()


def release(
    values: MapNode, *, name: str, namespace: str = "default", known: bool = False, unread: Sequence[str] = ()
) -> NatsRelease:
    """The service and the cluster that the chart makes of the values. Raises `InputError`.

    ``known``: ``name`` is the release's; else only a word for it. ``unread``: what sets values too, and was not read.
    """
    top, place = YamlNode(values), values.place
    config = top["config"]
    label = _label(top, name, known=known)
    service = Draft({"name": label, "kind": "StatefulSet", "role": Role.NATS, "ports": (4222, 6222, 8222)})
    service.values["namespace"] = top["namespaceOverride"].text or namespace
    service.mark("", place)
    version = _image(top["container"], service)
    _replicas(config["cluster"], service)
    _container(top["container"]["merge"], service)
    _volume(config["jetstream"], service)
    _pods(top, service)
    _leave_open(service, config, unread)
    built = Service(**service.values)
    conf = evolve(_configuration(config, place.file, label), missing=tuple(unread))
    cluster, marks = cluster_from_conf(conf, name=label, service=label, servers=built.replicas, version=version)
    marks[""] = Mark(Knowledge.READ, place)
    if not config["jetstream"]["enabled"] and not config["merge"]["jetstream"] and not unread:
        marks["jetstream"] = Mark(Knowledge.ASSUMED, place, f"{_CHART} of config.jetstream.enabled")
    marks["servers"] = service.marks["replicas"]
    marks["version"] = service.marks["image"]
    cluster = evolve(cluster, headless=_headless(top, label))
    marks |= _named(top, marks, place, known=known)
    if top["translated"].flag:
        cluster, marks = _without_logins(cluster, marks)
    if top["operated"].flag and "max_file" in marks:
        why = "an operator sets the limit; taken to be the size of the volume"
        marks["max_file"] = Mark(Knowledge.ASSUMED, marks["max_file"].place, why)
    notes = tuple(
        f"{patch.place}: `{key}` of the NATS chart is applied by Helm only; what it changes was not read"
        for key, patch in (("config.patch", config["patch"]), ("statefulSet.patch", top["statefulSet"]["patch"]))
        if patch
    )
    all_marks = {**under(f"services.{label}", service.marks), **under(f"nats.{label}", marks)}
    return NatsRelease(built, cluster, all_marks, (*notes, *(str(note) for note in conf.notes)), tuple(service.unread))


def _label(top: YamlNode, release_name: str, *, known: bool) -> str:
    """The StatefulSet. A release with the chart's name in its own is called after itself alone."""
    own, chart = top["fullnameOverride"].text, top["nameOverride"].text
    if own or not known:
        return own or chart or release_name
    return release_name if (chart or "nats") in release_name else f"{release_name}-{chart or 'nats'}"


def _headless(top: YamlNode, label: str) -> str:
    """Of the old chart the one Service that there is; of Bitnami's and the official one another beside it."""
    return top["headlessService"]["name"].text or (label if top["oneService"].flag else f"{label}-headless")


def _named(top: YamlNode, marks: dict[str, Mark], place: Place, *, known: bool) -> dict[str, Mark]:
    """How sure the names are that the chart gives: where a value names them, or the release is known."""
    own = top["headlessService"]["name"]
    named = dict(marks) | {"headless": Mark(Knowledge.READ, own.place or place)}
    if known:
        return named
    why = f"{_CHART}, for a release of this name; `helm list` shows yours"
    cluster = top["config"]["cluster"]
    name = cluster["merge"]["name"] if cluster["merge"]["name"] else cluster["name"]
    given = {"headless": bool(own), "cluster_name": bool(name) and name.place != place}
    open_ = [key for key, written in given.items() if not written and not named[key].why]
    return named | {key: Mark(Knowledge.ASSUMED, place, why) for key in open_}


def _leave_open(service: Draft, config: YamlNode, unread: Sequence[str]) -> None:
    """What is not set where it was read may be set where it was not: no default of the chart stands for it."""
    if not unread:
        return
    why = f"not set in the values that were read; {unread[0]} has some too, and was not"
    if not config["cluster"]["enabled"]:
        service.values["replicas"] = 3
    for key, mark in list(service.marks.items()):
        if mark.origin is Knowledge.ASSUMED:
            service.marks[key] = Mark(Knowledge.ASSUMED, mark.place, why)
    for key in ("spread_nodes", "spread_zones"):
        if service.values[key] is Spreading.NONE:
            service.marks[key] = Mark(Knowledge.ASSUMED, why=why)


def _without_logins(cluster: NatsCluster, marks: dict[str, Mark]) -> tuple[NatsCluster, dict[str, Mark]]:
    """Of another chart, or of an operator: who may log in was not carried over, and is unknown."""
    why = Mark(Knowledge.ASSUMED, why="what deploys these servers has settings of its own, which were not read")
    unknown: dict[str, Any] = dict.fromkeys(("route_authorization", "gateway_authorization", "client_authorization"))
    return evolve(cluster, **unknown), {**marks, **dict.fromkeys((*unknown, "route_tls"), why)}


def _configuration(config: YamlNode, file: str, label: str) -> Conf:
    """The nats.conf that the chart writes, as far as the model asks for it."""
    written = _Writer()
    cluster, jetstream = config["cluster"], config["jetstream"]
    if cluster["enabled"].flag:
        named = cluster["name"]
        written.put(("cluster", "name"), named.text or label, named if named else cluster)
        written.put(("cluster", "routes"), ["nats://headless:6222"], cluster["enabled"])
        if cluster["tls"]["enabled"].flag:
            written.put(("cluster", "tls"), {"cert_file": "tls.crt"}, cluster["tls"]["enabled"])
        written.merge(("cluster",), cluster["merge"])
    if jetstream["enabled"].flag:
        files, memory = jetstream["fileStore"], jetstream["memoryStore"]
        folder = files["dir"]
        written.put(("jetstream", "store_dir"), folder.text or "/data", folder if folder else jetstream["enabled"])
        if files["enabled"].flag is not False:
            limit = files["maxSize"] if files["maxSize"] else files["pvc"]["size"]
            size = limit.text or _DEFAULT_FILE_STORE
            written.put(("jetstream", "max_file_store"), _literal(size), limit if limit else jetstream["enabled"])
        if memory["enabled"].flag:
            limit = memory["maxSize"]
            size = limit.text or _DEFAULT_MEMORY_STORE
            written.put(("jetstream", "max_memory_store"), _literal(size), limit if limit else memory["enabled"])
        written.merge(("jetstream",), jetstream["merge"])
    for key in ("gateway", "leafnodes"):
        if config[key]["enabled"].flag:
            written.merge((key,), config[key]["merge"])
            if config[key]["tls"]["enabled"].flag:
                written.put((key, "tls"), {"cert_file": "tls.crt"}, config[key]["tls"]["enabled"])
    written.merge((), config["merge"])
    return Conf(file, written.values, written.places)


@define
class _Writer:
    """A configuration as it is merged, with the place of each value."""

    values: dict[str, object] = field(factory=dict)
    places: dict[Path, Place] = field(factory=dict)

    def put(self, path: Path, value: object, at: YamlNode) -> None:
        inside: Any = self.values
        for number, part in enumerate(path[:-1], 1):
            inside = inside.setdefault(part, {})
            if at.place:
                self.places.setdefault(path[:number], at.place)
        inside[path[-1]] = value
        if at.place:
            self.places[path] = at.place

    def merge(self, path: Path, at: YamlNode) -> None:
        for key, value in at.entries.items():
            if isinstance(value.node, MapNode):
                self.merge((*path, key), value)
            else:
                self.put((*path, key), _value(value, self.places, (*path, key)), value)


def _value(at: YamlNode, places: dict[Path, Place], path: Path) -> object:
    """A value as the configuration holds it; ``<< … >>`` is the chart's way to write it unquoted."""
    if at.place:
        places[path] = at.place
    if isinstance(at.node, ScalarNode):
        return _literal(at.node.text) if at.text.startswith("<<") else at.node.value
    if isinstance(at.node, MapNode):
        return {key: _value(value, places, (*path, key)) for key, value in at.entries.items()}
    return [_value(item, places, (*path, number)) for number, item in enumerate(at.items)]


def _literal(text: str) -> object:
    """The text as nats-server reads it: sizes in powers of 1024, variables unresolved."""
    inner = text.removeprefix("<<").removesuffix(">>").strip()
    return parse_conf(f"value: {inner}", "values").values["value"]


def _replicas(cluster: YamlNode, service: Draft) -> None:
    enabled, replicas = cluster["enabled"], cluster["replicas"]
    if enabled and enabled.flag is False:
        service.read("replicas", 1, enabled, "no cluster")
    elif not enabled.flag:
        service.assume("replicas", 1, f"{_CHART} is one server without config.cluster.enabled")
    elif replicas:
        service.values["replicas"] = 3
        service.take("replicas", "whole", replicas)
    else:
        service.assume("replicas", 3, f"{_CHART} of config.cluster.replicas")


def _image(container: YamlNode, service: Draft) -> str:
    """The tag; empty where the chart's own version decides."""
    tag, repository = container["image"]["tag"], container["image"]["repository"].text or "nats"
    if tag.text:
        service.read("image", f"{repository}:{tag.text}", tag)
    else:
        service.assume("image", repository, "the chart's own version of NATS; name container.image.tag")
    return tag.text


def _container(merge: YamlNode, service: Draft) -> None:
    for attribute, kind, resource in (
        ("cpu_request_cores", "requests", "cpu"),
        ("cpu_limit_cores", "limits", "cpu"),
        ("memory_request_bytes", "requests", "memory"),
        ("memory_limit_bytes", "limits", "memory"),
    ):
        at = merge["resources"][kind][resource]
        service.take(attribute, "cores" if resource == "cpu" else "size", at)


def _volume(jetstream: YamlNode, service: Draft) -> None:
    store = jetstream["fileStore"]
    pvc = store["pvc"]
    if not jetstream["enabled"].flag or store["enabled"].flag is False or pvc["enabled"].flag is False:
        return
    size = pvc["size"]
    inner = Draft()
    inner.assume("size_bytes", parse_bytes(_DEFAULT_FILE_STORE), f"{_CHART} of fileStore.pvc.size")
    inner.take("size_bytes", "size", size)
    service.values["volumes"] = (Volume("js", inner.values["size_bytes"], pvc["storageClassName"].text),)
    service.nest("volumes.js", inner)


def _pods(top: YamlNode, service: Draft) -> None:
    template, budget = top["podTemplate"], top["podDisruptionBudget"]
    spread = {
        topology: spread_of_constraint(constraint["whenUnsatisfiable"].text, constraint["maxSkew"].whole)
        for topology, constraint in template["topologySpreadConstraints"].entries.items()
    }
    for attribute, topology in (
        ("spread_nodes", "kubernetes.io/hostname"),
        ("spread_zones", "topology.kubernetes.io/zone"),
    ):
        rule = template["topologySpreadConstraints"][topology]
        service.read(attribute, spread.get(topology, Spreading.NONE), rule if rule else top)
    if budget["enabled"].flag is not False:
        most = budget["merge"]["spec"]["maxUnavailable"]
        if most:
            service.read("disruption_budget", DisruptionBudget(max_unavailable=most.whole), most)
        else:
            service.assume("disruption_budget", DisruptionBudget(max_unavailable=1), f"{_CHART} of podDisruptionBudget")
