"""Kinds of state and how each gets to the other region: how far behind it may be, and when somebody is told.

One definition for the contracts that state it and the alert rules that watch it.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from secondsite.evaluate.derive import total
from secondsite.evaluate.evaluation import Assessment
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.store import Loss

_STEPS_S = (86400.0, 3600.0, 300.0, 60.0, 10.0, 1.0)


@frozen
class Replicated:
    """A copy in another region. ``behind``: how old it is at most while all is well; ``limit_s``: the RPO, if promised.

    ``alert_s`` lies halfway between the two. ``too_slow``: even a healthy copy is older than the limit.
    """

    copy: Copy
    behind: Estimate
    limit_s: float | None
    contract: str

    @property
    def usual_s(self) -> float:
        """What 19 of 20 looks find, the whole interval included."""
        copy = self.copy
        return copy.hold.quantile(0.95) + copy.propagate.quantile(0.95) + copy.interval.mean

    @property
    def too_slow(self) -> bool:
        return self.limit_s is not None and self.usual_s >= self.limit_s

    @property
    def alert_s(self) -> float:
        if self.limit_s is None:
            return rounded(2 * self.usual_s)
        if self.too_slow:
            return self.limit_s
        half = (self.usual_s + self.limit_s) / 2
        return rounded(half) if rounded(half) >= self.usual_s else float(round(half))

    @property
    def scheduled(self) -> bool:
        """A backup, refreshed at an interval; else a replica."""
        return self.copy.interval.mean > 0


def rounded(seconds: float) -> float:
    """Down to a number that people use: whole days, hours, five minutes, minutes, ten seconds, seconds."""
    step = next((step for step in _STEPS_S if seconds >= 3 * step), 1.0)
    return max(1.0, seconds // step * step)


def replicated(assessment: Assessment) -> tuple[Replicated, ...]:
    """Every copy that the strategy keeps in another region, against the contract for the loss of this one."""
    home = assessment.deployment.primary.region.name
    return tuple(_against(assessment, copy) for copy in assessment.deployment.copies if copy.region != home)


def _against(assessment: Assessment, copy: Copy) -> Replicated:
    """A copy that a fresher one stands before is judged by what only it outlives: deletion and wrong writes."""
    outcome = assessment.outcome(copy.subject, _judging(assessment, copy))
    limit = None if outcome is None or not outcome.promised else outcome.contract.rpo_s
    behind = total(f"age of {copy.what} by {copy.method}", "s", [copy.hold, copy.propagate, copy.interval])
    return Replicated(copy, behind, limit, "" if limit is None or outcome is None else outcome.contract.name)


def _judging(assessment: Assessment, copy: Copy) -> Fault:
    needed = set(_stores(assessment)) if copy.subject is Subject.STATE else {"streams"}
    fresher = [
        other
        for other in assessment.deployment.copies
        if other.subject is copy.subject and other.interval.mean < copy.interval.mean and other.region == copy.region
    ]
    covered = {name for other in fresher for name in (other.covers or needed)}
    return Fault.BAD_WRITE if fresher and needed <= covered else Fault.REGION


def _stores(assessment: Assessment) -> Iterator[str]:
    return (store.name for store in assessment.deployment.system.stores if store.loss is Loss.DATA)
