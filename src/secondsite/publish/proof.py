"""What shows that a contract holds: the drill of its fault, and how often it is run.

Drills of the quick profile are run at least monthly, within the 35 days that their evidence counts.
"""

from __future__ import annotations

from enum import StrEnum
from shlex import quote

from attrs import frozen

from secondsite.model.contract import Contract, Subject
from secondsite.model.fault import Fault
from secondsite.model.strategy import Strategy


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
class Proof:
    """The drill of a fault. ``in_region``: it needs no second region, so any strategy's evidence is good."""

    drill: str
    every: Every
    in_region: bool = False


QUICK = "quick"
_PROOFS = {
    Fault.PROCESS: Proof("api-killed", Every.WEEK, in_region=True),
    Fault.NODE: Proof("node-loss", Every.MONTH, in_region=True),
    Fault.ZONE: Proof("zone-loss", Every.MONTH, in_region=True),
    Fault.REGION: Proof("region-loss", Every.MONTH),
    Fault.GEOGRAPHY: Proof("region-loss", Every.MONTH),
    Fault.WAN_PARTITION: Proof("wan-partition", Every.MONTH),
    Fault.CONTROL_PLANE: Proof("dns-stuck", Every.MONTH),
    Fault.DELETION: Proof("purge", Every.MONTH),
    Fault.BAD_WRITE: Proof("bad-write", Every.MONTH),
    Fault.GRAY: Proof("gray-region", Every.MONTH),
    Fault.OBSERVABILITY: Proof("observability-gone", Every.MONTH, in_region=True),
    Fault.CAPACITY: Proof("loss-during-failover", Every.MONTH),
}
_OF_SUBJECT = {(Subject.NATS, Fault.PROCESS): "nats-leader-lost"}


def proof(contract: Contract) -> Proof:
    found = _PROOFS[contract.fault]
    own = _OF_SUBJECT.get((contract.subject, contract.fault))
    return Proof(own, found.every, found.in_region) if own else found


def shelf_life_days(contract: Contract, profile: str = QUICK) -> int:
    """How long evidence of that profile proves the contract, in whole days."""
    from secondsite.drill.verification import SHELF_LIFE_S

    seconds = contract.shelf_life_s or SHELF_LIFE_S.get(profile, SHELF_LIFE_S[QUICK])
    return int(seconds // 86400)


def command(drill: str, strategy: Strategy, *, in_region: bool = False, runs: int = 1) -> str:
    """As it is typed."""
    where = "" if in_region else f" --strategy {quote(strategy.id)}"
    return f"secondsite drill {drill}{where}" + (f" --runs {runs}" if runs > 1 else "")


def proving(contract: Contract, strategy: Strategy) -> str:
    """The command whose evidence decides the contract."""
    found = proof(contract)
    return command(found.drill, strategy, in_region=found.in_region)
