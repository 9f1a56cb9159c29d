"""Each verb with its one action: what carries it out, and what a person types instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.operate.action import Action, Guard, ManualContext, Through
from secondsite.operate.actions.consumers import RestoreConsumers
from secondsite.operate.actions.fence import Fence
from secondsite.operate.actions.follow import FollowStores, follow_stores
from secondsite.operate.actions.manual import (
    announce,
    create_cluster,
    pods_that_do_not_run,
    promote_stores,
    restore_stores,
    workloads,
)
from secondsite.operate.actions.people import ByHand, Declared, IfAny, Refused, ask_a_second_signal, ask_the_service
from secondsite.operate.actions.promote import Promote
from secondsite.operate.actions.quorum import Elect, FreeSubjects, RestoreQuorum
from secondsite.operate.actions.record import RecordState
from secondsite.operate.actions.remake import RemakeCopies
from secondsite.operate.actions.restore import RestoreOrigins, RestoreStreams
from secondsite.operate.actions.resynchronise import Resynchronise
from secondsite.operate.actions.salvage import Salvage
from secondsite.operate.actions.services import ScaleServices, VerifySecrets
from secondsite.operate.actions.stores import PromoteStores
from secondsite.operate.actions.traffic import ChangedByHand, ChangeTraffic, Converge, VerifyPath, WaitOneTtl
from secondsite.operate.world import Workloads, World

_NO_PATH = Guard(
    "no-client-path",
    "the URL that clients write to is unknown",
    "give --path-url, or check by hand with --allow no-client-path",
)
_NO_BACKUP = Guard("no-backup", "the backup store is unknown", "give --from URL", absolute=True)


def _services(world: World, region: str) -> Workloads | None:
    return world.services if world.services and world.services.reaches(region) else None


_SCALE: Action = Through(_services, ScaleServices(), ByHand())
_MOVED: Action = Through(lambda world, _: world.record_look, ChangedByHand(), ByHand())

EXECUTORS: Mapping[Verb, Action] = {
    Verb.DETECT: Declared(ask_the_service),
    Verb.DECIDE: Declared(ask_a_second_signal),
    Verb.FENCE: Fence(),
    Verb.RECORD_STATE: RecordState(),
    Verb.RESTORE_QUORUM: RestoreQuorum(),
    Verb.DELETE_ORIGIN: FreeSubjects(),
    Verb.ELECT: Elect(),
    Verb.PROMOTE_STREAMS: Promote(),
    Verb.RESTORE_STREAMS: Through(lambda world, _: world.restorer, RestoreStreams(), Refused(_NO_BACKUP)),
    Verb.RESTORE_ORIGINS: Through(lambda world, _: world.origins, RestoreOrigins(), Refused(_NO_BACKUP)),
    Verb.REMAKE_COPIES: Through(lambda world, _: world.origins, RemakeCopies(), Refused(_NO_BACKUP)),
    Verb.RESTORE_CONSUMERS: RestoreConsumers(),
    Verb.CREATE_CLUSTER: ByHand(create_cluster),
    Verb.RESTART: ByHand(pods_that_do_not_run),
    Verb.START_SERVICES: _SCALE,
    Verb.SCALE_SERVICES: _SCALE,
    Verb.PROMOTE_STORES: Through(lambda world, _: world.stores, PromoteStores(), IfAny(ByHand(promote_stores))),
    Verb.RESTORE_STORES: ByHand(restore_stores),
    Verb.FOLLOW_STORES: Through(lambda world, _: world.stores, FollowStores(), ByHand(follow_stores)),
    Verb.VERIFY_SECRETS: Through(lambda world, _: world.secrets, VerifySecrets(), IfAny(ByHand())),
    Verb.CHANGE_TRAFFIC: Through(lambda world, _: world.dns, ChangeTraffic(), _MOVED),
    Verb.CONVERGE: Through(lambda world, _: world.dns, Converge(), WaitOneTtl()),
    Verb.VERIFY_PATH: Through(lambda world, _: world.path, VerifyPath(), ByHand(guard=_NO_PATH)),
    Verb.WAIT: ByHand(workloads),
    Verb.RESYNCHRONISE: Resynchronise(),
    Verb.SALVAGE: Salvage(),
    Verb.ANNOUNCE: ByHand(announce),
}


_NEEDED: Mapping[Verb, str] = {
    Verb.START_SERVICES: "no `kube` under `operate: places:`",
    Verb.SCALE_SERVICES: "no `kube` under `operate: places:`",
    Verb.PROMOTE_STORES: "no login of its databases under `operate: places:`",
    Verb.VERIFY_SECRETS: "secrets cannot be compared: no `operate: secrets:`",
    Verb.CHANGE_TRAFFIC: "the record cannot be changed: no `operate: dns:`",
    Verb.VERIFY_PATH: "the request of a client is unknown: no `operate: path:`",
    Verb.RESTORE_STREAMS: "the backup store is unknown: --from URL",
}


def left_by_hand(world: World, procedure: Procedure, away: str) -> tuple[tuple[Step, str], ...]:
    """Steps that wait for a person in this world, each with what is missing."""
    steps = []
    for step in procedure.steps:
        action: Any = EXECUTORS[step.verb]
        while isinstance(action, Through):
            action = action.action if action.door(world, step.region or away) else action.otherwise
        if isinstance(action, IfAny):
            action = action.action if step.targets else action
        if isinstance(action, (ByHand, Refused, ChangedByHand)):
            steps.append((step, _NEEDED.get(step.verb, "no configured access to what it changes")))
        elif isinstance(action, FollowStores) and (stores := _out_of_reach(world, step)):
            steps.append(
                (step, f"no login reaches the files of {', '.join(stores)}: give --command {step.verb}=COMMAND")
            )
    return tuple(steps)


def _out_of_reach(world: World, step: Step) -> tuple[str, ...]:
    """Stores that are fenced and compared here, and stopped and rewound by somebody else."""
    doors = world.stores
    return tuple(store for store in step.targets if doors and not doors.rewinds(step.region, store))


def waits_for_person(world: World, procedure: Procedure, away: str) -> frozenset[str]:
    """By id: what is declared by a person, and what neither a door nor a command does."""
    left = (step for step, _ in left_by_hand(world, procedure, away) if not world.manual_steps.has_command(step))
    declared = (step for step in procedure.steps if step.by_person and isinstance(EXECUTORS[step.verb], Declared))
    return frozenset(step.id for step in (*declared, *left))


def commands(context: ManualContext, step: Step) -> tuple[str, ...]:
    """What a person types to carry the step out."""
    return tuple(EXECUTORS[step.verb].commands(context, step))
