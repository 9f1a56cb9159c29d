"""Simulated downtime against Markov chains, a naive union of intervals, and laws of the simulation."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import null_space

from secondsite.catalogue.figures import Figures, load_figures
from secondsite.catalogue.table import shipped
from secondsite.evaluate import threads
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.years import (
    CHUNK_YEARS,
    YEAR_S,
    Chunk,
    Exposure,
    Timeline,
    YearlyDowntime,
    downtime,
    outage_s,
    union_per_year_s,
)
from secondsite.model.contract import Subject
from secondsite.model.estimate import Distribution, Estimate, Fixed, Lognormal, Provenance, Uniform, fixed, unbounded
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb

HOUR, DAY = 3600.0, 86400.0
SLOW = 30 * DAY


def _model(**rates: float) -> FaultModel:
    """The shipped figures with these rates, by fault with underscores; all others zero."""
    shipped = load_figures().by_name
    changed = {
        name: evolve(row, distribution=Fixed(rates.get(name.split(".")[1].replace("-", "_"), 0.0)))
        for name, row in shipped.items()
        if name.startswith("fault.")
    }
    return FaultModel(Figures({**shipped, **changed}), "aws")


def _lasting(fault: Fault, distribution: Distribution | None, affected: float = 1.0) -> Procedure:
    duration = (
        unbounded(str(fault), "s", "never")
        if distribution is None
        else Estimate(f"{fault} lasts", "s", distribution, Provenance.ASSUMED, "test")
    )
    step = Step("only", Verb.WAIT, "wait", "check", duration, 1.0, blocked="never" if distribution is None else "")
    return Procedure("p", fault, (step,), {Subject.API: "only"}, affected)


def _exposure(*procedures: Procedure, sites: int = 1) -> Exposure:
    return Exposure({procedure.fault: procedure for procedure in procedures}, sites)


def _share_down(exposure: Exposure, model: FaultModel, years: int, seed: int = 1) -> float:
    (found,) = downtime([exposure], model, years, seed)
    return found.mean_s / YEAR_S


def _all_up(rates: tuple[float, ...], means: tuple[float, ...], most: int = 12) -> float:
    """P(nothing is broken): a continuous-time chain whose states count the open outages of each kind.

    Arrivals at ``rates`` a year, each repaired on its own after an exponential time with mean ``means`` years.
    """
    shape = tuple(most + 1 for _ in rates)
    size = math.prod(shape)
    generator: NDArray[np.float64] = np.zeros((size, size))
    for state in range(size):
        counts = np.unravel_index(state, shape)
        for kind, (rate, mean) in enumerate(zip(rates, means, strict=True)):
            for step, flow in ((1, rate), (-1, counts[kind] / mean)):
                if 0 <= counts[kind] + step <= most:
                    there = list(counts)
                    there[kind] += step
                    generator[state, np.ravel_multi_index(tuple(there), shape)] += flow
        generator[state, state] = -generator[state].sum()
    stationary = null_space(generator.T)[:, 0]
    return float(stationary[0] / stationary.sum())


@pytest.mark.parametrize(
    "distribution",
    [Fixed(SLOW), Uniform(0, 2 * SLOW), Lognormal(math.log(SLOW) - 0.5, 1.0)],
    ids=["fixed", "uniform", "lognormal"],
)
def test_one_fault_against_a_markov_chain(distribution: Distribution) -> None:
    """Only the mean repair time matters (M/G/∞ is insensitive): 1 − exp(−rate × mean), as the chain says too."""
    rate, mean = 6.0, SLOW / YEAR_S
    expected = 1 - _all_up((rate,), (mean,))
    assert expected == pytest.approx(1 - math.exp(-rate * mean), rel=1e-6)
    found = _share_down(_exposure(_lasting(Fault.PROCESS, distribution)), _model(process=rate), 20_000)
    assert found == pytest.approx(expected, rel=0.015)


def test_several_faults_against_a_markov_chain() -> None:
    rates, means = (5.0, 2.0), (SLOW / YEAR_S, 2 * SLOW / YEAR_S)
    exposure = _exposure(
        _lasting(Fault.PROCESS, Lognormal(math.log(SLOW) - 0.125, 0.5)), _lasting(Fault.NODE, Fixed(2 * SLOW))
    )
    expected = 1 - _all_up(rates, means)
    naive = rates[0] * means[0] + rates[1] * means[1]
    assert naive > 1.3 * expected, "overlaps have to matter here"
    found = _share_down(exposure, _model(process=rates[0], node=rates[1]), 20_000)
    assert found == pytest.approx(expected, rel=0.015)


def test_two_serving_sites_fail_apart_and_half_each() -> None:
    """With two sites at half weight the same share of requests is lost, overlaps aside."""
    model, rare = _model(node=0.5), Fixed(DAY)
    one = _share_down(_exposure(_lasting(Fault.NODE, rare)), model, 40_000)
    two = _share_down(_exposure(_lasting(Fault.NODE, rare, affected=0.5), sites=2), model, 40_000)
    assert one == pytest.approx(0.5 * DAY / YEAR_S, rel=0.03)
    assert two == pytest.approx(one, rel=0.04)


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_k_of_n_sites_are_down_as_often_as_the_binomial_says(broken: int) -> None:
    """At any moment of the years, each site by itself is down with 1 − exp(−rate × mean) (M/G/∞)."""
    sites, rate, years = 3, 4.0, 20_000
    lasting = {Fault.NODE: _lasting(Fault.NODE, Lognormal(math.log(SLOW) - 0.125, 0.5))}
    model = _model(node=rate)
    line = Chunk(model, 1, 0, years).timeline(sites)
    moments = np.random.default_rng(1).uniform(0.5, years, 200_000) * YEAR_S
    down: NDArray[np.int64] = np.zeros(len(moments), dtype=np.int64)
    for (fault, site), slot in line.slots.items():
        start = line.start_s[slot]
        if fault is Fault.NODE:
            end = start + outage_s(lasting, fault, model, Draws(1, f"0/{fault}/{site}", len(start)))
            latest = np.concatenate(([0.0], np.maximum.accumulate(end)))
            down += latest[np.searchsorted(start, moments)] > moments
    q = 1 - math.exp(-rate * SLOW / YEAR_S)
    expected = sum(math.comb(sites, k) * q**k * (1 - q) ** (sites - k) for k in range(broken, sites + 1))
    assert np.mean(down >= broken) == pytest.approx(expected, rel=0.03)


def test_a_repair_is_never_slower_than_waiting() -> None:
    """Region losses end by themselves: lognormal(6.06, 1.31) minutes on AWS, and the procedure may be sooner."""
    model = _model(region=0.3)
    waiting = _share_down(_exposure(_lasting(Fault.REGION, None)), model, 60_000)
    plain = 0.3 * (1 - 0.4)  # three aggravated kinds take their shares of the losses
    assert waiting == pytest.approx(plain * math.exp(6.06 + 1.31**2 / 2) * 60 / YEAR_S, rel=0.1)
    acting = _share_down(_exposure(_lasting(Fault.REGION, Fixed(600.0))), model, 60_000)
    assert acting < plain * 600 / YEAR_S * 1.05


def test_a_blocked_repair_of_what_never_ends_by_itself_is_endless() -> None:
    procedures = {Fault.PROCESS: _lasting(Fault.PROCESS, None)}
    assert np.isinf(outage_s(procedures, Fault.PROCESS, _model(), Draws(1, "x", 3))).all()


def test_clients_beyond_the_ttl_count_as_downtime() -> None:
    model = _model()
    duration = fixed("convergence", 100.0, "s", "test")
    step = Step("converge", Verb.CONVERGE, "t", "c", duration, 1.0)
    with_dns = {Fault.PROCESS: Procedure("p", Fault.PROCESS, (step,), {Subject.API: "converge"})}
    stragglers = model.figures["converge.stragglers"].mean
    assert outage_s(with_dns, Fault.PROCESS, model, Draws(1, "x", 3)) == pytest.approx(100 + stragglers)
    without = {Fault.PROCESS: evolve(with_dns[Fault.PROCESS], steps=(evolve(step, verb=Verb.WAIT),))}
    assert outage_s(without, Fault.PROCESS, model, Draws(1, "x", 3)) == pytest.approx(100)


def test_an_escalation_ends_an_outage_sooner() -> None:
    slow, fast = _lasting(Fault.ZONE, Fixed(5000.0)), _lasting(Fault.REGION, Fixed(400.0))
    procedures = {Fault.ZONE: evolve(slow, escalates_to=Fault.REGION), Fault.REGION: fast}
    assert outage_s(procedures, Fault.ZONE, _model(), Draws(1, "x", 3)).max() == 400
    procedures[Fault.REGION] = _lasting(Fault.REGION, None)
    assert outage_s(procedures, Fault.ZONE, _model(), Draws(1, "x", 3)).max() == 5000


def test_a_lost_zone_lasts_as_long_as_the_catalogue_says() -> None:
    """What waits for the zone waits for its whole duration, not for the sooner of two."""
    model = _model()
    zone = model.figures["duration.zone"]
    step = Step("nats", Verb.WAIT, "t", "c", zone, 1.0)
    procedures = {Fault.ZONE: Procedure("p", Fault.ZONE, (step,), {Subject.API: "nats"})}
    found = outage_s(procedures, Fault.ZONE, model, Draws(1, "x", 200_000))
    assert np.median(found) == pytest.approx(zone.quantile(0.5), rel=0.02)


intervals = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 40)), max_size=40)


@given(intervals)
def test_the_union_against_a_naive_one(found: list[tuple[int, int]]) -> None:
    """Ten years of ten units each; every unit is covered or not, and belongs to the year its cover began in."""
    unit = YEAR_S / 10
    found = sorted(found)
    starts = np.array([start for start, _ in found], dtype=np.float64) * unit
    lengths = np.array([length for _, length in found], dtype=np.float64) * unit
    yearly = union_per_year_s(Timeline(10, starts), lengths, np.ones(len(found)))
    expected = np.zeros(10)
    covered: set[int] = set()
    for start, length in found:
        new = set(range(start, start + length)) - covered
        expected[start // 10] += len(new)
        covered |= new
    assert yearly == pytest.approx(expected * unit, abs=1e-3)
    assert yearly.sum() == pytest.approx(len(covered) * unit)


@pytest.mark.parametrize("rate", [0.5, 40.0], ids=["few-meet", "many-meet"])
def test_each_strategy_of_a_chunk_as_if_it_were_alone(rate: float) -> None:
    """What one strategy leaves in place for the next is what both have alike, and no more."""
    model = _model(process=rate, zone=rate, deletion=rate)
    process, zone = (_lasting(fault, Fixed(4 * DAY), 0.5) for fault in (Fault.PROCESS, Fault.ZONE))
    longer, other = _lasting(Fault.ZONE, Lognormal(12.5, 1.0)), _lasting(Fault.DELETION, Uniform(0, DAY))
    chunk = Chunk(model, 1, 0, 300)
    for procedures in ((process, zone), (process, longer), (zone, other), (process,), (process, zone)):
        exposure = _exposure(*procedures)
        alone = {procedure.fault: procedure for procedure in procedures}
        line = chunk.timeline(1)
        length, share = np.zeros(len(line.start_s)), np.zeros(len(line.start_s))
        for fault, procedure in alone.items():
            slot = line.slots[fault, 0]
            length[slot] = outage_s(alone, fault, model, Draws(1, f"0/{fault}/0", len(slot)))
            share[slot] = procedure.affected
        assert chunk.yearly_s(exposure) == pytest.approx(union_per_year_s(line, length, share), rel=1e-6, abs=1e-3)


def test_shares_weigh_what_is_new() -> None:
    line = Timeline(1, np.array([0.0, 50.0]))
    (found,) = union_per_year_s(line, np.array([100.0, 100.0]), np.array([0.5, 1.0]))
    assert found == pytest.approx(0.5 * 100 + 50)


@given(st.lists(st.floats(0, YEAR_S), min_size=1, max_size=200), st.sampled_from([0.05, 0.5, 0.95]))
def test_the_histogram_s_quantiles(yearly: list[float], p: float) -> None:
    """Within a bin of 0.7 %, and never below."""
    found = YearlyDowntime()
    found.add(np.array(yearly))
    exact = float(np.quantile(yearly, p, method="inverted_cdf"))
    assert found.mean_s == pytest.approx(np.mean(yearly))
    assert exact <= found.quantile_s(p) * (1 + 1e-12)
    assert found.quantile_s(p) <= max(exact * 1.007, 1e-3)


def test_more_than_a_year_of_downtime_falls_into_the_last_bin() -> None:
    found = YearlyDowntime()
    found.add(np.array([3 * YEAR_S, 3 * YEAR_S]))
    assert found.quantile_s(0.5) == pytest.approx(YEAR_S)
    assert found.mean_s == 3 * YEAR_S


def _worn() -> tuple[FaultModel, Exposure]:
    model = _model(process=3.0, node=1.0)
    return model, _exposure(_lasting(Fault.PROCESS, Lognormal(5, 1)), _lasting(Fault.NODE, Uniform(300, 900)))


def test_same_seed_same_figures() -> None:
    model, exposure = _worn()
    (a,), (b,) = downtime([exposure], model, 3000, 7), downtime([exposure], model, 3000, 7)
    assert a.total_s == b.total_s
    assert (a.counts == b.counts).all()


def test_another_seed_gives_other_figures_within_the_noise() -> None:
    model, exposure = _worn()
    means = [downtime([exposure], model, 20_000, seed)[0].mean_s for seed in (1, 2)]
    assert means[0] != means[1]
    assert means[0] == pytest.approx(means[1], rel=0.02)


def test_equal_strategies_get_equal_years() -> None:
    """Common random numbers: what is the same in two strategies happens to both, whoever else is simulated."""
    model, exposure = _worn()
    slower = _exposure(_lasting(Fault.PROCESS, Lognormal(6, 1)), _lasting(Fault.NODE, Uniform(300, 900)))
    twin, other, again = downtime([exposure, slower, exposure], model, 2000, 1)
    assert (twin.counts == again.counts).all()
    assert other.mean_s > twin.mean_s
    (alone,) = downtime([exposure], model, 2000, 1)
    assert alone.total_s == twin.total_s


def test_a_second_serving_site_adds_faults_and_leaves_the_first_s() -> None:
    model, exposure = _worn()
    chunk = Chunk(model, 1, 0, 1000)
    one, two = chunk.timeline(1), chunk.timeline(2)
    for (fault, site), slots in one.slots.items():
        assert (one.start_s[slots] == two.start_s[two.slots[fault, site]]).all()
    assert (np.diff(two.start_s) >= 0).all()
    assert chunk.yearly_s(evolve(exposure, sites=2)).sum() > chunk.yearly_s(exposure).sum()


@pytest.mark.parametrize("years", [1, CHUNK_YEARS - 1, CHUNK_YEARS, CHUNK_YEARS + 1, 3 * CHUNK_YEARS])
def test_work_is_linear_in_years(years: int) -> None:
    """As many chunks as it takes, each no longer than the others; every year counts once."""
    done: list[int] = []
    _, exposure = _worn()
    (found,) = downtime([exposure], _model(node=0.1), years, 1, done.append)
    assert found.years == sum(done) == years
    assert len(done) == math.ceil(years / CHUNK_YEARS)
    assert max(done) <= CHUNK_YEARS
    assert found.counts.sum() == years


def _peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_years(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one thread: two meet in their peaks or do not, and each holds as much."""
    monkeypatch.setattr(threads, "MOST", 1)
    model, exposure = _worn()
    peaks = [_peak_bytes(lambda n=years: downtime([exposure], model, n, 1)) for years in (40_000, 200_000)]  # type: ignore[misc] # a default binds the loop's value
    assert peaks[1] < 1.1 * peaks[0]


def _rates(model: FaultModel, factors: Mapping[str, float]) -> dict[Fault, float]:
    draws = Draws(1, "x", 1, {name: np.array([[value]]) for name, value in factors.items()})
    return {fault: float(np.asarray(model.rate_per_year(fault, draws)).max()) for fault in Fault}


def test_region_losses_are_split_not_multiplied() -> None:
    model = FaultModel(load_figures(), "aws")
    kinds = (Fault.REGION, Fault.CONTROL_PLANE, Fault.CAPACITY, Fault.OBSERVABILITY)
    assert sum(model.rate(kind).mean for kind in kinds) == pytest.approx(model.figures["fault.region.rate"].mean)
    for fault, rate in _rates(model, {}).items():
        assert rate == pytest.approx(model.rate(fault).mean)


def test_rates_never_turn_negative() -> None:
    model = FaultModel(load_figures(), "aws")
    worst = {f"share.{name}": 5.0 for name in ("control-plane", "capacity", "observability")}
    assert _rates(model, worst)[Fault.REGION] == 0
    assert _rates(model, {"fault.node.rate": 2.0})[Fault.NODE] == 2 * model.rate(Fault.NODE).mean


@pytest.mark.parametrize(("provider", "row"), [("aws", "aws"), ("gcp", "gcp"), ("azure", "azure"), ("rack", "other")])
def test_regions_last_as_their_provider_s_do(provider: str, row: str) -> None:
    model = FaultModel(load_figures(), provider)
    assert model.natural(Fault.REGION) is model.figures[f"duration.region.{row}"]
    assert model.natural(Fault.PROCESS) is None


def test_a_region_is_lost_as_often_as_it_was_lost_before() -> None:
    """0.03 for a region and year of AWS, 0.32 for us-east-1, each as its own outages say; 0.12 is an upper bound."""
    east, west = (
        FaultModel(load_figures(), "aws", regions) for regions in (("us-east-1", "us-west-2"), ("us-west-2",))
    )
    assert (east.region_rate().mean, east.region_rate(1).mean, west.region_rate().mean) == (0.32, 0.03, 0.03)
    listed = shipped("outages.csv", ("date", "provider", "scope", "duration_min"))
    whole = [row["scope"] for row in listed if row["provider"] == "aws" and not _of_a_zone(row["scope"])]
    years = 2026.7 - 2011
    assert sum(scope.startswith("us-east-1") for scope in whole) / years == pytest.approx(0.32, abs=0.005)
    assert len(whole) / 300 == pytest.approx(0.03), "over some 300 region-years"
    assert east.region_rate(1).mean * east.region_rate(1).plausible[1] == pytest.approx(0.12)


def _of_a_zone(scope: str) -> bool:
    return scope.split(" ", 1)[1].startswith("one AZ") or "Direct Connect" in scope


def test_each_serving_site_fails_at_the_rate_of_its_own_region() -> None:
    model = FaultModel(load_figures(), "aws", ("us-east-1", "us-west-2"))
    chunk = Chunk(model, 1, 0, 20_000)
    losses = [len(chunk._arrivals_s(Fault.REGION, site)) for site in (0, 1)]
    assert losses[0] == pytest.approx(20_000 * 0.32 * 0.6, rel=0.05)
    assert losses[1] == pytest.approx(20_000 * 0.03 * 0.6, rel=0.2)
