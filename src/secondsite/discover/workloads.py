"""Workloads of a cluster -> Services: what runs, how much of it, how it is watched and kept apart.

A pod's requests are those of all its containers together, as the scheduler reserves them; limits, probes and
image are those of the container that gives the workload its purpose. One-off Jobs do not run all the time and are
no Services; CronJobs are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from attrs import field, frozen

from secondsite.catalogue.figures import load_figures
from secondsite.discover.draft import Draft
from secondsite.discover.nats_command import names_a_server
from secondsite.discover.operated import operates
from secondsite.discover.recognise import Product, kind_of
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.spreading import spread_of
from secondsite.model.errors import InputError
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place
from secondsite.model.service import Autoscale, DisruptionBudget, Probe, Probes, Volume
from secondsite.model.units import Bytes, Cores, Seconds

KINDS = (
    *("Deployment", "StatefulSet", "DaemonSet", "CronJob", "ReplicaSet", "ReplicationController", "Rollout"),
    *("DeploymentConfig", "KnativeService"),
)
SERVERS_BY_ROUTES = "nothing says how many servers run it: as many as it has routes"
_KEDA_MOST = 100
"""KEDA's default of maxReplicaCount."""


@frozen(eq=False)
class Workload:
    """A resource that runs pods, under the name that is its own in the System. ``kind`` is None for an application."""

    name: str
    resource: Resource
    pod: YamlNode
    main: YamlNode
    ports: tuple[int, ...]
    kind: Product | None
    labels: Mapping[str, str] = field(repr=False)

    @property
    def namespace(self) -> str:
        return self.resource.where

    @property
    def containers(self) -> tuple[YamlNode, ...]:
        return (*self.pod["containers"].items, *self.pod["initContainers"].items)


def workloads_of(inventory: ResourceInventory, *kinds: str) -> Iterator[Workload]:
    """Named for the System: by name, and by ``namespace/name`` where that name is taken."""
    taken: set[str] = set()
    referenced = {(rollout.where, rollout.spec["workloadRef"]["name"].text) for rollout in inventory.of_kind("Rollout")}
    for resource in inventory.of_kind(*(kinds or KINDS)):
        if _is_made(resource, inventory):
            continue
        if resource.kind == "Deployment" and (resource.where, resource.name) in referenced:
            continue
        name = resource.name if resource.name not in taken else f"{resource.where}/{resource.name}"
        taken.add(name)
        yield _workload(resource, name, inventory)


def _is_made(resource: Resource, inventory: ResourceInventory) -> bool:
    """Whether another object that is read makes it: a running cluster shows both."""
    for owner in resource.top.dig("metadata", "ownerReferences").items:
        kind, group, name = owner["kind"].text, owner["apiVersion"].text.rpartition("/")[0], owner["name"].text
        if kind == "Revision":  # of Knative, which puts two objects of its own between
            kind, name = "KnativeService", resource.labels.get("serving.knative.dev/service", "")
        known = kind in KINDS or operates(kind, group)
        if resource.kind == "ReplicaSet" or (known and inventory.find(kind, resource.where, name)):
            return True
    return False


def _workload(resource: Resource, name: str, inventory: ResourceInventory) -> Workload:
    spec = resource.spec.dig("jobTemplate", "spec") if resource.kind == "CronJob" else resource.spec
    referenced = inventory.find("Deployment", resource.where, spec["workloadRef"]["name"].text)
    template = referenced.spec["template"] if referenced and resource.kind == "Rollout" else spec["template"]
    pod = template["spec"]
    main, kind = _main_container(pod)
    labels = {key: value.text for key, value in template.dig("metadata", "labels").entries.items()}
    return Workload(name, resource, pod, main, ports_of(main), kind, labels)


def _main_container(pod: YamlNode) -> tuple[YamlNode, Product | None]:
    """The first container that is recognised, else the first of all."""
    containers = pod["containers"].items
    for container in containers:
        kind = kind_of(container["image"].text, ports_of(container), starts_nats=names_a_server(container))
        if kind:
            return container, kind
    return (containers[0] if containers else YamlNode(None)), None


def ports_of(container: YamlNode) -> tuple[int, ...]:
    """Those that are numbers; the others are told when the service is read."""
    ports = [item["containerPort"].text for item in container["ports"].items]
    return tuple(int(port) for port in ports if port.isdecimal() and len(port) < 6)


def service_draft(workload: Workload, inventory: ResourceInventory) -> Draft:
    """All but role and dependencies, which need a view of the whole."""
    draft, resource = Draft(), workload.resource
    draft.values |= {"name": workload.name, "namespace": workload.namespace, "kind": resource.kind}
    draft.mark("", resource.place)
    if workload.name != resource.name:
        draft.read("object", resource.name, resource.place)
    draft.mark("kind", resource.top["kind"])
    draft.mark("namespace", resource.top.dig("metadata", "namespace"))
    parts: list[Callable[[Workload, Draft], None]] = [_replicas, _image, _resources, _probes, _spread]
    parts += [partial(part, inventory) for part in (_volumes, _autoscale, _budget, _policy)]
    for part in parts:
        try:
            part(workload, draft)
        except InputError as error:
            draft.unread += error.problems
    if resource.source:
        _made_up(resource, draft)
    return draft


def _made_up(resource: Resource, draft: Draft) -> None:
    """Of what is no object of Kubernetes."""
    why = f"{resource.source} has no such field; this is what it would be on Kubernetes"
    draft.marks["kind"] = Mark(Knowledge.ASSUMED, resource.place, why)
    if resource.source == "nats.conf":
        draft.marks["replicas"] = Mark(Knowledge.ASSUMED, resource.place, SERVERS_BY_ROUTES)


def _replicas(workload: Workload, draft: Draft) -> None:
    replicas = workload.resource.spec["replicas"]
    if workload.resource.kind == "DaemonSet":
        nodes = load_figures()["daemon-set.nodes"].mean
        draft.assume("replicas", int(nodes), "a DaemonSet has a pod on every node, and manifests name no nodes")
    elif replicas:
        draft.take("replicas", "whole", replicas)
        if draft.values.get("replicas", 0) < 0:
            del draft.values["replicas"]
            what = f"{replicas.text} is negative"
            draft.unknown("replicas", InputError.at(replicas.place or Place("?"), what, "write 0 or more"))


def _image(workload: Workload, draft: Draft) -> None:
    image, ports = workload.main["image"], workload.main["ports"]
    draft.read("image", image.text or None, image)
    draft.read("ports", workload.ports or None, ports)
    for item in ports.items:
        try:
            _ = item["containerPort"].whole
        except InputError as error:
            draft.unknown("ports", error)


def _resources(workload: Workload, draft: Draft) -> None:
    main = workload.main["resources"]
    requested = [container["resources"]["requests"] for container in workload.pod["containers"].items]
    cpu = [at["cpu"] for at in requested if at["cpu"]]
    memory = [at["memory"] for at in requested if at["memory"]]
    if cpu:
        try:
            total = Cores(round(math.fsum(at.cores or 0.0 for at in cpu), 9))
            draft.read("cpu_request_cores", total, main["requests"]["cpu"] or cpu[0], _together(cpu))
        except InputError as error:
            draft.unknown("cpu_request_cores", error)
    if memory:
        try:
            size = Bytes(sum(at.size or 0 for at in memory))
            draft.read("memory_request_bytes", size, main["requests"]["memory"] or memory[0], _together(memory))
        except InputError as error:
            draft.unknown("memory_request_bytes", error)
    limited = [container["resources"]["limits"]["cpu"] for container in workload.pod["containers"].items]
    if all(limited):  # one without a limit may take what the node has
        try:
            total = Cores(round(math.fsum(at.cores or 0.0 for at in limited), 9))
            draft.read("cpu_limit_cores", total, main["limits"]["cpu"], _together(limited))
        except InputError as error:
            draft.unknown("cpu_limit_cores", error)
    draft.take("memory_limit_bytes", "size", main["limits"]["memory"])


def _together(parts: list[YamlNode]) -> str:
    return f"{len(parts)} containers of the pod together" if len(parts) > 1 else ""


def _probes(workload: Workload, draft: Draft) -> None:
    named = {item["name"].text: _port(item["containerPort"]) for item in workload.main["ports"].items if item["name"]}
    probes: dict[str, Probe] = {}
    for key in ("startup", "readiness", "liveness"):
        at = workload.main[f"{key}Probe"]
        if at:
            inner = _probe(at, named)
            probes[key] = Probe(**inner.values)
            draft.nest(f"probes.{key}", inner)
    if probes:
        draft.values["probes"] = Probes(**probes)


def _probe(at: YamlNode, named: Mapping[str, int]) -> Draft:
    draft = Draft({"kind": "exec"})
    draft.mark("", at)
    for key, kind in (("httpGet", "http"), ("tcpSocket", "tcp"), ("grpc", "grpc"), ("exec", "exec")):
        action = at[key]
        if action.node is None:
            continue
        draft.read("kind", kind, action)
        draft.read("path", action["path"].text or None, action["path"])
        port = action["port"]
        if port:
            draft.read("port", named[port.text] if port.text in named else _port(port), port)
    for attribute, key in (
        ("initial_delay_s", "initialDelaySeconds"),
        ("period_s", "periodSeconds"),
        ("timeout_s", "timeoutSeconds"),
    ):
        draft.take(attribute, "whole", at[key])
        if attribute in draft.values:
            draft.values[attribute] = Seconds(draft.values[attribute])
    draft.take("failure_threshold", "whole", at["failureThreshold"])
    return draft


def _port(at: YamlNode) -> int:
    """A number; a name that no port has is unknown."""
    return int(at.text) if at.text.isdecimal() else 0


def _spread(workload: Workload, draft: Draft) -> None:
    spread = spread_of(workload.pod)
    nothing = workload.resource.spec["replicas"].place or workload.resource.place
    draft.read("spread_nodes", spread.nodes, spread.nodes_at.place or nothing)
    draft.read("spread_zones", spread.zones, spread.zones_at.place or nothing)


def _volumes(inventory: ResourceInventory, workload: Workload, draft: Draft) -> None:
    volumes: list[Volume] = []
    for claim, name in _claims(workload, inventory):
        spec = claim["spec"]
        size = spec.dig("resources", "requests", "storage")
        if size:
            inner = Draft({"size_bytes": Bytes(0)})
            inner.mark("", claim)
            inner.take("size_bytes", "size", size)
            volumes.append(Volume(name, inner.values["size_bytes"], spec["storageClassName"].text))
            draft.nest(f"volumes.{name}", inner)
            draft.mark(f"volumes.{name}.storage_class", spec["storageClassName"])
        elif workload.resource.source:
            volumes.append(Volume(name, Bytes(0)))
            why = f"{workload.resource.source} gives a volume no size: write how large it is"
            draft.marks[f"volumes.{name}.size"] = Mark(Knowledge.ASSUMED, claim.place, why)
    if volumes:
        draft.values["volumes"] = tuple(volumes)


def _claims(workload: Workload, inventory: ResourceInventory) -> Iterator[tuple[YamlNode, str]]:
    """The claim (template) behind each volume, and the volume's name."""
    for template in workload.resource.spec["volumeClaimTemplates"].items:
        yield template, template.dig("metadata", "name").text
    for volume in workload.pod["volumes"].items:
        claim = inventory.find(
            "PersistentVolumeClaim", workload.namespace, volume.dig("persistentVolumeClaim", "claimName").text
        )
        if claim:
            yield claim.top, volume["name"].text
        template = volume.dig("ephemeral", "volumeClaimTemplate")
        if template:
            yield template, volume["name"].text


def _autoscale(inventory: ResourceInventory, workload: Workload, draft: Draft) -> None:
    for scaler in inventory.scaling(workload.resource.kind, workload.namespace, workload.resource.name):
        inner = Draft()
        inner.mark("", scaler.place)
        keda = scaler.kind == "ScaledObject"
        lowest = scaler.spec["minReplicaCount" if keda else "minReplicas"]
        highest = scaler.spec["maxReplicaCount" if keda else "maxReplicas"]
        inner.read("min_replicas", 0 if keda else 1, scaler.place)
        inner.take("min_replicas", "whole", lowest)
        inner.read("max_replicas", _KEDA_MOST if keda else inner.values["min_replicas"], scaler.place)
        inner.take("max_replicas", "whole", highest)
        for metric in scaler.spec["metrics"].items:
            resource = metric["resource"]
            percent = resource.dig("target", "averageUtilization")
            name = resource["name"].text
            if name in ("cpu", "memory"):
                inner.take(f"{name}_percent", "whole", percent)
        percent = scaler.spec["targetCPUUtilizationPercentage"]
        inner.take("cpu_percent", "whole", percent)
        draft.values["autoscale"] = Autoscale(**inner.values)
        draft.nest("autoscale", inner)
        if not workload.resource.spec["replicas"]:
            draft.read("replicas", inner.values["min_replicas"], lowest if lowest else scaler.place)


def _budget(inventory: ResourceInventory, workload: Workload, draft: Draft) -> None:
    replicas = int(draft.values.get("replicas", 1))
    for budget in inventory.selecting("PodDisruptionBudget", "selector", workload.namespace, workload.labels):
        inner = Draft()
        inner.mark("", budget.place)
        for attribute, key in (("min_available", "minAvailable"), ("max_unavailable", "maxUnavailable")):
            at = budget.spec[key]
            if at:
                try:
                    inner.read(attribute, _share(at, replicas), at)
                except InputError as error:
                    inner.unknown(attribute, error)
        draft.values["disruption_budget"] = DisruptionBudget(**inner.values)
        draft.nest("disruption_budget", inner)


def _share(at: YamlNode, replicas: int) -> int | None:
    """A count, or a percentage of the replicas, rounded as Kubernetes rounds it (up, for both)."""
    if not at.text.endswith("%"):
        return at.whole
    try:
        return math.ceil(float(at.text[:-1]) * replicas / 100)
    except (ValueError, OverflowError):
        raise InputError.at(
            at.place or Place("?"), f"{at.text!r} is not a percentage", "write one such as 50%"
        ) from None


def _policy(inventory: ResourceInventory, workload: Workload, draft: Draft) -> None:
    policy = next(inventory.selecting("NetworkPolicy", "podSelector", workload.namespace, workload.labels), None)
    if policy:
        draft.read("network_policy", True, policy.place)
