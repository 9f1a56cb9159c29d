"""What the decision hangs on: all assumptions drawn from their ranges, all strategies scored again for each draw.

A draw is one factor for each axis (a figure that may be wrong). Scores use the same procedures, copies and
samplers as the assessment, with expected yearly downtime as the sum over faults instead of simulated years
(overlaps of outages are a matter of seconds a year). Blocks of draws are independent, so they can be spread
over workers, and give the same numbers wherever they run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.draws import Draws, Samples
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.holding import Judge
from secondsite.evaluate.loss import events_lost_s
from secondsite.evaluate.threads import in_threads
from secondsite.evaluate.years import alike, failing_s
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Copy, Deployment
from secondsite.model.economics import Economics
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure

SAMPLES = 128
BLOCK = 256
TIE = 0.05
"""Costs of owning this close to the least are a tie: the doubt in every one of them is larger."""

OUTAGE, LOST_WRITE, ENGINEER = (
    "economics.outage_usd_per_hour",
    "economics.lost_message_usd",
    "economics.engineer_usd_per_hour",
)
INFRASTRUCTURE, UPKEEP, WORK = "infrastructure", "upkeep hours", "hours to get there"

A = TypeVar("A")
B = TypeVar("B")


class ParallelMap(Protocol):
    """Does a task for every item, wherever; results come in the order of the items."""

    def __call__(self, task: Callable[[A], B], items: Sequence[A], /) -> Sequence[B]: ...


@frozen
class Assumption:
    """An assumption: ``low`` and ``high`` are factors of ``value``."""

    name: str
    unit: str
    value: float
    low: float
    high: float
    source: str
    settle: str


@frozen
class StudyCandidate:
    """A strategy as the study needs it. Money in USD a month, ``work_hours`` once; ``preference`` decides ties.

    ``by_part``: the procedures that a contract on one stream or store is judged by, by the contract's name.
    """

    deployment: Deployment
    procedures: Mapping[Fault, Procedure]
    infrastructure_usd: float
    upkeep_hours: float
    work_hours: float
    excluded: bool
    preference: int
    by_part: Mapping[str, Mapping[Fault, Procedure]] = field(factory=dict)


@frozen
class StudySetting:
    """What all draws share."""

    candidates: tuple[StudyCandidate, ...]
    model: FaultModel
    buffer: Buffer
    contracts: tuple[Contract, ...]
    economics: Economics
    rate_per_s: float
    kept_s: float
    write_off_years: float
    seed: int


@frozen(eq=False)
class Block:
    """Some draws: ``factors`` has a row per draw and a column per axis in ``names``."""

    setting: StudySetting
    names: tuple[str, ...]
    factors: Samples


@frozen(eq=False)
class Scores:
    """A row per candidate, a column per draw: USD a year, contracts breached (excluded: more than there are), and
    whether the machines cost more than the budget."""

    owning_usd: Samples
    breached: NDArray[np.int64]
    over_budget: NDArray[np.bool_]
    preference: NDArray[np.int64]

    @property
    def winners(self) -> NDArray[np.intp]:
        """The best candidate of each draw: fewest breaches, then within the budget, then least cost; a tie goes to the
        preferred."""
        rank = 2 * self.breached + self.over_budget
        fewest = rank == rank.min(axis=0)
        cost = np.where(fewest, self.owning_usd, np.inf)
        tied = cost <= cost.min(axis=0) * (1 + TIE)
        return np.asarray(np.argmin(np.where(tied, self.preference[:, None], np.iinfo(np.int64).max), axis=0))


def here(task: Callable[[A], B], items: Sequence[A]) -> Sequence[B]:
    """In this process alone, results in the order of the items."""
    return list(in_threads(task, items))


def score(setting: StudySetting, names: tuple[str, ...], factors: Samples, parallel_map: ParallelMap = here) -> Scores:
    """Scores of all candidates for all draws."""
    blocks = [Block(setting, names, factors[i : i + BLOCK]) for i in range(0, len(factors), BLOCK)]
    parts = parallel_map(score_block, blocks)
    return Scores(
        np.concatenate([part.owning_usd for part in parts], axis=1),
        np.concatenate([part.breached for part in parts], axis=1),
        np.concatenate([part.over_budget for part in parts], axis=1),
        parts[0].preference,
    )


def score_block(block: Block) -> Scores:
    """Scores of one block; pure, so it may run anywhere."""
    study = _Study(block)
    owning, breached, over = zip(*(study.row(candidate) for candidate in block.setting.candidates), strict=True)
    preference = np.array([candidate.preference for candidate in block.setting.candidates], dtype=np.int64)
    return Scores(np.stack(owning), np.stack(breached), np.stack(over), preference)


@define
class _Study:
    block: Block
    factors: Mapping[str, Samples] = field(init=False)
    _draws: dict[Fault, Draws] = field(factory=dict, init=False)
    _repairs: dict[Hashable, int] = field(factory=dict, init=False)
    _outages: dict[tuple[Fault, int], Samples] = field(factory=dict, init=False)
    _losses: dict[tuple[Fault, tuple[Copy, ...], bool, float], Samples] = field(factory=dict, init=False)

    @factors.default
    def _columns(self) -> Mapping[str, Samples]:
        """What nobody moves is no column, so that nothing becomes as wide as the block for it."""
        columns = {name: self.block.factors[:, [i]] for i, name in enumerate(self.block.names)}
        return {name: column for name, column in columns.items() if np.any(column != 1.0)}

    def draws(self, fault: Fault) -> Draws:
        if fault not in self._draws:
            self._draws[fault] = Draws(self.block.setting.seed, f"study/{fault}", SAMPLES, self.factors)
        return self._draws[fault]

    def factor(self, name: str) -> Samples:
        column = self.factors.get(name)
        return np.ones(len(self.block.factors)) if column is None else column[:, 0]

    def row(self, candidate: StudyCandidate) -> tuple[Samples, NDArray[np.int64], NDArray[np.bool_]]:
        setting, economics = self.block.setting, self.block.setting.economics
        engineer = economics.engineer_usd_per_hour * self.factor(ENGINEER)
        machines = candidate.infrastructure_usd * self.factor(INFRASTRUCTURE)
        budget = economics.budget_usd_per_month
        over = machines > (np.inf if budget is None else budget)
        monthly = machines + candidate.upkeep_hours * self.factor(UPKEEP) * engineer
        once = candidate.work_hours * self.factor(WORK) * engineer
        outage, writes = self._expected(candidate)
        loss = outage * economics.outage_usd_per_hour * self.factor(OUTAGE)
        loss = loss + writes * economics.lost_message_usd * self.factor(LOST_WRITE)
        owning = 12 * monthly + once / setting.write_off_years + loss
        return owning, self._breached(candidate), over

    def _expected(self, candidate: StudyCandidate) -> tuple[Samples, Samples]:
        """Hours of outage and acknowledged writes lost, a year."""
        setting = self.block.setting
        hours = writes = np.zeros(len(self.block.factors))
        serving = len(candidate.deployment.serving)
        for fault, procedure in candidate.procedures.items():
            draws = self.draws(fault)
            sites = range(1 if fault.per_system else serving)
            rates = sum(np.asarray(setting.model.rate_per_year(fault, draws, site)) for site in sites)
            rate = np.broadcast_to(rates, (len(hours), 1))[:, 0]
            if Subject.API in procedure.milestones:
                hours = hours + rate * self._outage_s(candidate, fault) / 3600
            writes = writes + rate / serving * self._lost_s(candidate.deployment, fault) * setting.rate_per_s
        return hours, writes

    def _outage_s(self, candidate: StudyCandidate, fault: Fault) -> Samples:
        """Mean length, weighted by the share of requests that fail; strategies that repair alike share it."""
        key = fault, self._repair(candidate, fault)
        if key not in self._outages:
            failing = failing_s(candidate.procedures, fault, self.block.setting.model, self.draws(fault))
            self._outages[key] = self._mean(failing)
        return self._outages[key]

    def _repair(self, candidate: StudyCandidate, fault: Fault) -> int:
        """A number for each way to repair; equal procedures have the same."""
        way = alike(candidate.procedures, fault)
        return self._repairs.setdefault(way, len(self._repairs))

    def _lost_s(self, deployment: Deployment, fault: Fault) -> Samples:
        """Mean seconds of events that are lost for good; strategies with the same copies share it."""
        setting = self.block.setting
        key = (fault, deployment.copies, setting.buffer.applies(deployment), setting.buffer.share(fault, deployment))
        if key not in self._losses:
            gone = setting.model.figures["share.destroyed"]
            lost = events_lost_s(deployment, fault, self.draws(fault), setting.buffer, setting.kept_s, gone)
            self._losses[key] = self._mean(lost)
        return self._losses[key]

    def _breached(self, candidate: StudyCandidate) -> NDArray[np.int64]:
        contracts = self.block.setting.contracts
        count = np.full(len(self.block.factors), (len(contracts) + 1) * candidate.excluded, dtype=np.int64)
        for contract in contracts:
            count = count + (self._probability(candidate, contract) < contract.confidence)
        return count

    def _probability(self, candidate: StudyCandidate, contract: Contract) -> Samples:
        setting, draws = self.block.setting, self.draws(contract.fault)
        judge = Judge(setting.model, setting.buffer)
        procedures = candidate.by_part.get(contract.name, candidate.procedures)
        return judge.probability(contract, candidate.deployment, procedures, draws)

    def _mean(self, samples: Samples | NDArray[np.bool_]) -> Samples:
        """Over the samples of each draw."""
        wide = np.atleast_2d(samples)
        return np.broadcast_to(wide.mean(axis=1), (len(self.block.factors),))
