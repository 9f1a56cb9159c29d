"""One stream or store of a system, as its own contract sees it.

Inside a region the worst of the streams (or stores) says how long all of them take; a contract on one of them is judged
by its own replicas. Between regions they move together, and only the step that brings the part back is its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import INSIDE_REGION, Fault
from secondsite.model.procedure import Procedure
from secondsite.model.system import System
from secondsite.strategies.compose import inside_region
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import write_shares


def own_procedures(
    contract: Contract, deployment: Deployment, procedures: Mapping[Fault, Procedure], kit: Kit
) -> Mapping[Fault, Procedure]:
    """The procedures that the contract is judged by: repairs as if its part were all there is of its subject."""
    if not contract.part or contract.fault not in INSIDE_REGION or deployment.system.unknown_part(contract):
        return procedures
    alone = narrowed(deployment.system, contract)
    return {**procedures, **inside_region(evolve(deployment, system=alone), evolve(kit, system=alone))}


def narrowed(system: System, contract: Contract) -> System:
    """Its cluster as if it stood in the first region: a fault inside a region strikes the one that it stands in."""
    if contract.subject is Subject.STATE:
        return evolve(system, stores=tuple(store for store in system.stores if store.name == contract.part))
    clusters = [
        evolve(cluster, region="", streams=tuple(stream for stream in cluster.streams if stream.name == contract.part))
        for cluster in system.nats
    ]
    return evolve(system, nats=tuple(cluster for cluster in clusters if cluster.streams))


def share_of_writes(system: System, contract: Contract) -> float:
    """Of all messages, those that the contract speaks of; nobody knows it of a store."""
    return write_shares(system).get(contract.part, 1.0) if contract.subject is Subject.NATS else 1.0
