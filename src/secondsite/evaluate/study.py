"""What the decision hangs on: all assumptions drawn from their ranges, all strategies scored again for each draw.

A draw is one factor for each axis (a figure that may be wrong). Scores use the same procedures, copies and
samplers as the assessment, with expected yearly downtime as the sum over faults instead of simulated years
(overlaps of outages are a matter of seconds a year). Blocks of draws are independent, so they can be spread
over workers, and give the same numbers wherever they run.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from threading import Lock
from typing import Any

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.draws import Draws, Samples
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.holding import Judge
from secondsite.evaluate.loss import events_lost_s
from secondsite.evaluate.memory import collected_rarely
from secondsite.evaluate.parallel import ParallelMap, here
from secondsite.evaluate.recall import Recall
from secondsite.evaluate.years import alike, failing_s
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
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
INFRASTRUCTURE, UPKEEP, WORK = "infrastructure", "upkeep hours", "hours of initial work"


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

    @cached_property
    def repairs(self) -> tuple[Mapping[Fault, int], ...]:
        """Of each candidate, a number for each way to repair; equal procedures have the same."""
        known: dict[Hashable, int] = {}
        return tuple(
            dict(zip(one.procedures, _numbered((alike(one.procedures, f) for f in one.procedures), known), strict=True))
            for one in self.candidates
        )

    def start(self, names: tuple[str, ...], factors: Samples) -> Start:
        """The same one for the same draws."""
        key = names, factors.tobytes()
        return self._starts.setdefault(key, Start(self, names, factors))

    @cached_property
    def _starts(self) -> dict[tuple[tuple[str, ...], bytes], Start]:
        return {}

    @cached_property
    def losses(self) -> tuple[int, ...]:
        """Of each candidate, a number for what it may lose: equal copies and buffers have the same."""
        pods = (tuple(service.replicas for service in one.deployment.system.forgetful) for one in self.candidates)
        return tuple(_numbered(zip((one.deployment.copies for one in self.candidates), pods, strict=True), {}))


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


@frozen(eq=False)
class Start:
    """Draws from which one assumption at a time is moved: ``factors`` has a row per draw and a column per name.

    What a move leaves alone is scored once, here.
    """

    setting: StudySetting
    names: tuple[str, ...]
    factors: Samples
    lock: AbstractContextManager[object] = field(factory=Lock, init=False)
    """Held while it is scored: a worker of a cluster may have threads."""

    @cached_property
    def scoring(self) -> _Scoring:
        columns = {name: self.factors[:, [i]] for i, name in enumerate(self.names)}
        # What nobody moves is no column, so that nothing becomes as wide as the draws for it.
        moved = {name: column for name, column in columns.items() if np.any(column != 1.0)}
        return _Scoring(self.setting, len(self.factors), moved)

    @cached_property
    def scores(self) -> Scores:
        return self.scoring.scores()

    def moved(self, moves: Sequence[tuple[str, Samples]], parallel_map: ParallelMap = here) -> Iterable[Scores]:
        """Scores with one assumption moved alone, for each of ``moves``."""
        _ = self.scores  # once, before threads ask for it
        items = [Move(self.names, self.factors, name, factors) for name, factors in moves]
        return parallel_map(score_moved, self.setting, items)


def score(setting: StudySetting, names: tuple[str, ...], factors: Samples, parallel_map: ParallelMap = here) -> Scores:
    """Scores of all candidates for all draws."""
    blocks = [(names, factors[i : i + BLOCK]) for i in range(0, len(factors), BLOCK)]
    parts = list(parallel_map(score_block, setting, blocks))
    return Scores(
        np.concatenate([part.owning_usd for part in parts], axis=1),
        np.concatenate([part.breached for part in parts], axis=1),
        np.concatenate([part.over_budget for part in parts], axis=1),
        parts[0].preference,
    )


@collected_rarely()
def score_block(setting: StudySetting, block: tuple[tuple[str, ...], Samples]) -> Scores:
    """Scores of some of the draws; pure, so it may run anywhere."""
    return Start(setting, *block).scores


@frozen(eq=False)
class Move:
    """One assumption moved, by as many factors as the start has draws, or by any number where that has one."""

    names: tuple[str, ...]
    start: Samples
    name: str
    factors: Samples


@collected_rarely()
def score_moved(setting: StudySetting, move: Move) -> Scores:
    start = setting.start(move.names, move.start)
    with start.lock:
        _ = start.scores  # what stays as it is has been worked out
    return start.scoring.moved(move.name, move.factors[:, None]).scores()


@define
class _Scoring:
    """Some draws. A move of one assumption takes from the ``base`` whatever does not hang on it."""

    setting: StudySetting
    rows: int
    factors: Mapping[str, Samples]
    base: _Scoring | None = None
    _recall: Recall[Any] = field(factory=Recall)
    _draws: dict[Fault, Draws] = field(factory=dict, init=False)

    def moved(self, name: str, column: Samples) -> _Scoring:
        recall: Recall[Any] = Recall(base=self._recall, changed=name)
        return _Scoring(self.setting, len(column), {**self.factors, name: column}, self, recall)

    def scores(self) -> Scores:
        candidates = self.setting.candidates
        rows = (self._row(index, candidate) for index, candidate in enumerate(candidates))
        owning, breached, over = zip(*rows, strict=True)
        return Scores(
            np.stack([np.broadcast_to(one, self.rows) for one in owning]),
            np.stack([np.broadcast_to(one, self.rows) for one in breached]),
            np.stack([np.broadcast_to(one, self.rows) for one in over]),
            np.array([candidate.preference for candidate in candidates], dtype=np.int64),
        )

    def draws(self, fault: Fault) -> Draws:
        if fault not in self._draws:
            self._draws[fault] = self._drawn(fault)
        return self._draws[fault]

    def _drawn(self, fault: Fault) -> Draws:
        asked, changed = self._recall.asked, self._recall.changed
        if self.base is not None:
            return self.base.draws(fault).moved(changed, self.factors[changed], asked)
        return Draws(self.setting.seed, f"study/{fault}", SAMPLES, self.factors, recall=Recall(asked))

    def _factor(self, name: str) -> Samples | float:
        column = self.factors.get(name)
        return 1.0 if column is None else column[:, 0]

    def _row(
        self, index: int, candidate: StudyCandidate
    ) -> tuple[Samples | float, NDArray[np.int64], NDArray[np.bool_]]:
        """USD a year, breached contracts and whether the budget is exceeded, for each draw; one value where all draws
        have the same."""
        setting, economics = self.setting, self.setting.economics
        engineer = economics.engineer_usd_per_hour * self._factor(ENGINEER)
        machines = candidate.infrastructure_usd * self._factor(INFRASTRUCTURE)
        budget = economics.budget_usd_per_month
        over = np.asarray(machines > (np.inf if budget is None else budget))
        monthly = machines + candidate.upkeep_hours * self._factor(UPKEEP) * engineer
        once = candidate.work_hours * self._factor(WORK) * engineer
        outage, writes = self._recall.once(("expected", index), partial(self._expected, index, candidate))
        loss = outage * economics.outage_usd_per_hour * self._factor(OUTAGE)
        loss = loss + writes * economics.lost_message_usd * self._factor(LOST_WRITE)
        owning = 12 * monthly + once / setting.write_off_years + loss
        return owning, self._recall.once(("breached", index), partial(self._breached, index, candidate)), over

    def _expected(self, index: int, candidate: StudyCandidate) -> tuple[Samples, Samples]:
        """Hours of outage and acknowledged writes lost, a year."""
        hours = writes = np.zeros(1)
        for fault in candidate.procedures:
            down, lost = self._recall.once((index, fault), partial(self._by_fault, index, candidate, fault))
            hours, writes = hours + down, writes + lost
        return hours, writes

    def _by_fault(self, index: int, candidate: StudyCandidate, fault: Fault) -> tuple[Samples, Samples]:
        """Of one kind of fault."""
        setting, draws = self.setting, self.draws(fault)
        serving = len(candidate.deployment.serving)
        sites = 1 if fault.per_system else serving
        rate = draws.once(("rate", sites), partial(self._rate, fault, sites, draws))
        hours: Samples = np.zeros(1)
        if Subject.API in candidate.procedures[fault].milestones:
            key = "outage", setting.repairs[index][fault]
            hours = rate * draws.once(key, partial(self._outage_s, candidate, fault, draws)) / 3600
        lost_s = draws.once(("lost", setting.losses[index]), partial(self._lost_s, candidate, fault, draws))
        return hours, rate / serving * lost_s * setting.rate_per_s

    def _rate(self, fault: Fault, sites: int, draws: Draws) -> Samples:
        rates = (np.ravel(self.setting.model.rate_per_year(fault, draws, site)) for site in range(sites))
        return np.asarray(sum(rates))

    def _outage_s(self, candidate: StudyCandidate, fault: Fault, draws: Draws) -> Samples:
        """Mean length, weighted by the share of requests that fail; strategies that repair alike share it."""
        return _mean(failing_s(candidate.procedures, fault, self.setting.model, draws))

    def _lost_s(self, candidate: StudyCandidate, fault: Fault, draws: Draws) -> Samples:
        """Mean seconds of events that are lost for good; strategies with the same copies share it."""
        setting = self.setting
        gone = setting.model.figures["share.destroyed"]
        return _mean(events_lost_s(candidate.deployment, fault, draws, setting.buffer, setting.kept_s, gone))

    def _breached(self, index: int, candidate: StudyCandidate) -> NDArray[np.int64]:
        contracts = self.setting.contracts
        count = np.full(1, (len(contracts) + 1) * candidate.excluded, dtype=np.int64)
        for number, contract in enumerate(contracts):
            draws = self.draws(contract.fault)
            met = draws.once(("met", index, number), partial(self._probability, candidate, contract, draws))
            count = count + (met < contract.confidence)
        return count

    def _probability(self, candidate: StudyCandidate, contract: Contract, draws: Draws) -> Samples:
        judge = Judge(self.setting.model, self.setting.buffer)
        procedures = candidate.by_part.get(contract.name, candidate.procedures)
        return judge.probability(contract, candidate.deployment, procedures, draws)


def _mean(samples: Samples) -> Samples:
    """Over the samples of each draw."""
    return np.asarray(np.atleast_2d(samples).mean(axis=1))


def _numbered(keys: Iterable[Hashable], known: dict[Hashable, int]) -> list[int]:
    """A number for each; equal ones have the same."""
    return [known.setdefault(key, len(known)) for key in keys]
