"""What a change of the system file does: to the promises, to the money, to what endangers them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import frozen

from secondsite.evaluate.evaluation import Assessment, ContractOutcome, Evaluation
from secondsite.model.contract import Verdict
from secondsite.model.hazard import Hazard, Severity

SURE = 0.005
"""Chances nearer than this are told as equal: what the number of simulated years lets one tell apart."""


@frozen
class ContractChange:
    """``before`` is None for a contract that is new, ``after`` for one that is gone."""

    name: str
    before: ContractOutcome | None
    after: ContractOutcome | None

    @property
    def newly_breached(self) -> bool:
        """It is expected not to hold, and did hold or was not promised before."""
        return _breached(self.after) and not _breached(self.before)


@frozen
class EvaluationDifference:
    """Each side by its own recommendation. ``contracts`` holds those that differ, ``new`` and ``gone`` open hazards."""

    before: Assessment
    after: Assessment
    provider: str
    contracts: tuple[ContractChange, ...]
    new: tuple[Hazard, ...]
    gone: tuple[Hazard, ...]

    @property
    def worse(self) -> bool:
        """A contract is newly breached, or a fatal or high hazard is new."""
        grave = (Severity.FATAL, Severity.HIGH)
        return any(c.newly_breached for c in self.contracts) or any(h.severity in grave for h in self.new)

    @property
    def empty(self) -> bool:
        same = self.before.strategy == self.after.strategy and _monthly(self, self.before) == _monthly(self, self.after)
        return same and not (self.contracts or self.new or self.gone)


def difference(
    before: Evaluation, after: Evaluation, hazards_before: Sequence[Hazard], hazards_after: Sequence[Hazard]
) -> EvaluationDifference:
    """``hazards_…`` are those of what runs today. Evaluate both sides with the same seed and years."""
    provider = after.system.region.provider
    return EvaluationDifference(
        before=before.recommended,
        after=after.recommended,
        provider=provider if provider in after.recommended.bills else next(iter(after.recommended.bills)),
        contracts=tuple(_contracts(before.recommended, after.recommended)),
        new=_only(hazards_after, hazards_before),
        gone=_only(hazards_before, hazards_after),
    )


def _monthly(what: EvaluationDifference, side: Assessment) -> float:
    return side.monthly_usd[what.provider].mean


def _contracts(before: Assessment, after: Assessment) -> Iterator[ContractChange]:
    was = {outcome.contract.name: outcome for outcome in before.outcomes if outcome.promised}
    now = {outcome.contract.name: outcome for outcome in after.outcomes if outcome.promised}
    for name in {**was, **now}:
        change = ContractChange(name, was.get(name), now.get(name))
        if not _alike(change.before, change.after):
            yield change


def _alike(one: ContractOutcome | None, other: ContractOutcome | None) -> bool:
    if one is None or other is None:
        return one is other
    limits = (one.contract.rto_s, one.contract.rpo_s, one.contract.confidence, one.verdict)
    same = limits == (other.contract.rto_s, other.contract.rpo_s, other.contract.confidence, other.verdict)
    return same and abs((one.probability_met or 0.0) - (other.probability_met or 0.0)) < SURE


def _breached(outcome: ContractOutcome | None) -> bool:
    return outcome is not None and outcome.verdict is Verdict.BREACHED


def _only(here: Sequence[Hazard], there: Sequence[Hazard]) -> tuple[Hazard, ...]:
    """Open hazards by what they say of what: a line that moved is no change."""
    known = {(hazard.rule, hazard.subject) for hazard in there if not hazard.waived}
    return tuple(h for h in here if not h.waived and (h.rule, h.subject) not in known)
