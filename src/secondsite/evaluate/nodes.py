"""How many machines a site needs: its always-on replicas by CPU and memory, the network that its streams fill at peak,
and apart enough to fail one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from attrs import frozen

from secondsite.catalogue.figures import Figures
from secondsite.catalogue.prices import NodeType
from secondsite.evaluate.capacity import traffic_nodes
from secondsite.evaluate.derive import count
from secondsite.model.deployment import Deployment, Site
from secondsite.model.estimate import Estimate
from secondsite.model.service import Role, Service, Spreading
from secondsite.model.system import System

GIB = 2.0**30


@frozen
class Requests:
    cpu_cores: float
    memory_bytes: float

    def share(self, node: NodeType, reserve: float) -> float:
        """How many nodes' worth it is, not rounded."""
        usable = 1 - reserve
        return max(self.cpu_cores / (node.vcpu * usable), self.memory_bytes / (node.memory_gb * GIB * usable))


@frozen
class NodeNeed:
    """``count`` machines; ``share`` is how many the requests, or the traffic, alone come to, not rounded."""

    count: Estimate
    share: Estimate


def node_need(deployment: Deployment, site: Site, node: NodeType, figures: Figures) -> NodeNeed:
    """The range of both is what the assumptions, all low or all high, make of them."""
    running = list(_running(deployment.system, site))
    spread = max((_apart(service, replicas, site) for service, replicas in running), default=0)
    traffic = traffic_nodes(deployment, site, figures)
    placed = _asked([each for each in running if each[0].kind != "DaemonSet"])
    daemons = _asked([(service, 1) for service, _ in running if service.kind == "DaemonSet"])
    low, share, high = (max(_share(placed, daemons, node, figures, which), traffic) for which in (-1, 0, 1))
    fewest, nodes, most = (max(math.ceil(round(one, 9)), spread) for one in (low, share, high))
    assumptions = _assumptions(figures, [service for service, _ in running])
    filled = "by traffic at peak" if traffic >= share > 0 else "by request"
    why = f"{share:.2f} {node.name} {filled}; at least {spread} to keep replicas apart"
    if traffic >= share > 0:
        assumptions = (*assumptions, figures["node.network"])
    nodes_range = (fewest / nodes, most / nodes) if nodes else (1.0, 1.0)
    share_range = (low / share, high / share) if share else (1.0, 1.0)
    return NodeNeed(
        count=count("nodes", nodes, why, *assumptions, unit="nodes", plausible=nodes_range),
        share=count("nodes by request", share, why, *assumptions, unit="nodes", plausible=share_range),
    )


@frozen
class _Asked:
    """What replicas request, and how many of them request nothing."""

    cpu_cores: float
    without_cpu: int
    memory_bytes: float
    without_memory: int

    def requests(self, figures: Figures, which: int) -> Requests:
        cpu, memory = _at(figures["container.cpu"], which), _at(figures["container.memory"], which)
        return Requests(self.cpu_cores + self.without_cpu * cpu, self.memory_bytes + self.without_memory * memory)


def _asked(replicas: list[tuple[Service, int]]) -> _Asked:
    return _Asked(
        math.fsum(n * service.cpu_request_cores for service, n in replicas if service.cpu_request_cores is not None),
        sum(n for service, n in replicas if service.cpu_request_cores is None),
        math.fsum(
            n * service.memory_request_bytes for service, n in replicas if service.memory_request_bytes is not None
        ),
        sum(n for service, n in replicas if service.memory_request_bytes is None),
    )


def _share(placed: _Asked, daemons: _Asked, node: NodeType, figures: Figures, which: int) -> float:
    """Nodes that the requests come to with every assumption low (-1), as it is (0) or high (1).

    DaemonSets are on every node: what they request lowers what a node has left, to a tenth at worst.
    """
    reserve = _at(figures["node.reserve"], which)
    left = max(1 - daemons.requests(figures, which).share(node, reserve), 0.1)
    return placed.requests(figures, which).share(node, reserve) / left


def _at(assumption: Estimate, which: int) -> float:
    low, high = assumption.plausible
    return assumption.mean * (low, 1.0, high)[which + 1]


def _running(system: System, site: Site) -> Iterator[tuple[Service, int]]:
    services = {service.name: service for service in system.services}
    for placed in site.services:
        service = services.get(placed.service)
        if service and placed.replicas > 0:
            yield service, placed.replicas


def _apart(service: Service, replicas: int, site: Site) -> int:
    """Machines that this service's replicas want: a quorum one each, required spread one each, others two."""
    if service.kind == "DaemonSet":
        return 1
    if service.spread_nodes is Spreading.REQUIRED:
        return replicas
    if service.role is Role.NATS and replicas >= 3 and site.region.zones >= 3:
        return 3
    return min(replicas, 2)


def _assumptions(figures: Figures, services: list[Service]) -> tuple[Estimate, ...]:
    used = [figures["node.reserve"]]
    if any(service.cpu_request_cores is None for service in services):
        used.append(figures["container.cpu"])
    if any(service.memory_request_bytes is None for service in services):
        used.append(figures["container.memory"])
    return tuple(used)
