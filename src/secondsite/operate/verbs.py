"""Each verb with its one executor."""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.model.procedure import Verb
from secondsite.operate.action import Action
from secondsite.operate.actions.consumers import RestoreConsumers
from secondsite.operate.actions.fence import Fence
from secondsite.operate.actions.people import ByHand, Declared
from secondsite.operate.actions.promote import Promote
from secondsite.operate.actions.quorum import Elect, FreeSubjects, RestoreQuorum
from secondsite.operate.actions.record import RecordState
from secondsite.operate.actions.restore import RestoreStreams
from secondsite.operate.actions.resynchronise import Resynchronise
from secondsite.operate.actions.salvage import Salvage
from secondsite.operate.actions.services import ScaleServices, VerifySecrets
from secondsite.operate.actions.traffic import ChangeTraffic, Converge, VerifyPath

EXECUTORS: Mapping[Verb, Action] = {
    Verb.DETECT: Declared(),
    Verb.DECIDE: Declared(),
    Verb.FENCE: Fence(),
    Verb.RECORD_STATE: RecordState(),
    Verb.RESTORE_QUORUM: RestoreQuorum(),
    Verb.DELETE_ORIGIN: FreeSubjects(),
    Verb.ELECT: Elect(),
    Verb.PROMOTE_STREAMS: Promote(),
    Verb.RESTORE_STREAMS: RestoreStreams(),
    Verb.RESTORE_CONSUMERS: RestoreConsumers(),
    Verb.CREATE_CLUSTER: ByHand(),
    Verb.RESTART: ByHand(),
    Verb.START_SERVICES: ScaleServices(),
    Verb.SCALE_SERVICES: ScaleServices(),
    Verb.PROMOTE_STORES: ByHand(),
    Verb.RESTORE_STORES: ByHand(),
    Verb.VERIFY_SECRETS: VerifySecrets(),
    Verb.CHANGE_TRAFFIC: ChangeTraffic(),
    Verb.CONVERGE: Converge(),
    Verb.VERIFY_PATH: VerifyPath(),
    Verb.WAIT: ByHand(),
    Verb.RESYNCHRONISE: Resynchronise(),
    Verb.SALVAGE: Salvage(),
    Verb.ANNOUNCE: ByHand(),
}
