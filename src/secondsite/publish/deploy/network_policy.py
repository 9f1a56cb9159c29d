"""Who reaches the servers' own ports: a NetworkPolicy for each cluster's part in a region.

It closes what a stranger in the Kubernetes cluster has no business with (routes, gateways, the monitoring page) and
leaves every other port as it was: what else runs in those pods is the team's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secondsite.strategies.server_config import GATEWAY_PORT, MONITOR_PORT, ROUTE_PORT

LABEL = "secondsite-servers"
"""On every pod of a StatefulSet that the patch was applied to; its value is the StatefulSet's name."""

_CLOSED = (ROUTE_PORT, GATEWAY_PORT, MONITOR_PORT)
_LAST_PORT = 65535


def policy_name(workload: str) -> str:
    return f"{workload}-servers"


def network_policy(workload: str, namespace: str, *, reached_from_outside: frozenset[int]) -> Mapping[str, Any]:
    """``reached_from_outside``: ports that servers of other regions dial, from addresses that are not known here."""
    own = {"podSelector": {"matchLabels": {LABEL: workload}}}
    inside = [_port(port) for port in _CLOSED if port not in reached_from_outside]
    open_ports = [*_others(), *(_port(port) for port in _CLOSED if port in reached_from_outside)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": policy_name(workload)} | ({"namespace": namespace} if namespace else {}),
        "spec": {
            **own,
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": open_ports}, {"from": [own], "ports": inside}],
        },
    }


def _others() -> Iterator[Mapping[str, Any]]:
    """Every port but those that are closed, as ranges."""
    first = 1
    for closed in (*_CLOSED, _LAST_PORT + 1):
        yield {"port": first, "endPort": closed - 1}
        first = closed + 1


def _port(port: int) -> Mapping[str, Any]:
    return {"port": port}
