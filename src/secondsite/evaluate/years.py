"""Simulated years: how much downtime a strategy has, as the union of its outages over time.

Faults arrive as Poisson processes on one long timeline, the same for every strategy; an outage lasts until
the procedure or the fault itself ends; overlapping outages count once. Years are simulated in chunks, and
yearly figures go into a logarithmic histogram, so memory does not grow with the number of years.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from secondsite.evaluate.draws import Draws, Samples, generator
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.memory import collected_rarely
from secondsite.evaluate.parallel import ParallelMap, here
from secondsite.evaluate.recovery import finish_s
from secondsite.model.contract import Subject
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Verb

YEAR_S = 365.25 * 86400
CHUNK_YEARS = 20_000
_LEAST_S = 1e-9
_MANY = 50
"""Where one outage in so many meets another, arrays are quicker than a look at each."""

_BINS = np.concatenate(([0.0], np.geomspace(1e-3, YEAR_S, 4000)))


@frozen
class Exposure:
    """What a strategy brings to the simulation: its procedures, and how many sites serve (and can fail)."""

    procedures: Mapping[Fault, Procedure]
    sites: int


def _bin_of(yearly_s: Samples) -> NDArray[np.intp]:
    """The first bin whose edge is not below; by the logarithm, and moved by one where that was rounded."""
    with np.errstate(divide="ignore"):
        ratio = np.log(yearly_s / _BINS[1]) * ((len(_BINS) - 2) / np.log(_BINS[-1] / _BINS[1]))
    at: NDArray[np.intp] = np.clip(np.ceil(ratio) + 1, 0, len(_BINS) - 1).astype(np.intp)
    at -= yearly_s <= _BINS[np.maximum(at - 1, 0)]
    np.maximum(at, 0, out=at)
    at += yearly_s > _BINS[at]
    return at


@define
class YearlyDowntime:
    """Downtime per year in seconds, as a histogram with bins of 0.6 %."""

    counts: NDArray[np.int64] = field(factory=lambda: np.zeros(len(_BINS), dtype=np.int64))
    total_s: float = 0.0
    years: int = 0

    def add(self, yearly_s: Samples) -> None:
        self.counts += np.bincount(_bin_of(yearly_s), minlength=len(_BINS))[: len(_BINS)]
        self.total_s += float(yearly_s.sum())
        self.years += len(yearly_s)

    def merge(self, more: YearlyDowntime) -> None:
        self.counts += more.counts
        self.total_s += more.total_s
        self.years += more.years

    @property
    def mean_s(self) -> float:
        return self.total_s / self.years

    def quantile_s(self, p: float) -> float:
        """The upper edge of the bin in which the quantile lies."""
        reached = int(np.searchsorted(np.cumsum(self.counts), p * self.years, side="left"))
        return float(_BINS[min(reached, len(_BINS) - 1)])


@frozen(eq=False)
class Timeline:
    """Faults over years: ``start_s`` ascending, the ``year`` of each; ``slots`` says where each fault's events are."""

    years: int
    start_s: Samples
    slots: Mapping[tuple[Fault, int], NDArray[np.intp]] = field(factory=dict)
    year: NDArray[np.intp] = field(init=False)

    @year.default
    def _of_start(self) -> NDArray[np.intp]:
        return _year(self.start_s, self.years)


def _year(start_s: Samples, years: int) -> NDArray[np.intp]:
    return np.minimum((start_s / YEAR_S).astype(np.intp), years - 1)


@frozen(eq=False)
class Race:
    """Strategies over the same years of faults."""

    exposures: tuple[Exposure, ...]
    model: FaultModel
    seed: int


def downtime(
    exposures: Sequence[Exposure],
    model: FaultModel,
    years: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
    parallel_map: ParallelMap = here,
) -> tuple[YearlyDowntime, ...]:
    """Yearly downtime of each strategy over the same ``years`` of faults. Time is linear in both."""
    results = tuple(YearlyDowntime() for _ in exposures)
    sizes = list(enumerate(_chunks(years)))
    parts = parallel_map(simulated, Race(tuple(exposures), model, seed), sizes)
    for (_, size), chunk in zip(sizes, parts, strict=True):
        for result, part in zip(results, chunk, strict=True):
            result.merge(part)
        if progress:
            progress(size)
    return results


@collected_rarely()
def simulated(race: Race, numbered: tuple[int, int]) -> tuple[YearlyDowntime, ...]:
    """One chunk of years, wherever."""
    chunk = Chunk(race.model, race.seed, *numbered)
    results = []
    for exposure in race.exposures:
        result = YearlyDowntime()
        result.add(chunk.yearly_s(exposure))
        results.append(result)
    return tuple(results)


def _chunks(years: int) -> Iterator[int]:
    for done in range(0, years, CHUNK_YEARS):
        yield min(CHUNK_YEARS, years - done)


@frozen(eq=False)
class _Outages:
    """Of one fault at one site: ``length_s`` and ``share`` of requests of each event, and the seconds of all requests
    in each year, were no two of them at once."""

    length_s: Samples
    share: Samples
    yearly_s: Samples


@define(eq=False)
class _LaidOut:
    """Outages of one strategy on its timeline."""

    line: Timeline
    length_s: Samples = field(init=False)
    share: Samples = field(init=False)
    _put: dict[tuple[Fault, int], _Outages | None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.length_s, self.share = np.zeros(len(self.line.start_s)), np.zeros(len(self.line.start_s))

    def put(self, key: tuple[Fault, int], outages: _Outages | None) -> None:
        if self._put.get(key) is not outages:
            slot = self.line.slots[key]
            self.length_s[slot] = outages.length_s if outages else 0.0
            self.share[slot] = outages.share if outages else 0.0
            self._put[key] = outages

    def united(self, alone: Samples) -> Samples:
        """Yearly seconds, less what outages have in common; ``alone``: as if they had nothing in common."""
        start, end = self.line.start_s, self.line.start_s + self.length_s
        meeting = np.flatnonzero(end[:-1] > start[1:])
        if np.sum(np.searchsorted(start, end[meeting]) - meeting) > len(start) / _MANY:
            return union_per_year_s(self.line, self.length_s, self.share)
        after = 0
        for first in meeting.tolist():
            if first < after:
                continue
            covered, after = end[first], first + 1
            while after < len(start) and start[after] < covered:
                common = min(covered, end[after]) - start[after]
                alone[self.line.year[after]] -= common * self.share[after]
                covered, after = max(covered, end[after]), after + 1
        return np.maximum(alone, 0.0)


@define
class Chunk:
    """Some years of faults. Each fault of each site is drawn once, whoever meets it."""

    model: FaultModel
    seed: int
    index: int
    years: int
    _timelines: dict[int, Timeline] = field(factory=dict, init=False)
    _arrivals: dict[tuple[Fault, int], Samples] = field(factory=dict, init=False)
    _draws: dict[tuple[Fault, int], Draws] = field(factory=dict, init=False)
    _outages: dict[Hashable, _Outages] = field(factory=dict, init=False)
    _laid_out: dict[int, _LaidOut] = field(factory=dict, init=False)

    def yearly_s(self, exposure: Exposure) -> Samples:
        """Strategies differ in few of their outages: what the last one with as many sites had alike stays in place."""
        line = self.timeline(exposure.sites)
        laid_out = self._laid_out.setdefault(exposure.sites, _LaidOut(line))
        alone = np.zeros(self.years)
        for fault, site in line.slots:
            procedure = exposure.procedures.get(fault)
            counts = procedure is not None and Subject.API in procedure.milestones
            outages = self._outages_of(exposure.procedures, fault, site) if counts else None
            laid_out.put((fault, site), outages)
            if outages is not None:
                alone += outages.yearly_s
        return laid_out.united(alone)

    def _outages_of(self, procedures: Mapping[Fault, Procedure], fault: Fault, site: int) -> _Outages:
        """Of each event; worked out once for strategies that repair alike."""
        key = fault, site, alike(procedures, fault)
        if key not in self._outages:
            arrivals = self._arrivals_s(fault, site)
            draws = self._draws_of(fault, site, len(arrivals))
            length = np.broadcast_to(outage_s(procedures, fault, self.model, draws), arrivals.shape)
            failing = np.broadcast_to(failing_s(procedures, fault, self.model, draws, length), arrivals.shape)
            yearly = _per_year(_year(arrivals, self.years), failing, self.years)
            self._outages[key] = _Outages(length, failing / np.maximum(length, _LEAST_S), yearly)
        return self._outages[key]

    def timeline(self, sites: int) -> Timeline:
        """When faults come to so many serving sites: a Poisson process for each fault and site."""
        if sites not in self._timelines:
            keys = [(fault, site) for fault in Fault for site in range(1 if fault.per_system else sites)]
            self._timelines[sites] = _merged(self.years, {key: self._arrivals_s(*key) for key in keys})
        return self._timelines[sites]

    def _arrivals_s(self, fault: Fault, site: int) -> Samples:
        if (fault, site) not in self._arrivals:
            rng = generator(self.seed, f"{self.index}/{fault}/{site}/arrivals")
            count = rng.poisson(self.model.rate(fault, site).mean * self.years)
            # Sums of exponential gaps, scaled to the whole, are uniform arrivals in order: nothing to sort.
            sums = np.cumsum(rng.standard_exponential(count + 1))
            self._arrivals[fault, site] = sums[:-1] * (self.years * YEAR_S / sums[-1])
        return self._arrivals[fault, site]

    def _draws_of(self, fault: Fault, site: int, count: int) -> Draws:
        if (fault, site) not in self._draws:
            self._draws[fault, site] = Draws(self.seed, f"{self.index}/{fault}/{site}", count)
        return self._draws[fault, site]


def _merged(years: int, arrivals: Mapping[tuple[Fault, int], Samples]) -> Timeline:
    """Each of them is in order already. One fault brings most of the events: the others are sorted in among them."""
    most = max(arrivals, key=lambda key: len(arrivals[key]))
    rare = [key for key in arrivals if key != most]
    others = np.concatenate([np.empty(0), *(arrivals[key] for key in rare)])
    order = np.argsort(others, kind="stable")
    ordered = others[order]
    place = np.searchsorted(arrivals[most], ordered, side="right") + np.arange(len(ordered))
    free = np.ones(len(arrivals[most]) + len(ordered), dtype=np.bool_)
    free[place] = False
    slot_of_most = np.flatnonzero(free)
    starts = np.empty(len(free))
    starts[slot_of_most], starts[place] = arrivals[most], ordered
    slots = np.empty_like(place)
    slots[order] = place
    parts = np.split(slots, np.cumsum([len(arrivals[key]) for key in rare])[:-1])
    by_key = {most: slot_of_most, **dict(zip(rare, parts, strict=True))}
    return Timeline(years, starts, {key: by_key[key] for key in arrivals})


def alike(procedures: Mapping[Fault, Procedure], fault: Fault) -> Hashable:
    """What the outage of a fault hangs on, of its procedure: strategies that repair alike share it."""
    one = procedures[fault]
    ends = (one.milestones.get(Subject.API), one.milestones.get(Subject.NATS))
    further = alike(procedures, one.escalates_to) if one.escalates_to else None
    return one.steps, one.affected, one.degraded, one.stalled, ends, further


def failing_s(
    procedures: Mapping[Fault, Procedure], fault: Fault, model: FaultModel, draws: Draws, whole: Samples | None = None
) -> Samples:
    """The outage in seconds of all requests: while one pod of many is gone, its share of them fails; while streams
    take nothing, all writes do, however many pods there are. ``whole`` is the outage itself, where it is known."""
    procedure = procedures[fault]
    if whole is None:
        whole = outage_s(procedures, fault, model, draws)
    if not procedure.degraded:
        return whole * procedure.affected
    stalled = _until_s(procedure, procedure.milestones[Subject.NATS], draws)
    degraded = _until_s(procedure, procedure.degraded, draws)
    if procedure.stalled == procedure.affected:
        return np.asarray(np.minimum(whole, np.maximum(stalled, degraded)) * procedure.affected)
    stalled, degraded = np.minimum(whole, stalled), np.minimum(whole, degraded)
    both: Samples = stalled * procedure.stalled + np.maximum(degraded - stalled, 0.0) * procedure.affected
    return both


def _until_s(procedure: Procedure, step_id: str, draws: Draws) -> Samples:
    return finish_s(procedure.leading_to(step_id), draws)[step_id]


def outage_s(procedures: Mapping[Fault, Procedure], fault: Fault, model: FaultModel, draws: Draws) -> Samples:
    """Seconds until clients are served again or the fault is over, whichever comes first."""
    lasting = _stopped_s(procedures, fault, model, draws)
    natural = model.natural(fault)
    return lasting if natural is None else np.minimum(lasting, draws.of("natural", natural))


def _stopped_s(procedures: Mapping[Fault, Procedure], fault: Fault, model: FaultModel, draws: Draws) -> Samples:
    """Until the API is back, and for those whose resolvers ignore the TTL beyond that."""
    procedure = procedures[fault]
    steps = procedure.leading_to(procedure.milestones[Subject.API])
    length = finish_s(steps, draws)[steps[-1].id]
    if any(step.verb is Verb.CONVERGE for step in steps):
        length = length + draws.of("stragglers", model.figures["converge.stragglers"])
    if procedure.escalates_to is None:
        return length
    return np.minimum(length, _stopped_s(procedures, procedure.escalates_to, model, draws))


def union_per_year_s(line: Timeline, length_s: Samples, share: Samples) -> Samples:
    """Length of the union of the intervals in each year, each weighted by its share of requests.

    What an earlier outage covers already is not counted again, at the earlier one's share; an outage that crosses
    the end of a year counts for the year in which it began.
    """
    new = line.start_s + length_s
    covered = np.maximum.accumulate(new)
    new[1:] -= np.maximum(line.start_s[1:], covered[:-1], out=covered[:-1])
    new[:1] -= line.start_s[:1]
    np.maximum(new, 0.0, out=new)
    new *= share
    return _per_year(line.year, new, line.years)


def _per_year(year: NDArray[np.intp], seconds: Samples, years: int) -> Samples:
    return np.asarray(np.bincount(year, weights=seconds, minlength=years), dtype=np.float64)
