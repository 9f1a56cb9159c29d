"""The way back of databases: what only the old primary committed is saved, then it follows, then it is promoted.

Where a replica is laid out the server that lost its place comes back as a standby of the one that serves. A provider's
database gets a replica in the first region and is promoted there, by calls; every other store is loaded from a copy.
Both are done by hand.
"""

from __future__ import annotations

from attrs import evolve

from secondsite.model.deployment import Deployment
from secondsite.model.procedure import Need, Step, Verb
from secondsite.model.region import Region
from secondsite.model.store import Loss
from secondsite.strategies.design import Kit
from secondsite.strategies.steps import PATIENCE, make_step, stores_restored
from secondsite.strategies.store_return import copied_anew, followed_again
from secondsite.strategies.store_steps import PROMOTE_MANAGED, REPLICATE_MANAGED
from secondsite.strategies.stores import PROVIDER_REPLICA, store_replicas, stores_copied

FOLLOW_AGAIN = "follow-again"
_FOLLOW_AT_LEAST_S = 7200.0


def prepared(deployment: Deployment, kit: Kit) -> tuple[Step, ...]:
    """Before anybody's writers are stopped: the stores of the first region have what the second one has."""
    names, rest = _replicated(deployment), _others(deployment, kit)
    steps = (follows(kit, kit.home, kit.second, names),) if names else ()
    if managed := _managed(deployment):
        steps = (*steps, _replica_at_home(kit, managed))
    if not rest:
        return steps
    load = make_step(
        kit,
        Verb.RESTORE_STORES,
        f"load {', '.join(rest)} of {kit.home.name} from {kit.second.name}",
        stores_restored(kit, rest),
        check=f"counts in {kit.home.name} equal those of {kit.second.name}",
        region=kit.home.name,
        targets=rest,
        by_person=True,
    )
    return (*steps, load)


def switched(deployment: Deployment, kit: Kit, after: str) -> tuple[Step, ...]:
    """The first region's stores take the writes; those of the second take none from before that on."""
    names, rest = _replicated(deployment), _others(deployment, kit)
    steps: tuple[Step, ...] = ()
    if names:
        promote = make_step(
            kit,
            Verb.PROMOTE_STORES,
            f"fence {', '.join(names)} of {kit.second.name}, wait for its last commit, promote {kit.home.name}",
            "promote.stores",
            check=f"{kit.home.name} accepts writes, with the last row that {kit.second.name} took",
            after=(after,),
            region=kit.home.name,
            targets=names,
        )
        steps = (promote,)
    if managed := _managed(deployment):
        steps = (*steps, _promoted_at_home(kit, managed, steps[-1].id if steps else after))
    if rest:
        serve = make_step(
            kit,
            Verb.RESTORE_STORES,
            f"serve {', '.join(rest)} from {kit.home.name}: load what {kit.second.name} accepted since",
            "promote.stores",
            check=f"counts in {kit.home.name} equal those of {kit.second.name}, which accepts no more writes",
            after=(steps[-1].id if steps else after,),
            step_id="serve-stores",
            region=kit.home.name,
            targets=rest,
            by_person=True,
        )
        steps = (*steps, serve)
    return steps


def again(deployment: Deployment, kit: Kit, after: str) -> tuple[Step, ...]:
    """Both regions as they were before the loss."""
    names = _replicated(deployment)
    if not names:
        return ()
    return (evolve(follows(kit, kit.second, kit.home, names), id=FOLLOW_AGAIN, after=(after,)),)


def follows(kit: Kit, region: Region, serving: Region, names: tuple[str, ...]) -> Step:
    """Nobody stops a copy for being slow: the store is served from the other region meanwhile."""
    stores = ", ".join(names)
    step = make_step(
        kit,
        Verb.FOLLOW_STORES,
        f"save what only {stores} of {region.name} committed, then make it follow {serving.name}",
        followed_again(kit, names),
        check=f"{stores} of {region.name} receives from {serving.name}; rows that only it had are saved and listed",
        region=region.name,
        targets=names,
        reversible=False,
        approval=True,
    )
    whole_s = PATIENCE * copied_anew(kit, names).quantile(0.95)
    return evolve(step, limit_s=max(step.limit_s, whole_s, _FOLLOW_AT_LEAST_S))


def _replica_at_home(kit: Kit, names: tuple[str, ...]) -> Step:
    """As large as the database: the provider copies all of it, as its old primary cannot be rewound."""
    stores = ", ".join(names)
    return make_step(
        kit,
        Verb.RESTORE_STORES,
        f"have the provider make a replica of {stores} in {kit.home.name}, and save what only the old primary has",
        stores_restored(kit, names),
        check=f"the replica in {kit.home.name} is less than a second behind",
        step_id=REPLICATE_MANAGED,
        region=kit.home.name,
        targets=names,
        by_person=True,
    )


def _promoted_at_home(kit: Kit, names: tuple[str, ...], after: str) -> Step:
    stores = ", ".join(names)
    return make_step(
        kit,
        Verb.RESTORE_STORES,
        f"stop writes to {stores} of {kit.second.name}, wait for its last commit, promote {kit.home.name} by a call",
        "promote.managed",
        check=f"{kit.home.name} accepts writes, with the last row that {kit.second.name} took",
        after=(after,),
        step_id=PROMOTE_MANAGED,
        region=kit.home.name,
        targets=names,
        reversible=False,
        by_person=True,
        needs=frozenset({Need.CONTROL_PLANE}),
    )


def _managed(deployment: Deployment) -> tuple[str, ...]:
    return tuple(each.store.name for each in stores_copied(deployment, PROVIDER_REPLICA))


def _replicated(deployment: Deployment) -> tuple[str, ...]:
    return tuple(each.store.name for each in store_replicas(deployment))


def _others(deployment: Deployment, kit: Kit) -> tuple[str, ...]:
    follow = (*_replicated(deployment), *_managed(deployment))
    return tuple(one.name for one in kit.system.stores if one.loss is Loss.DATA and one.name not in follow)
