"""Whether the JetStream servers of a lab found each other: one meta leader in each group, known to every server.

Servers of several regions that start at the same time may first form a group in each region (seen on nats-server 2.10).
The groups merge, and what was created in one of them meanwhile is gone: so nothing is created before they are one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from secondsite.lab.http_get import http_get
from secondsite.model.endpoint import Endpoint
from secondsite.strategies.server_config import NatsServer

_ANSWER_S = 1.0


def meta_groups(servers: Iterable[NatsServer]) -> tuple[tuple[NatsServer, ...], ...]:
    """Clusters that gateways join are one group; a server alone needs none."""
    groups: dict[str, list[NatsServer]] = {}
    for server in servers:
        if server.cluster.jetstream:
            groups.setdefault("" if server.cluster.gateways else server.cluster.name, []).append(server)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def agreed(groups: Iterable[Mapping[str, Any] | None], size: int) -> bool:
    """``groups``: the ``meta_cluster`` of each server's ``/jsz``; None where it has none yet."""
    states = list(groups)
    leaders = {state.get("leader") for state in states if state}
    return all(state and state.get("cluster_size") == size for state in states) and len(leaders) == 1 and all(leaders)


async def formed(groups: Iterable[tuple[tuple[NatsServer, Endpoint], ...]]) -> bool:
    """Each server with its monitoring endpoint."""
    for group in groups:
        if not agreed(await asyncio.gather(*(_look(at) for _, at in group)), len(group)):
            return False
    return True


async def _look(at: Endpoint) -> Mapping[str, Any] | None:
    try:
        _, body = await http_get(at, "/jsz", _ANSWER_S)
        group = json.loads(body).get("meta_cluster")
    except (OSError, TimeoutError, ValueError):
        return None
    return group if isinstance(group, dict) else None
