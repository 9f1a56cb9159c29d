"""Whether the nodes of a cluster have room for more pods: what they can allocate, less what runs there asks for.

Told only where this login may list nodes and pods of the whole cluster. Affinity, taints and volumes are not looked at,
so that there is room is no promise; that there is none is what the scheduler would say too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from secondsite.kube.cluster import Cluster, Right

_RIGHTS = (Right("list", "", "nodes"), Right("list", "", "pods"))
_ENDED = ("Succeeded", "Failed")
_GIB = 1 << 30


@frozen
class PodSize:
    """What a pod asks for."""

    cores: float = 0.0
    memory_bytes: float = 0.0

    def __str__(self) -> str:
        return f"{self.cores:g} cores, {self.memory_bytes / _GIB:.3g} GiB"


@frozen
class NodeRoom:
    """What a node has left."""

    cores: float
    memory_bytes: float
    pods: int

    def without(self, pod: PodSize) -> NodeRoom:
        return NodeRoom(self.cores - pod.cores, self.memory_bytes - pod.memory_bytes, self.pods - 1)

    def takes(self, pod: PodSize) -> bool:
        return self.pods >= 1 and self.cores >= pod.cores and self.memory_bytes >= pod.memory_bytes


def unplaced(rooms: Iterable[NodeRoom], wanted: Mapping[str, tuple[int, PodSize]]) -> Mapping[str, int]:
    """By service, how many of its further pods have no place; the largest are placed first. Pure."""
    left, missing = list(rooms), dict[str, int]()
    for name, (count, size) in sorted(wanted.items(), key=lambda each: -each[1][1].memory_bytes):
        for _ in range(count):
            place = next((number for number, room in enumerate(left) if room.takes(size)), None)
            if place is None:
                missing[name] = missing.get(name, 0) + 1
            else:
                left[place] = left[place].without(size)
    return missing


async def rooms(cluster: Cluster) -> tuple[NodeRoom, ...] | None:
    """None where this login may not see it, or there is no node yet: such a cluster makes them when they are wanted."""
    from lightkube.resources.core_v1 import Node, Pod

    if await cluster.may(_RIGHTS):
        return None

    async def listed(kind: Any, **more: Any) -> list[Any]:
        return [one async for one in cluster.client.list(kind, **more)]

    nodes = await cluster.asked(listed(Node)) or []
    if not nodes:
        return None
    pods = await cluster.asked(listed(Pod, namespace="*")) or []
    free = {str(one.metadata.name): _allocatable(one) for one in nodes if not (one.spec and one.spec.unschedulable)}
    for pod in pods:
        node = pod.spec.nodeName if pod.spec else None
        if node in free and not (pod.status and pod.status.phase in _ENDED):
            free[node] = free[node].without(size_of(pod.spec))
    return tuple(free.values())


async def size(cluster: Cluster, kind: str, namespace: str, name: str) -> PodSize:
    """Of one pod of a workload; nothing where it asks for nothing, or is not deployed."""
    from lightkube.resources.apps_v1 import Deployment, StatefulSet

    kinds: dict[str, Any] = {"Deployment": Deployment, "StatefulSet": StatefulSet}
    workload = await cluster.asked(cluster.client.get(kinds[kind], name, namespace=namespace))
    return size_of(workload.spec.template.spec) if workload else PodSize()


def size_of(spec: Any) -> PodSize:
    asked = [(one.resources.requests or {}) if one.resources else {} for one in spec.containers or ()]
    return PodSize(_sum(asked, "cpu"), _sum(asked, "memory"))


def _allocatable(node: Any) -> NodeRoom:
    has = (node.status.allocatable if node.status else None) or {}
    room = NodeRoom(_amount(has.get("cpu")), _amount(has.get("memory")), 0)
    return evolve(room, pods=int(_amount(has.get("pods"))))


def _sum(asked: Sequence[Mapping[str, str]], name: str) -> float:
    return sum(_amount(one.get(name)) for one in asked)


def _amount(text: str | None) -> float:
    from lightkube.utils.quantity import parse_quantity

    return float(parse_quantity(text) or 0) if text else 0.0
