"""Workloads of a cluster -> Services: what runs, how much of it, how it is watched and kept apart.

A pod's requests are those of all its containers together, as the scheduler reserves them; limits, probes and
image are those of the container that gives the workload its purpose. One-off Jobs do not run all the time and are
no Services; CronJobs are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from attrs import field, frozen

from secondsite.discover.draft import Draft
from secondsite.discover.recognise import Product, kind_of
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode, selects
from secondsite.discover.spreading import spread_of
from secondsite.model.errors import InputError, Problem
from secondsite.model.place import Place
from secondsite.model.service import Autoscale, DisruptionBudget, Probe, Probes, Volume
from secondsite.model.units import Bytes, Cores, Seconds

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "ReplicaSet", "ReplicationController", "Rollout")
_ASSUMED_NODES = 3


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
    for resource in inventory.of_kind(*(kinds or KINDS)):
        if resource.kind == "ReplicaSet" and resource.top.dig("metadata", "ownerReferences").items:
            continue
        name = resource.name if resource.name not in taken else f"{resource.where}/{resource.name}"
        taken.add(name)
        yield _workload(resource, name)


def _workload(resource: Resource, name: str) -> Workload:
    spec = resource.spec.dig("jobTemplate", "spec") if resource.kind == "CronJob" else resource.spec
    template = spec["template"]
    pod = template["spec"]
    main, kind = _main_container(pod)
    labels = {key: value.text for key, value in template.dig("metadata", "labels").entries.items()}
    return Workload(name, resource, pod, main, ports_of(main), kind, labels)


def _main_container(pod: YamlNode) -> tuple[YamlNode, Product | None]:
    """The first container that is recognised, else the first of all."""
    containers = pod["containers"].items
    for container in containers:
        kind = kind_of(container["image"].text, ports_of(container))
        if kind:
            return container, kind
    return (containers[0] if containers else YamlNode(None)), None


def ports_of(container: YamlNode) -> tuple[int, ...]:
    """Those that are numbers; the others are told when the service is read."""
    ports = [item["containerPort"].text for item in container["ports"].items]
    return tuple(int(port) for port in ports if port.isdecimal() and len(port) < 6)


def service_draft(workload: Workload, inventory: ResourceInventory, problems: list[Problem]) -> Draft:
    """All but role and dependencies, which need a view of the whole. What cannot be read is collected."""
    draft, resource = Draft(), workload.resource
    draft.values |= {"name": workload.name, "namespace": workload.namespace, "kind": resource.kind}
    draft.mark("", resource.place)
    draft.mark("kind", resource.top["kind"])
    draft.mark("namespace", resource.top.dig("metadata", "namespace"))
    for part in (_replicas, _image, _resources, _probes, _spread, _volumes, _autoscale, _budget, _policy):
        try:
            part(workload, inventory, draft)
        except InputError as error:
            problems.extend(error.problems)
    return draft


def _replicas(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    del inventory
    replicas = workload.resource.spec["replicas"]
    if workload.resource.kind == "DaemonSet":
        draft.assume("replicas", _ASSUMED_NODES, "a DaemonSet has a pod on every node, and manifests name no nodes")
    elif replicas:
        _not_negative(replicas)
        draft.read("replicas", replicas.whole, replicas)


def _not_negative(at: YamlNode) -> None:
    if (at.whole or 0) < 0:
        raise InputError.at(at.place or Place("?"), f"{at.text} is less than none", "write 0 or more")


def _image(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    del inventory
    image, ports = workload.main["image"], workload.main["ports"]
    draft.read("image", image.text or None, image)
    found = tuple(port for item in ports.items if (port := item["containerPort"].whole) is not None)
    draft.read("ports", found or None, ports)


def _resources(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    del inventory
    main = workload.main["resources"]
    requested = [container["resources"]["requests"] for container in workload.pod["containers"].items]
    cpu = [at["cpu"] for at in requested if at["cpu"]]
    memory = [at["memory"] for at in requested if at["memory"]]
    if cpu:
        total = Cores(round(math.fsum(at.cores or 0.0 for at in cpu), 9))
        draft.read("cpu_request_cores", total, main["requests"]["cpu"] or cpu[0], _together(cpu))
    if memory:
        size = Bytes(sum(at.size or 0 for at in memory))
        draft.read("memory_request_bytes", size, main["requests"]["memory"] or memory[0], _together(memory))
    draft.read("cpu_limit_cores", main["limits"]["cpu"].cores, main["limits"]["cpu"])
    draft.read("memory_limit_bytes", main["limits"]["memory"].size, main["limits"]["memory"])


def _together(parts: list[YamlNode]) -> str:
    return f"{len(parts)} containers of the pod together" if len(parts) > 1 else ""


def _probes(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    del inventory
    named = {
        item["name"].text: item["containerPort"].whole or 0 for item in workload.main["ports"].items if item["name"]
    }
    found: dict[str, Probe] = {}
    for key in ("startup", "readiness", "liveness"):
        at = workload.main[f"{key}Probe"]
        if at:
            inner = _probe(at, named)
            found[key] = Probe(**inner.values)
            draft.nest(f"probes.{key}", inner)
    if found:
        draft.values["probes"] = Probes(**found)


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
        whole = at[key].whole
        draft.read(attribute, None if whole is None else Seconds(whole), at[key])
    draft.read("failure_threshold", at["failureThreshold"].whole, at["failureThreshold"])
    return draft


def _port(at: YamlNode) -> int:
    """A number; a name that no port has is unknown."""
    return int(at.text) if at.text.isdecimal() else 0


def _spread(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    del inventory
    spread = spread_of(workload.pod)
    nothing = workload.resource.spec["replicas"].place or workload.resource.place
    draft.read("spread_nodes", spread.nodes, spread.nodes_at.place or nothing)
    draft.read("spread_zones", spread.zones, spread.zones_at.place or nothing)


def _volumes(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    found: list[Volume] = []
    for claim, name in _claims(workload, inventory):
        spec = claim["spec"]
        size = spec.dig("resources", "requests", "storage")
        if size:
            found.append(Volume(name, size.size or Bytes(0), spec["storageClassName"].text))
            draft.mark(f"volumes.{name}", claim)
            draft.mark(f"volumes.{name}.size", size)
            draft.mark(f"volumes.{name}.storage_class", spec["storageClassName"])
    if found:
        draft.values["volumes"] = tuple(found)


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


def _autoscale(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    for scaler in inventory.of_kind("HorizontalPodAutoscaler"):
        target = scaler.spec["scaleTargetRef"]
        same = (target["kind"].text, target["name"].text) == (workload.resource.kind, workload.resource.name)
        if not same or scaler.where != workload.namespace:
            continue
        inner = Draft()
        inner.mark("", scaler.place)
        lowest, highest = scaler.spec["minReplicas"], scaler.spec["maxReplicas"]
        inner.read("min_replicas", 1, scaler.place)
        inner.read("min_replicas", lowest.whole, lowest)
        inner.read("max_replicas", highest.whole if highest else inner.values["min_replicas"], highest)
        for metric in scaler.spec["metrics"].items:
            resource = metric["resource"]
            percent = resource.dig("target", "averageUtilization")
            name = resource["name"].text
            if name in ("cpu", "memory"):
                inner.read(f"{name}_percent", percent.whole, percent)
        percent = scaler.spec["targetCPUUtilizationPercentage"]
        inner.read("cpu_percent", percent.whole, percent)
        draft.values["autoscale"] = Autoscale(**inner.values)
        draft.nest("autoscale", inner)
        if not workload.resource.spec["replicas"]:
            draft.read("replicas", inner.values["min_replicas"], lowest if lowest else scaler.place)


def _budget(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    replicas = int(draft.values.get("replicas", 1))
    for budget in inventory.of_kind("PodDisruptionBudget"):
        if budget.where != workload.namespace or not selects(budget.spec["selector"], workload.labels):
            continue
        inner = Draft()
        inner.mark("", budget.place)
        for attribute, key in (("min_available", "minAvailable"), ("max_unavailable", "maxUnavailable")):
            at = budget.spec[key]
            if at:
                inner.read(attribute, _share(at, replicas), at)
        draft.values["disruption_budget"] = DisruptionBudget(**inner.values)
        draft.nest("disruption_budget", inner)


def _share(at: YamlNode, replicas: int) -> int | None:
    """A count, or a percentage of the replicas, rounded as Kubernetes rounds it (up, for both)."""
    if not at.text.endswith("%"):
        return at.whole
    try:
        return math.ceil(float(at.text[:-1]) * replicas / 100)
    except (ValueError, OverflowError):
        raise InputError.at(at.place or Place("?"), f"{at.text!r} is no percentage", "write one such as 50%") from None


def _policy(workload: Workload, inventory: ResourceInventory, draft: Draft) -> None:
    for policy in inventory.of_kind("NetworkPolicy"):
        if policy.where == workload.namespace and selects(policy.spec["podSelector"], workload.labels):
            draft.read("network_policy", True, policy.place)
            return
