"""The ordered steps of failover, failback or repair: what is evaluated, rehearsed, published and executed.

Steps form a graph (``after``); a step whose ``blocked`` is set cannot complete, and a procedure that needs
it for a subject is unbounded for that subject.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault


class Verb(StrEnum):
    """What a step does; each verb has one executor."""

    DETECT = "detect"
    DECIDE = "decide"
    FENCE = "fence"
    RECORD_STATE = "record-state"
    RESTORE_QUORUM = "restore-quorum"
    DELETE_ORIGIN = "delete-origin"
    ELECT = "elect"
    PROMOTE_STREAMS = "promote-streams"
    RESTORE_STREAMS = "restore-streams"
    RESTORE_ORIGINS = "restore-origins"
    REMAKE_COPIES = "remake-copies"
    RESTORE_CONSUMERS = "restore-consumers"
    CREATE_CLUSTER = "create-cluster"
    RESTART = "restart"
    START_SERVICES = "start-services"
    SCALE_SERVICES = "scale-services"
    PROMOTE_STORES = "promote-stores"
    RESTORE_STORES = "restore-stores"
    FOLLOW_STORES = "follow-stores"
    VERIFY_SECRETS = "verify-secrets"
    CHANGE_TRAFFIC = "change-traffic"
    CONVERGE = "converge"
    VERIFY_PATH = "verify-path"
    WAIT = "wait"
    RESYNCHRONISE = "resynchronise"
    SALVAGE = "salvage"
    ANNOUNCE = "announce"


class Need(StrEnum):
    """What a step relies on that a fault may impair."""

    CONTROL_PLANE = "control-plane"
    CAPACITY = "capacity"
    DNS_CONTROL = "dns-control"


class QuorumMethod(StrEnum):
    """How a step means to give a meta group its majority back; only the first two do."""

    RESCUE = "rescue"
    REMOVE_PEERS = "remove-peers"
    ADD_SERVERS = "add-servers"
    WIPE_META = "wipe-meta"
    LONE_STORE = "lone-store"


@frozen(cache_hash=True)
class Step:
    """``limit_s`` is when to stop waiting and act on the failure. ``targets`` are streams, services, records.

    ``method`` is for steps that restore a quorum. ``subjects`` are what promoted streams will listen on, where
    that is not what their origins listened on.
    """

    id: str
    verb: Verb
    title: str
    check: str
    duration: Estimate
    limit_s: float
    after: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    region: str = ""
    reversible: bool = True
    approval: bool = False
    by_person: bool = False
    needs: frozenset[Need] = frozenset()
    blocked: str = ""
    method: QuorumMethod | None = None
    subjects: tuple[str, ...] = ()


@frozen
class Procedure:
    """``milestones``: for each subject, the step after which it is back; a subject without one is not affected.

    ``affected`` is the share of requests that fail meanwhile. Where ``degraded`` names a step, it is the share until
    that step ends, and ``stalled`` the share until the streams' milestone: one API pod of many, and writes that no
    stream takes. ``answered``: how long until somebody else acknowledges a write, where a pod of several is gone: the
    API is back then, although a share of requests fails until ``degraded`` ends. ``escalates_to``: where waiting takes
    longer than the procedure for that fault, that one is carried out instead.
    """

    name: str
    fault: Fault
    steps: tuple[Step, ...]
    milestones: Mapping[Subject, str] = field(factory=dict)
    affected: float = 1.0
    degraded: str = ""
    stalled: float = 1.0
    escalates_to: Fault | None = None
    answered: Estimate | None = None

    def step(self, step_id: str) -> Step:
        return next(step for step in self.steps if step.id == step_id)

    def milestone(self, subject: Subject, part: str = "") -> str | None:
        """The step after which the subject is back; of a ``part`` of it, the last on the way that deals with it."""
        end = self.milestones.get(subject)
        if end is None or not part:
            return end
        own = [step.id for step in self.leading_to(end) if any(one.split("/")[0] == part for one in step.targets)]
        return own[-1] if own else end

    def leading_to(self, step_id: str) -> tuple[Step, ...]:
        """The step and all it waits for, in the procedure's order."""
        wanted = {step_id}
        for step in reversed(self.steps):
            if step.id in wanted:
                wanted.update(step.after)
        return tuple(step for step in self.steps if step.id in wanted)
