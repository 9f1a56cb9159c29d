"""The services of a region behind a fence of NetworkPolicies, and before it again; NATS and databases are left alone.

It is no step of a failover: streams are fenced by their write gate and databases by themselves, on their own servers,
where it can be seen. This is a second one, for whoever wants clients' own services to be silent as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secondsite.kube.cluster import Cluster, ClusterPlace, ClusterRefusedError, together
from secondsite.kube.fencing import FencedService, fence, fence_rights, lift, look
from secondsite.model.service import Service
from secondsite.operate.cluster_workloads import scaled_here


async def region_state(place: ClusterPlace, services: Sequence[Service]) -> tuple[FencedService, ...]:
    """As it is now; the API server rehearses what is open. Raises ClusterRefusedError where a right is missing."""
    async with place.open() as cluster:
        states = await _states(cluster, services)
        for one in states:
            if not one.opened_by:
                await fence(cluster, one, dry_run=True)
    return states


async def fenced_region(place: ClusterPlace, services: Sequence[Service]) -> tuple[FencedService, ...]:
    """As it is afterwards. None is cut off where another policy would keep one of them open."""
    async with place.open() as cluster:
        states = await _states(cluster, services)
        if any(one.opened_by for one in states):
            return states
        await together(fence(cluster, one) for one in states)
        return await _states(cluster, services)


async def lifted_region(place: ClusterPlace, services: Sequence[Service]) -> tuple[FencedService, ...]:
    """Those that were behind one."""
    async with place.open() as cluster:
        shut = tuple(one for one in await _states(cluster, services) if one.version)
        await together(lift(cluster, one) for one in shut)
    return shut


async def _states(cluster: Cluster, services: Sequence[Service]) -> tuple[FencedService, ...]:
    mine = [(one.kind, one.namespace, one.object_name) for one in services if scaled_here(one)]
    wanted = [
        right
        for space in dict.fromkeys(namespace for _, namespace, _ in mine)
        for right in fence_rights(space, [name for _, namespace, name in mine if namespace == space])
    ]
    if lacking := await cluster.may(wanted):
        what = f"no permission: {', '.join(map(str, lacking))}"
        raise ClusterRefusedError.at(cluster.shown, what, "bind the role `fence` of docs/rights.md")
    return await look(cluster, mine)


def fence_lines(states: Sequence[FencedService], *, lifts: bool = False) -> Iterator[str]:
    for one in states:
        if one.opened_by:
            yield f"open: {one.shown}; {', '.join(one.opened_by)} allows traffic, and policies add up"
        elif one.version:
            yield f"{'would be lifted' if lifts else 'cut off'}: {one.shown} (policy {one.policy})"
        else:
            yield f"open: {one.shown}{'' if lifts else f'; --apply makes {one.policy}'}"
    if any(one.fenced for one in states) and not lifts:
        yield "the API server keeps these policies; whether packets stop is for its network plugin: send one and see"
