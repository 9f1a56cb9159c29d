"""The contract board: what is promised, expected and measured, and the verdict that follows.

Only evidence decides. A contract that no drill has tried is unproven, and so is one whose evidence is stale (too old,
or of another system than today's), however good or bad the estimate.
"""

from __future__ import annotations

from datetime import date, timedelta

from attrs import evolve, frozen

from secondsite.evaluate.evaluation import ContractOutcome
from secondsite.model.contract import Contract, Standing, Verdict
from secondsite.model.measurement import Measurement
from secondsite.publish.content.inputs import Inputs, StoreVerdict
from secondsite.publish.content.proof import DrillProof, proof, proving, shelf_life_days


@frozen
class ContractBoardRow:
    """``stale`` says why the newest evidence does not count; ``until`` is the last day on which it does."""

    outcome: ContractOutcome
    proof: DrillProof
    command: str
    measured: Measurement | None
    verdict: Verdict
    stale: str
    until: date | None

    @property
    def contract(self) -> Contract:
        return self.outcome.contract

    @property
    def of_a_design(self) -> bool:
        """Met, though of nothing that is deployed."""
        met = self.verdict is Verdict.MET and self.measured is not None
        return met and self.measured is not None and self.measured.of is Standing.DESIGN

    @property
    def expected_to_hold(self) -> bool:
        return self.outcome.verdict is not Verdict.BREACHED and not self.outcome.unknown

    @property
    def expectation(self) -> str:
        if self.outcome.unknown:
            return self.outcome.unknown
        return "expected to hold" if self.expected_to_hold else "expected to be breached"


def board(inputs: Inputs) -> tuple[ContractBoardRow, ...]:
    """Every promised contract, in the order of the system file."""
    return tuple(_standing(inputs, outcome) for outcome in inputs.chosen.outcomes if outcome.promised)


def _standing(inputs: Inputs, outcome: ContractOutcome) -> ContractBoardRow:
    wanted = proof(outcome.contract, inputs.chosen.deployment)
    measured = deciding(inputs, outcome.contract)
    until = None if measured is None else _until(outcome.contract, measured)
    stale = "" if measured is None or until is None else _stale(inputs, measured, until)
    counts = measured is not None and not stale
    return ContractBoardRow(
        outcome=outcome,
        proof=wanted,
        command=proving(outcome.contract, inputs.chosen.deployment),
        measured=measured,
        verdict=measured.verdict if measured is not None and counts else Verdict.UNPROVEN,
        stale=stale,
        until=until,
    )


def by_store(inputs: Inputs, contract: Contract) -> tuple[StoreVerdict, ...]:
    """Of a contract on the whole state, each store by itself, with the recommended strategy."""
    return tuple(
        one
        for one in inputs.stores
        if one.strategy in ("", inputs.chosen.strategy.id) and evolve(one.contract, part="") == contract
    )


def deciding(inputs: Inputs, contract: Contract) -> Measurement | None:
    """Of the recommended strategy, or of any where the fault stays within the region.

    The worst of the contract's drills decides; of quick and production runs of one drill, whichever decides.
    """
    any_strategy = contract.fault.inside_region
    deciding_runs: dict[tuple[str, str, str], Measurement] = {}
    for one in sorted(inputs.measurements, key=lambda each: (each.at, each.evidence)):
        mine = any_strategy or one.strategy == inputs.chosen.strategy.id
        if mine and one.about == contract.about and one.fault is contract.fault:
            deciding_runs[one.strategy, one.drill, one.profile] = one
    by_drill: dict[tuple[str, str], list[Measurement]] = {}
    for (strategy, drill, _), one in deciding_runs.items():
        by_drill.setdefault((strategy, drill), []).append(one)
    decided = [min(series, key=lambda one: _order(inputs, contract, one, _WITHIN)) for series in by_drill.values()]
    return min(decided, key=lambda one: _order(inputs, contract, one, _ACROSS), default=None)


_WITHIN = (Verdict.BREACHED, Verdict.MET, Verdict.UNPROVEN)
_ACROSS = (Verdict.BREACHED, Verdict.UNPROVEN, Verdict.MET)


def _order(inputs: Inputs, contract: Contract, one: Measurement, verdicts: tuple[Verdict, ...]) -> tuple[int, int, str]:
    """Fresh evidence by its verdict, the newest first."""
    counts = Verdict.UNPROVEN if _stale(inputs, one, _until(contract, one)) else one.verdict
    return verdicts.index(counts), -day_of(one).toordinal(), one.evidence


def _until(contract: Contract, measured: Measurement) -> date:
    return day_of(measured) + timedelta(days=shelf_life_days(contract, measured.profile))


def day_of(measured: Measurement) -> date:
    return date.fromisoformat(measured.at[:10])


def _stale(inputs: Inputs, measured: Measurement, until: date) -> str:
    if measured.evidence in inputs.outdated:
        return inputs.outdated[measured.evidence]
    return f"older than its shelf life of {(until - day_of(measured)).days} days" if inputs.as_of > until else ""
