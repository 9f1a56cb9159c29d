"""How long to wait for a step before somebody does something about it.

A machine's step has a time limit: then it has failed. A person's has none, and neither has what somebody else has to
give back: a limit of hours would be read as leave to wait for hours. It is escalated when half would have been done,
or as soon as a contract could not hold any more, whichever is first.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from secondsite.model.contract import Contract
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.operate.epoch import verb_of
from secondsite.publish.content.timeline import ends_s
from secondsite.strategies.steps import PATIENCE

LIMITS = f"{PATIENCE:g} times the 95th percentile, and at least 1 s"
ESCALATION = "the median; sooner if a contract could no longer hold with the other steps at their medians"


@frozen
class Patience:
    """``limit_s`` is None where nothing times out; ``escalate_s`` where there is nobody to escalate to yet, or
    nothing to wait for.

    ``missed`` is the contract for which the median would be too late; with an ``escalate_s`` of 0 it is late already.
    """

    limit_s: float | None
    escalate_s: float | None = None
    missed: Contract | None = None


def patience(procedure: Procedure, step: Step, contracts: Iterable[Contract]) -> Patience:
    """``contracts`` are those that are promised; only those of the procedure's fault count."""
    if not step.by_person and step.verb is not Verb.WAIT:
        return Patience(step.limit_s)
    if step.by_person and step.verb is Verb.DETECT:
        return Patience(None)
    middle = step.duration.quantile(0.5)
    if middle <= 0:
        return Patience(None)
    slack = [(_slack_s(procedure, step, one), one) for one in contracts if _hurries(procedure, step, one)]
    left, tightest = min(slack, key=lambda pair: pair[0], default=(middle, None))
    return Patience(None, max(0.0, min(left, middle)), tightest if left < middle else None)


def _hurries(procedure: Procedure, step: Step, contract: Contract) -> bool:
    """Whether what the contract promises waits for the step; while a failback is prepared, the other region serves."""
    if verb_of(procedure) == "failback":
        return False
    end = procedure.milestones.get(contract.subject)
    if end is None or contract.rto_s is None or contract.fault is not procedure.fault:
        return False
    return step in procedure.leading_to(end)


def _slack_s(procedure: Procedure, step: Step, contract: Contract) -> float:
    """What the other steps leave of the limit."""
    others = ends_s(procedure, without=step)
    return (contract.rto_s or 0.0) - others[procedure.milestones[contract.subject]]
