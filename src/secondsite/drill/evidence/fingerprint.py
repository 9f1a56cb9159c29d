"""What evidence is bound to: the system, the strategy, the server version and the procedure that were drilled.

Evidence is worth something only as long as these are today's. Contracts, prices and people are no part of it: a
limit may change without a new drill. Nor is how long a step was estimated to take.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from attrs import asdict, evolve, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.economics import Economics
from secondsite.model.operate import Operate
from secondsite.model.procedure import Procedure
from secondsite.model.settings import NOTHING_MORE, Settings
from secondsite.model.system import System


@frozen
class Fingerprint:
    """``server`` is readable: the nats-server versions, joined; ``strategy`` its id. The others are digests."""

    system: str
    strategy: str
    server: str
    procedure: str

    @property
    def whole(self) -> str:
        return _digest(asdict(self))

    def drift(self, today: Fingerprint) -> tuple[str, ...]:
        """What differs between the drilled and today's; none where nothing does."""
        drifted = []
        if self.system != today.system:
            drifted.append("the system changed")
        if self.strategy != today.strategy:
            drifted.append(f"the strategy changed from {self.strategy} to {today.strategy}")
        if not _same_server(self.server, today.server):
            drifted.append(f"nats-server was {self.server} and is {today.server}")
        if self.procedure != today.procedure:
            drifted.append("the procedure changed")
        return tuple(drifted)


def fingerprint(
    system: System, deployment: Deployment, procedures: Sequence[Procedure], servers: Iterable[str] = ()
) -> Fingerprint:
    """``procedures``: all that were carried out, in their order.

    ``servers``: the full versions that ran, where they are known; else those that the deployment asks for."""
    versions = set(servers) or {cluster.version for cluster in deployment.clusters}
    return Fingerprint(
        system=_digest(_plain(_lasting(system))),
        strategy=deployment.strategy.id,
        server=", ".join(sorted(versions)),
        procedure=_procedures(procedures),
    )


def _lasting(system: System) -> System:
    """Without what says nothing about how a failover goes, and without server versions, which stand by themselves.

    What objects and folders are called is no part of it: the lab has names of its own.
    """
    names: Mapping[str, Any] = {
        **{"version": "", "cluster_name": "", "headless": "", "store_dir": "", "container": ""},
        **{"client_authorization": None, "trust": NOTHING_MORE},  # every login of a drill is the plan's
    }
    nats = tuple(evolve(cluster, **names) for cluster in system.nats)
    stores = tuple(evolve(store, running=None) for store in system.stores)  # what a server said at some moment
    system = evolve(system, operate=_deployed_alike(system.operate), stores=stores)
    of_people: Mapping[str, Any] = {"contracts": (), "waivers": (), "economics": Economics(), "users": (), "alerts": ()}
    return evolve(system, **of_people, external_services=(), marks={}, nats=nats)


def _deployed_alike(operate: Operate | None) -> Operate | None:
    """How it is operated, without where: a game day's clusters have other addresses and logins than production's."""
    if operate is None:
        return None
    lasting = Operate(writers=operate.writers, lease_s=operate.lease_s, reconcilers=operate.reconcilers)
    return None if lasting == Operate() else lasting


def _procedures(procedures: Sequence[Procedure]) -> str:
    each = [_procedure(procedure) for procedure in procedures]
    return each[0] if len(each) == 1 else _digest(each) if each else ""


def _procedure(procedure: Procedure) -> str:
    steps = [
        [
            *(step.id, str(step.verb), list(step.after), list(step.targets), step.region, step.reversible),
            *(step.approval, step.by_person, step.blocked, str(step.method or ""), list(step.subjects)),
            sorted(step.needs),
        ]
        for step in procedure.steps
    ]
    milestones = {str(subject): step for subject, step in procedure.milestones.items()}
    return _digest([str(procedure.fault), steps, milestones])


def _same_server(drilled: str, today: str) -> bool:
    """``2.12.3`` is what ``2.12`` and ``2.12-alpine`` ask for; nothing asks for anything."""
    wanted, ran = today.split(", "), drilled.split(", ")
    met = all(any(_fits(version, each) for each in wanted) for version in ran)
    return met and all(any(_fits(version, each) for version in ran) for each in wanted)


def _fits(version: str, wanted: str) -> bool:
    number = wanted.lstrip("v").split("-")[0]
    return not number or version == number or version.startswith(f"{number}.")


# Attributes that the nouns gained after evidence was kept: at their defaults the system is the one that was drilled.
_ADDED = frozenset(
    {
        *("settings", "cluster_name", "headless", "store_dir", "container", "parts", "operator", "external", "kept"),
        *(
            "premises",
            "copy_of",
            "hold_s",
            "travel_s",
            "fetch_s",
            "restore_bytes_per_s",
            "client_authorization",
            "object",
            "trust",
            "replication",
            "running",
            "replicated",
            "product",
            "copy_elsewhere",
            "external_services",
        ),
    }
)


def _plain(noun: Any) -> Any:
    """At their defaults later attributes are left out, so that evidence from before they were there stays good."""
    return asdict(
        noun,
        filter=lambda attribute, value: attribute.name not in _ADDED or (bool(value) and value != attribute.default),
        value_serializer=lambda _instance, _attribute, value: _serialised(value),
    )


def _serialised(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Settings):
        return value.text
    return sorted(map(str, value)) if isinstance(value, (set, frozenset)) else value


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
