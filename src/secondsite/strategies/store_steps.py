"""What makes the stores of the other region usable, each in the way in which it got there.

A standby is promoted through its login. A provider's replica is promoted by the provider's call, and a log archive is
restored: both by a person, as this project has no hands there. They follow each other, as one person does them.
"""

from __future__ import annotations

from attrs import evolve

from secondsite.model.procedure import Need, Step, Verb
from secondsite.model.store import Loss, Replication, Store
from secondsite.strategies.design import Kit
from secondsite.strategies.log_archive import restored_from_log
from secondsite.strategies.provider_replicas import offered
from secondsite.strategies.sizing import summed
from secondsite.strategies.steps import instant, make_step, stores_restored
from secondsite.strategies.stores import backed_up_only, following, kept_by, way_of

PROMOTE_MANAGED, REPLICATE_MANAGED = "promote-managed-stores", "replicate-managed-stores"
RECOVER = "recover-stores"


def promote_stores(kit: Kit, after: str, *, loaded: bool) -> tuple[Step, ...]:
    """Promote the database replica, load the newest snapshots of what has none, unless they are ``loaded`` already.

    Where no database has a replica, what was loaded last serves: that is no promotion, and not said to be one.
    """
    steps: tuple[Step, ...] = ()
    if following(kit.system):
        promote = make_step(
            kit,
            Verb.PROMOTE_STORES,
            "promote the database replica",
            "promote.stores",
            check="the replica accepts writes, its timeline moved on",
            after=(after,),
            region=kit.second.name,
            targets=following(kit.system),
        )
        steps = (promote,)
    steps = (*steps, *_promoted_by_provider(kit, _last(steps, after)))
    steps = (*steps, *_recovered(kit, _last(steps, after)))
    rest = backed_up_only(kit.system)
    if not steps:
        return _without_replicas(kit, after, rest, loaded=loaded)
    if loaded or not rest:
        return steps
    load = make_step(
        kit,
        Verb.RESTORE_STORES,
        f"load the newest snapshots of {', '.join(rest)}",
        stores_restored(kit, rest),
        check="counts match the snapshot's manifest",
        after=(_last(steps, after),),
        region=kit.second.name,
        targets=rest,
    )
    return (*steps, load)


def restored_stores(kit: Kit, after: str) -> tuple[Step, ...]:
    """Where nothing lives in the other region: the newest backup, and what is in a log archive from there."""
    logged = kept_by(kit.system, Replication.ARCHIVE)
    data = tuple(s.name for s in kit.system.stores if s.loss is Loss.DATA and s.name not in logged)
    restore = make_step(
        kit,
        Verb.RESTORE_STORES,
        "restore databases and vector stores from the newest backup",
        stores_restored(kit, data),
        check="row and point counts match the backup's manifest",
        after=(after,),
        region=kit.second.name,
        targets=tuple(store.name for store in kit.system.stores if store.name not in logged),
    )
    steps = (restore,) if data or not logged else ()
    return (*steps, *_recovered(kit, _last(steps, after)))


def _last(steps: tuple[Step, ...], after: str) -> str:
    return steps[-1].id if steps else after


def _kept(kit: Kit, way: Replication) -> tuple[Store, ...]:
    return tuple(store for store in kit.system.stores if way_of(store) is way)


def _promoted_by_provider(kit: Kit, after: str) -> tuple[Step, ...]:
    """The call needs the provider's control plane in the region that is left."""
    stores = _kept(kit, Replication.MANAGED)
    if not stores:
        return ()
    names = tuple(store.name for store in stores)
    each = [kit.figures[offered(store).promotion] for store in stores]
    step = make_step(
        kit,
        Verb.RESTORE_STORES,
        f"promote the provider's replica of {', '.join(names)} by its call",
        each[0] if len(each) == 1 else summed("promotion by the provider", *each),
        check="it accepts writes, and the API's connection string leads to it",
        after=(after,),
        step_id=PROMOTE_MANAGED,
        region=kit.second.name,
        targets=names,
        by_person=True,
        needs=frozenset({Need.CONTROL_PLANE}),
    )
    return (evolve(step, reversible=False),)


def _recovered(kit: Kit, after: str) -> tuple[Step, ...]:
    stores = _kept(kit, Replication.ARCHIVE)
    if not stores:
        return ()
    names = tuple(store.name for store in stores)
    step = make_step(
        kit,
        Verb.RESTORE_STORES,
        f"restore {', '.join(names)} from the base backup and the log archive, to its end",
        restored_from_log(kit, stores),
        check="it accepts writes; the newest row is no older than archive_timeout and the upload",
        after=(after,),
        step_id=RECOVER,
        region=kit.second.name,
        targets=names,
        by_person=True,
    )
    return (step,)


def _without_replicas(kit: Kit, after: str, names: tuple[str, ...], *, loaded: bool) -> tuple[Step, ...]:
    if not names:
        return (instant(kit, Verb.PROMOTE_STORES, "there is no store with data", "none is written", (after,)),)
    step = make_step(
        kit,
        Verb.RESTORE_STORES,
        f"serve from the backup that was loaded last: no replica of {', '.join(names)} is laid out"
        if loaded
        else f"load the newest backups of {', '.join(names)}: no replica of it is laid out",
        "promote.stores" if loaded else stores_restored(kit, names),
        check="counts match the backup's manifest",
        after=(after,),
        region=kit.second.name,
        targets=names,
    )
    return (step,)
