"""The ways in which each database could get to the other region, side by side, within the strategy that is recommended.

A way is chosen store by store (`replication:`), not strategy by strategy: each changes its own store's figures alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.cost import machines_usd, monthly_cost
from secondsite.evaluate.derive import count, total
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.latency import commit_times
from secondsite.evaluate.loss import rpo
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.store import Loss, Replication, Store
from secondsite.strategies.design import Kit
from secondsite.strategies.parts import parts
from secondsite.strategies.provider_replicas import OFFERED
from secondsite.strategies.stores import REPLICATED, way_of

_WAYS: Mapping[bool, tuple[Replication, ...]] = {
    True: (Replication.REPLICA, Replication.SYNCHRONOUS, Replication.ARCHIVE, Replication.NONE),
    False: (Replication.ARCHIVE, Replication.NONE),
}
"""Of a PostgreSQL of one's own, by whether the other region lives."""
_PROVIDED = (Replication.MANAGED, Replication.NONE)


@frozen
class StoreChoice:
    """``served``: from the fence to a store that takes writes there. ``commit_ms`` is None of what has no COMMIT.

    ``monthly_usd``: what the provider is paid more than for the way in force, or less.
    """

    store: str
    way: Replication
    in_force: bool
    rpo: Estimate
    served: Estimate
    commit_ms: Estimate | None
    monthly_usd: float


def store_choices(deployment: Deployment, catalogue: Catalogue, draws: Draws, provider: str) -> tuple[StoreChoice, ...]:
    """None where nothing is left to choose: one region, a cache, an engine of which only backups are laid out."""
    if len(deployment.sites) < 2:
        return ()
    bill = _paid(deployment, catalogue, provider)
    stores = [store for store in deployment.system.stores if store.loss is Loss.DATA]
    return tuple(one for store in stores for one in _of(store, deployment, catalogue, draws, provider, bill))


def _of(
    store: Store, deployment: Deployment, catalogue: Catalogue, draws: Draws, provider: str, bill: float
) -> Iterator[StoreChoice]:
    for way in _ways(store, living=deployment.standby is not None):
        in_force = way is way_of(store)
        changed = deployment if in_force else _copied_by(deployment, store, way, catalogue)
        there = [changed.standby.region] if way is Replication.SYNCHRONOUS and changed.standby else []
        commit, _ = commit_times(deployment.primary.region, there, catalogue)
        yield StoreChoice(
            store=store.name,
            way=way,
            in_force=in_force,
            rpo=rpo(changed, Subject.STATE, Fault.REGION, draws, Buffer(catalogue.figures.by_name), store.name),
            served=_served(changed, store, catalogue),
            commit_ms=commit if store.engine == "postgres" else None,
            monthly_usd=0.0 if in_force else _paid(changed, catalogue, provider) - bill,
        )


def _ways(store: Store, *, living: bool) -> tuple[Replication, ...]:
    if store.product in OFFERED or way_of(store) is Replication.MANAGED:
        return _PROVIDED if living else ()
    if store.engine == "postgres":
        return _WAYS[living]
    return (Replication.REPLICA, Replication.NONE) if living and store.engine in REPLICATED else ()


def _copied_by(deployment: Deployment, store: Store, way: Replication, catalogue: Catalogue) -> Deployment:
    """The same but for this store; what carries streams stays as it is."""
    stores = tuple(evolve(one, replication=way) if one is store else one for one in deployment.system.stores)
    system = evolve(deployment.system, stores=stores)
    pattern, link, _ = parts(deployment.strategy, Kit.of(system, catalogue))
    streams = tuple(copy for copy in deployment.copies if copy.subject is not Subject.STATE)
    return evolve(
        deployment,
        system=system,
        sites=link.sites(pattern.sites()),
        links=(*pattern.links(), *link.links()),
        copies=(*pattern.copies(), *streams),
    )


def _served(deployment: Deployment, store: Store, catalogue: Catalogue) -> Estimate:
    """What is done for this store alone: others are waited for as well, where a person does both."""
    alone = evolve(deployment.system, stores=tuple(s for s in deployment.system.stores if s.name == store.name))
    pattern, _, _ = parts(deployment.strategy, Kit.of(alone, catalogue))
    steps = [step for step in pattern.store_steps("begin") if store.name in step.targets]
    if not steps:
        return count("loaded already", 0.0, "each backup is loaded as it comes", unit="s")
    return steps[0].duration if len(steps) == 1 else total("store serves", "s", [step.duration for step in steps])


def _paid(deployment: Deployment, catalogue: Catalogue, provider: str) -> float:
    items = monthly_cost(deployment, provider, catalogue, economics=deployment.system.economics, people={})
    usd = machines_usd(items).mean
    return usd if math.isfinite(usd) else 0.0
