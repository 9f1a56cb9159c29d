"""What shows that a contract holds: a drill that exists, of its fault and its subject, and how often it is run.

Drills of the quick profile are run at least monthly, within the 35 days that their evidence counts.
"""

from __future__ import annotations

from enum import StrEnum
from shlex import quote

from attrs import frozen

from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.store import Loss
from secondsite.model.strategy import Strategy
from secondsite.strategies.snapshots import loaded_stores
from secondsite.strategies.stores import store_replicas

QUICK = "quick"


class Every(StrEnum):
    """How often, from the most to the least often."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def days(self) -> int:
        return {Every.WEEK: 7, Every.MONTH: 31, Every.QUARTER: 92, Every.YEAR: 366}[self]


@frozen
class DrillProof:
    """``drill`` is empty where none runs that subject under that fault yet.

    ``in_region``: no second region takes part, so any strategy's evidence is good.
    """

    drill: str
    every: Every
    in_region: bool


def proof(contract: Contract, deployment: Deployment) -> DrillProof:
    every = Every.WEEK if contract.fault is Fault.PROCESS else Every.MONTH
    return DrillProof(_drill(contract, deployment), every, contract.fault.inside_region)


def _drill(contract: Contract, deployment: Deployment) -> str:
    """The plain loss first, then one named after the subject, then any."""
    from secondsite.drill.registry import DRILLS

    if contract.subject is Subject.STATE and not _every_store_runs(contract, deployment):
        return ""
    known = [one for one in DRILLS.values() if one.fault is contract.fault and contract.subject in one.subjects]
    plain, own = f"{contract.fault}-loss", str(contract.subject)
    return min((one.id for one in known), key=lambda name: (name != plain, own not in name, name), default="")


def _every_store_runs(contract: Contract, deployment: Deployment) -> bool:
    """Whether a lab has all that the contract is about, and a drill of snapshots runs it."""
    saved = {each.store.name for each in loaded_stores(deployment)}
    ran = saved | {each.store.name for each in store_replicas(deployment)}
    data = {store.name for store in deployment.system.stores if store.loss is Loss.DATA}
    return bool(saved) and ({contract.part} if contract.part else data) <= ran


def undrilled(contract: Contract) -> str:
    """What to say where there is no such command: databases are drilled, and state as a whole is more than they."""
    if contract.subject is Subject.STATE and not contract.part:
        return "no drill covers all of it yet; secondsite verify judges each store that a drill covers"
    return "no drill covers it yet"


def shelf_life_days(contract: Contract, profile: str = QUICK) -> int:
    """How long evidence of that profile proves the contract, in whole days."""
    from secondsite.drill.verdict.verification import SHELF_LIFE_S

    seconds = contract.shelf_life_s or SHELF_LIFE_S.get(profile, SHELF_LIFE_S[QUICK])
    return int(seconds // 86400)


def command(drill: str, strategy: Strategy, *, in_region: bool = False, runs: int = 1) -> str:
    """As it is typed."""
    where = "" if in_region else f" --strategy {quote(strategy.id)}"
    return f"secondsite drill {drill}{where}" + (f" --runs {runs}" if runs > 1 else "")


def proving(contract: Contract, deployment: Deployment) -> str:
    """The command whose evidence decides the contract, run often enough for its confidence; empty where none does."""
    from secondsite.drill.verdict.confidence import runs_needed

    proof_of, strategy = proof(contract, deployment), deployment.strategy
    runs = runs_needed(contract.confidence)
    return command(proof_of.drill, strategy, in_region=proof_of.in_region, runs=runs) if proof_of.drill else ""
