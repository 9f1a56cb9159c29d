"""Simulated years: how much downtime a strategy has, as the union of its outages over time.

Faults arrive as Poisson processes on one long timeline, the same for every strategy; an outage lasts until
the procedure or the fault itself ends; overlapping outages count once. Years are simulated in chunks, and
yearly figures go into a logarithmic histogram, so memory does not grow with the number of years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from secondsite.evaluate.draws import Draws, Samples, generator
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.recovery import recovery_s
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step

YEAR_S = 365.25 * 86400
CHUNK_YEARS = 20_000
MAX_SITES = 2

_BINS = np.concatenate(([0.0], np.geomspace(1e-3, YEAR_S, 4000)))


@frozen
class Exposure:
    """What a strategy brings to the simulation: its procedures, and how many sites serve (and can fail)."""

    procedures: Mapping[Fault, Procedure]
    sites: int


@define
class YearlyDowntime:
    """Downtime per year in seconds, as a histogram with bins of 0.6 %."""

    counts: NDArray[np.int64] = field(factory=lambda: np.zeros(len(_BINS), dtype=np.int64))
    total_s: float = 0.0
    years: int = 0

    def add(self, yearly_s: Samples) -> None:
        self.counts += np.bincount(np.searchsorted(_BINS, yearly_s, side="left"), minlength=len(_BINS))[: len(_BINS)]
        self.total_s += float(yearly_s.sum())
        self.years += len(yearly_s)

    @property
    def mean_s(self) -> float:
        return self.total_s / self.years

    def quantile_s(self, p: float) -> float:
        """The upper edge of the bin in which the quantile lies."""
        reached = int(np.searchsorted(np.cumsum(self.counts), p * self.years, side="left"))
        return float(_BINS[min(reached, len(_BINS) - 1)])


@frozen(eq=False)
class Timeline:
    """The faults of a chunk of years: ``start_s`` ascending; ``slots`` says where each fault's events went."""

    years: int
    start_s: Samples
    slots: Mapping[tuple[Fault, int], NDArray[np.intp]]


def downtime(
    exposures: Sequence[Exposure],
    model: FaultModel,
    years: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[YearlyDowntime, ...]:
    """Yearly downtime of each strategy over the same ``years`` of faults. Time is linear in both."""
    results = tuple(YearlyDowntime() for _ in exposures)
    for index, size in enumerate(_chunks(years)):
        timeline = faults_of(model, size, seed, index)
        outages = _Outages(model, seed, index, timeline)
        for exposure, result in zip(exposures, results, strict=True):
            result.add(outages.yearly_s(exposure))
        if progress:
            progress(size)
    return results


def _chunks(years: int) -> Iterator[int]:
    for done in range(0, years, CHUNK_YEARS):
        yield min(CHUNK_YEARS, years - done)


def faults_of(model: FaultModel, years: int, seed: int, chunk: int) -> Timeline:
    """When faults come: for each fault and site a Poisson process over the chunk."""
    pieces: list[Samples] = []
    keys: list[tuple[Fault, int]] = []
    for fault in Fault:
        rate = model.rate(fault).mean
        for site in range(1 if model.per_system(fault) else MAX_SITES):
            rng = generator(seed, f"{chunk}/{fault}/{site}/arrivals")
            pieces.append(rng.random(rng.poisson(rate * years)) * (years * YEAR_S))
            keys.append((fault, site))
    starts = np.concatenate(pieces)
    order = np.argsort(starts)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    edges = np.cumsum([0, *map(len, pieces)])
    slots = {key: rank[a:b] for key, a, b in zip(keys, edges[:-1], edges[1:], strict=True)}
    return Timeline(years, starts[order], slots)


@define
class _Outages:
    """Outages of a chunk; strategies that answer a fault alike share the samples."""

    model: FaultModel
    seed: int
    chunk: int
    timeline: Timeline
    _known: dict[tuple[Fault, int, tuple[Step, ...]], Samples] = field(factory=dict)
    _draws: dict[tuple[Fault, int], Draws] = field(factory=dict)

    def yearly_s(self, exposure: Exposure) -> Samples:
        line = self.timeline
        length = np.zeros(len(line.start_s))
        share = np.zeros(len(line.start_s))
        for (fault, site), slot in line.slots.items():
            procedure = exposure.procedures.get(fault)
            if procedure is None or site >= exposure.sites or Subject.API not in procedure.milestones:
                continue
            length[slot] = self._length_s(fault, site, exposure.procedures)
            share[slot] = procedure.affected
        return union_per_year_s(line.start_s, length, share, line.years)

    def _length_s(self, fault: Fault, site: int, procedures: Mapping[Fault, Procedure]) -> Samples:
        key = (fault, site, deciding_steps(procedures, fault))
        if key not in self._known:
            self._known[key] = outage_s(procedures, fault, self.model, self._draws_of(fault, site))
        return self._known[key]

    def _draws_of(self, fault: Fault, site: int) -> Draws:
        if (fault, site) not in self._draws:
            count = len(self.timeline.slots[fault, site])
            self._draws[fault, site] = Draws(self.seed, f"{self.chunk}/{fault}/{site}", count)
        return self._draws[fault, site]


def deciding_steps(procedures: Mapping[Fault, Procedure], fault: Fault) -> tuple[Step, ...]:
    """All steps that decide when the API is back, those of an escalation included."""
    procedure = procedures[fault]
    steps = procedure.leading_to(procedure.milestones[Subject.API])
    return steps if procedure.escalates_to is None else (*steps, *deciding_steps(procedures, procedure.escalates_to))


def outage_s(procedures: Mapping[Fault, Procedure], fault: Fault, model: FaultModel, draws: Draws) -> Samples:
    """Until the procedure has brought the API back or the fault is over, whichever comes first."""
    lasting = recovery_s(procedures, fault, Subject.API, draws)
    natural = model.natural(fault)
    return lasting if natural is None else np.minimum(lasting, draws.of("natural", natural))


def union_per_year_s(start_s: Samples, length_s: Samples, share: Samples, years: int) -> Samples:
    """Length of the union of the intervals in each year, each weighted by its share of requests.

    ``start_s`` ascends. What an earlier outage covers already is not counted again, at the earlier one's share;
    an outage that crosses the end of a year counts for the year in which it began.
    """
    end = start_s + length_s
    covered = np.maximum.accumulate(end)
    before = np.concatenate(([0.0], covered[:-1]))
    new = np.clip(end - np.maximum(start_s, before), 0.0, None) * share
    year = np.minimum((start_s / YEAR_S).astype(np.int64), years - 1)
    return np.asarray(np.bincount(year, weights=new, minlength=years), dtype=np.float64)
