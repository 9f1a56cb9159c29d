"""What a plan passes over and a failover would feel: pods of the standby that are not ready, nodes without room, a
database that receives nothing, a record that leads elsewhere. Told while nothing is wrong; it holds no failover up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.procedure import Verb
from secondsite.model.strategy import Switch
from secondsite.operate.action import Guard
from secondsite.operate.world import Dns, Replicas, Stores, Workloads, World
from secondsite.strategies.stores import StoreReplica, store_replicas

Shortfall = tuple[Verb, Guard]
"""The verb of the step that would feel it."""


async def shortfalls(deployment: Deployment, world: World) -> tuple[Shortfall, ...]:
    """Whoever does not answer is told by the plan, and is no shortfall."""
    away = (deployment.standby or deployment.sites[-1]).region.name
    short: list[Shortfall] = []
    if world.services is not None and world.services.reaches(away):
        short += await _services(deployment, world.services, away)
    if world.dns is not None and deployment.strategy.switch is not Switch.WEIGHTED:
        short += await _record(world.dns, deployment)
    if world.stores is not None:
        short += [each for one in store_replicas(deployment) for each in await _store(world.stores, one)]
    return tuple(short)


async def _services(deployment: Deployment, services: Workloads, away: str) -> list[Shortfall]:
    try:
        now = await services.replicas(away)
        unready = [(Verb.START_SERVICES, one) for one in _unready(now, away)]
        more = {name: deployment.primary.replicas(name) - one.wanted for name, one in now.items() if one.there}
        why = await services.crowded(away, {name: count for name, count in more.items() if count > 0})
    except MachineError:
        return []
    remedy = "add nodes, or make room; if the cluster adds nodes by itself, say how fast in the plan"
    return [*unready, *([(Verb.SCALE_SERVICES, Guard("no-capacity", why, remedy))] if why else [])]


def _unready(now: Mapping[str, Replicas], away: str) -> Iterator[Guard]:
    for name, one in now.items():
        if one.there and one.ready < one.wanted:
            what = f"{name} in {away}: {one.ready} of {one.wanted} pods are ready"
            yield Guard("standby-not-ready", what, "find out why its pods are not ready")


async def _store(stores: Stores, one: StoreReplica) -> list[Shortfall]:
    """A standby that receives nothing is promoted all the same, with what it had."""
    try:
        primary = await stores.server(one.primary, one.store.name).look()
        standby = await stores.server(one.standby, one.store.name).look()
    except (InputError, MachineError):
        return []
    if primary.standby or primary.fenced or not standby.standby or standby.follows(primary):
        return []
    what = f"{one.store.name} in {one.standby} receives nothing from {one.primary}"
    remedy = "find out why it does not follow (its log, its login, its slot); what it lacks is lost with the region"
    return [(Verb.PROMOTE_STORES, Guard("standby-not-ready", what, remedy))]


async def _record(dns: Dns, deployment: Deployment) -> list[Shortfall]:
    """After a failover it leads to the standby, from every server alike: that is no drift."""
    home, away = deployment.primary.region.name, (deployment.standby or deployment.sites[-1]).region.name
    try:
        wanted, answers = set(await dns.addresses(home)), await dns.authoritative()
        moved = set(await dns.addresses(away))
        if answers and all(set(values) == moved for values in answers.values()):
            return []
    except (InputError, MachineError):
        return []
    elsewhere = {server: values for server, values in answers.items() if set(values) != wanted}
    leads = "; ".join(f"{server}: {', '.join(values) or 'nothing'}" for server, values in elsewhere.items())
    what = f"{deployment.traffic.host or 'the record'} does not lead to {', '.join(sorted(wanted))}: {leads}"
    remedy = "find out who changed it, or correct `address` in `operate: places:`"
    return [(Verb.CHANGE_TRAFFIC, Guard("dns-drift", what, remedy))] if elsewhere else []
