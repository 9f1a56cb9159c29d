"""The values file of the official NATS Helm chart (nats-io/k8s, chart 1.x), read as the chart reads it.

Known by its shape: a ``config`` with one of the chart's own sections and no ``kind``. What the file leaves out
has the chart's defaults, which are stated here and marked as assumed.
"""

from __future__ import annotations

from attrs import frozen

from secondsite.discover.draft import Draft, under
from secondsite.discover.resources import At
from secondsite.discover.spreading import spread_of_constraint
from secondsite.discover.yaml_source import MapNode, Node
from secondsite.model.mark import Mark
from secondsite.model.nats import NatsCluster
from secondsite.model.service import DisruptionBudget, Role, Service, Spreading, Volume
from secondsite.model.units import Bytes, Seconds, parse_bytes, parse_seconds

_SECTIONS = ("jetstream", "cluster", "leafnodes", "gateway", "websocket", "mqtt", "monitor", "merge", "patch")
_CHART = "the NATS chart's default"
_POWERS = {"k": 10, "m": 20, "g": 30, "t": 40}


@frozen
class NatsRelease:
    """``marks`` are keyed from the System on."""

    service: Service
    cluster: NatsCluster
    marks: dict[str, Mark]
    notes: tuple[str, ...] = ()


def is_nats_values(node: Node) -> MapNode | None:
    """The values, also where an umbrella chart holds them under ``nats``; None for anything else."""
    if not isinstance(node, MapNode) or At(node)["kind"]:
        return None
    for candidate in (node, node.get("nats")):
        config = At(candidate)["config"]
        if isinstance(candidate, MapNode) and any(isinstance(config[key].node, MapNode) for key in _SECTIONS):
            return candidate
    return None


def release(values: MapNode, *, name: str) -> NatsRelease:
    """The service and the cluster that the chart makes of the values. Raises `InputError`."""
    top, place = At(values), values.place
    config = top["config"]
    service, cluster = Draft(), Draft()
    for draft in (service, cluster):
        draft.values["name"] = top["fullnameOverride"].text or top["nameOverride"].text or name
        draft.mark("", place)
    label = str(service.values["name"])
    cluster.values["service"] = label
    _servers(config, service, cluster)
    _image(top["container"], service, cluster)
    _container(top["container"]["merge"], service)
    _jetstream(config["jetstream"], service, cluster)
    _links(config, cluster)
    _pods(top, service)
    service.values |= {"kind": "StatefulSet", "role": Role.NATS, "ports": (4222, 6222, 8222)}
    service.values["namespace"] = top["namespaceOverride"].text or "default"
    marks = {**under(f"services.{label}", service.marks), **under(f"nats.{label}", cluster.marks)}
    notes = tuple(
        f"{found.place}: `{key}` of the NATS chart is applied by Helm only; what it changes was not read"
        for key, found in (("config.patch", config["patch"]), ("statefulSet.patch", top["statefulSet"]["patch"]))
        if found
    )
    return NatsRelease(Service(**service.values), NatsCluster(**cluster.values), marks, notes)


def _servers(config: At, service: Draft, cluster: Draft) -> None:
    enabled, replicas = config["cluster"]["enabled"], config["cluster"]["replicas"]
    if not enabled.flag:
        for draft, key in ((service, "replicas"), (cluster, "servers")):
            draft.read(key, 1, enabled if enabled else config)
    elif replicas:
        service.read("replicas", replicas.whole, replicas)
        cluster.read("servers", replicas.whole, replicas)
    else:
        for draft, key in ((service, "replicas"), (cluster, "servers")):
            draft.assume(key, 3, f"{_CHART} of config.cluster.replicas")
    tls = config["cluster"]["tls"]["enabled"]
    cluster.read("route_tls", tls.flag, tls)


def _image(container: At, service: Draft, cluster: Draft) -> None:
    image = container["image"]
    tag, repository = image["tag"], image["repository"].text or "nats"
    if tag:
        service.read("image", f"{repository}:{tag.text}", tag)
        cluster.read("version", tag.text, tag)
    else:
        service.assume("image", repository, "the chart's own version of NATS; name container.image.tag")


def _container(merge: At, service: Draft) -> None:
    for attribute, kind, resource in (
        ("cpu_request_cores", "requests", "cpu"),
        ("cpu_limit_cores", "limits", "cpu"),
        ("memory_request_bytes", "requests", "memory"),
        ("memory_limit_bytes", "limits", "memory"),
    ):
        at = merge["resources"][kind][resource]
        service.read(attribute, at.cores if resource == "cpu" else at.size, at)


def _jetstream(jetstream: At, service: Draft, cluster: Draft) -> None:
    enabled = jetstream["enabled"]
    cluster.read("jetstream", bool(enabled.flag), enabled)
    if not enabled.flag:
        cluster.values["jetstream"] = False
        return
    _file_store(jetstream["fileStore"], service, cluster)
    memory = jetstream["memoryStore"]
    if memory["enabled"].flag:
        if memory["maxSize"]:
            cluster.read("max_memory_bytes", _store_size(memory["maxSize"]), memory["maxSize"])
        else:
            cluster.assume("max_memory_bytes", parse_bytes("256Mi"), f"{_CHART} of memoryStore.maxSize")
    merge = jetstream["merge"]
    cluster.read("domain", merge["domain"].text or None, merge["domain"])
    sync = merge["sync_interval"]
    if sync:
        cluster.read("sync_interval_s", Seconds(0) if sync.text == "always" else parse_seconds(sync.text), sync)


def _file_store(store: At, service: Draft, cluster: Draft) -> None:
    pvc = store["pvc"]
    if store["enabled"].flag is False:
        return
    size = pvc["size"].size or parse_bytes("10Gi")
    if pvc["enabled"].flag is not False:
        service.values["volumes"] = (Volume("js", size, pvc["storageClassName"].text),)
        if pvc["size"]:
            service.mark("volumes", pvc["size"])
            service.mark("volumes.js.size", pvc["size"])
        else:
            service.assume("volumes", None, f"{_CHART} of fileStore.pvc.size")
    limit = store["maxSize"] if store["maxSize"] else pvc["size"]
    if limit:
        cluster.read("max_file_bytes", _store_size(limit), limit)
    else:
        cluster.assume("max_file_bytes", size, f"{_CHART} of fileStore.pvc.size")


def _links(config: At, cluster: Draft) -> None:
    merge = config["merge"]
    account = merge["system_account"]
    cluster.read("system_account", account.text or None, account)
    for key in ("gateway", "leafnodes"):
        if config[key]["enabled"].flag:
            cluster.mark(key, config[key])


def _pods(top: At, service: Draft) -> None:
    template, budget = top["podTemplate"], top["podDisruptionBudget"]
    spread = {
        topology: spread_of_constraint(constraint["whenUnsatisfiable"].text, constraint["maxSkew"].whole)
        for topology, constraint in template["topologySpreadConstraints"].entries.items()
    }
    for attribute, topology in (
        ("spread_nodes", "kubernetes.io/hostname"),
        ("spread_zones", "topology.kubernetes.io/zone"),
    ):
        found = template["topologySpreadConstraints"][topology]
        service.read(attribute, spread.get(topology, Spreading.NONE), found if found else top)
    if budget["enabled"].flag is not False:
        most = budget["merge"]["spec"]["maxUnavailable"]
        if most:
            service.read("disruption_budget", DisruptionBudget(max_unavailable=most.whole), most)
        else:
            service.assume("disruption_budget", DisruptionBudget(max_unavailable=1), f"{_CHART} of podDisruptionBudget")


def _store_size(at: At) -> Bytes | None:
    """NATS's units: K, M, G and T are powers of 1024 there."""
    text = at.text.strip().lower().removesuffix("b").removesuffix("i")
    power = _POWERS.get(text[-1:])
    if power and text[:-1].replace(".", "", 1).isdecimal():
        return Bytes(round(float(text[:-1]) * 2**power))
    return at.size
