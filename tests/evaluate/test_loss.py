"""RPO against the formula for chains of copies, and against analytic quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondsite.catalogue.figures import load_figures
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.loss import DESTROYING, loss_s, lost_for_good_s, rpo
from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, Deployment
from secondsite.model.estimate import Estimate, Provenance, Quantiles, Uniform, fixed
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster
from secondsite.model.service import AckBuffer, Service
from secondsite.model.store import Loss, Store
from secondsite.strategies.sizing import lag

BUFFER = Buffer(load_figures().by_name)
ALL = frozenset(Fault)

seconds = st.floats(0, 1e5)
levels = st.tuples(seconds, seconds, seconds)


@pytest.fixture
def bare(single_region: Callable[..., Deployment]) -> Deployment:
    """One region, streams, no buffer, no copies."""
    return single_region()


def _copy(
    hold: float,
    propagate: float,
    interval: float,
    method: str = "copy",
    subject: Subject = Subject.NATS,
    survives: frozenset[Fault] = ALL,
    covers: tuple[str, ...] = (),
) -> Copy:
    held, moved, refreshed = (
        fixed(f"{method} {i}", value, "s", "test") for i, value in enumerate((hold, propagate, interval))
    )
    return Copy(subject, method, "elsewhere", method, held, moved, refreshed, survives, covers)


def _samples(deployment: Deployment, subject: Subject = Subject.NATS, fault: Fault = Fault.REGION) -> np.ndarray:
    return loss_s(deployment, subject, fault, Draws(1, "x", 20_000), BUFFER)


def _worst_s(chain: list[tuple[float, float, float]]) -> float:
    """Keeton and Merchant, DSN 2004: sum of (hold + propagate) down to the level used, plus that level's interval."""
    return sum(hold + propagate for hold, propagate, _ in chain) + chain[-1][2]


def test_a_chain_of_copies(bare: Deployment) -> None:
    """Split mirror every 12 h; tape every 24 h, held 1 h, 2 h under way; vault weekly, a day away. All in hours.

    A copy of a copy waits for what is above it: its hold is all that came before.
    """
    chain = [(0.0, 0.0, 12.0), (1.0, 2.0, 24.0), (0.0, 24.0, 168.0)]
    for used in (1, 2, 3):
        above = sum(hold + propagate for hold, propagate, _ in chain[: used - 1])
        hold, propagate, interval = chain[used - 1]
        found = _samples(evolve(bare, copies=(_copy(above + hold, propagate, interval),)))
        assert found.max() == pytest.approx(_worst_s(chain[:used]), rel=0.001)
    assert [_worst_s(chain[:used]) for used in (1, 2, 3)] == [12, 27, 195]


WEEK = 168.0
TAPE, VAULT = (1.0, 48.0, WEEK), (4 * WEEK + 12, 24.0, 4 * WEEK)
WEEKLY_VAULT, DAILY_FULL, INCREMENTAL = (12.0, 24.0, WEEK), (1.0, 12.0, 24.0), (1.0, 48.0, 24.0)


@pytest.mark.parametrize(
    ("chain", "published_h"),
    [
        ([TAPE], 217),
        ([TAPE, VAULT], 1429),
        ([TAPE, WEEKLY_VAULT], 253),
        ([INCREMENTAL], 73),
        ([DAILY_FULL], 37),
        ([DAILY_FULL, WEEKLY_VAULT], 217),
    ],
)
def test_what_keeton_and_merchant_published(
    bare: Deployment, chain: list[tuple[float, float, float]], published_h: int
) -> None:
    """DSN 2004: recent data loss of tape backup and vaulting, their baseline and their variations, in hours."""
    above = sum(hold + propagate for hold, propagate, _ in chain[:-1])
    hold, propagate, interval = chain[-1]
    found = _samples(evolve(bare, copies=(_copy(above + hold, propagate, interval),)))
    assert found.max() == pytest.approx(published_h, rel=0.001)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(levels)
def test_a_copy_loses_at_most_what_its_chain_may(bare: Deployment, level: tuple[float, float, float]) -> None:
    found = _samples(evolve(bare, copies=(_copy(*level),)))
    hold, propagate, interval = level
    worst = _worst_s([level])
    assert found.max() <= worst * (1 + 1e-12)
    assert found.min() >= hold + propagate
    assert found.max() == pytest.approx(worst, abs=interval * 0.001 + 1e-9)


def test_a_fault_falls_anywhere_in_the_interval(bare: Deployment) -> None:
    found = rpo(evolve(bare, copies=(_copy(10, 20, 3600),)), Subject.NATS, Fault.REGION, Draws(1, "x", 200_000), BUFFER)
    for p in (0.05, 0.5, 0.95):
        assert found.quantile(p) == pytest.approx(30 + p * 3600, rel=0.01)
    assert found.mean == pytest.approx(30 + 1800, rel=0.01)


def test_the_freshest_of_two_backups_taken_independently(bare: Deployment) -> None:
    """The sooner of two uniform ages: quantile p at 1 − √(1 − p)."""
    copies = (_copy(0, 0, 1000, "a"), _copy(0, 0, 1000, "b"))
    found = _samples(evolve(bare, copies=copies))
    for p in (0.05, 0.5, 0.95):
        assert np.quantile(found, p) == pytest.approx(1000 * (1 - math.sqrt(1 - p)), rel=0.05)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(levels, min_size=1, max_size=3), levels)
def test_another_copy_never_worsens_an_rpo(
    bare: Deployment, copies: list[tuple[float, float, float]], more: tuple[float, float, float]
) -> None:
    there = tuple(_copy(*level, method=f"copy {i}") for i, level in enumerate(copies))
    before = _samples(evolve(bare, copies=there))
    after = _samples(evolve(bare, copies=(*there, _copy(*more, method="one more"))))
    assert (after <= before).all()


def test_a_mirror_that_is_well_loses_its_one_way_delay(bare: Deployment) -> None:
    mirror = evolve(_copy(0, 0.035, 0), hold=lag(load_figures()))
    found = _samples(evolve(bare, copies=(mirror,)))
    behind = load_figures()["lag.share"].mean
    assert np.isclose(found, 0.035).mean() == pytest.approx(1 - behind, abs=0.01)


@pytest.mark.parametrize("fault", sorted(ALL))
def test_the_serving_copy_is_there_again_unless_it_is_destroyed(fault: Fault, bare: Deployment) -> None:
    found = _samples(bare, fault=fault)
    assert np.isinf(found).all() if fault in DESTROYING else (found == 0).all()
    assert (fault in DESTROYING) == (fault.leaves_region or fault.destroys_data)


def test_a_copy_counts_only_against_what_it_survives(bare: Deployment) -> None:
    only_region = evolve(bare, copies=(_copy(1, 1, 1, survives=frozenset({Fault.REGION})),))
    assert np.isfinite(_samples(only_region)).all()
    assert np.isinf(_samples(only_region, fault=Fault.BAD_WRITE)).all()


def test_copies_of_something_else_do_not_count(bare: Deployment) -> None:
    """Neither a store's replica for the streams, nor the streams' mirror for a store."""
    laid_out = evolve(bare, system=evolve(bare.system, stores=(Store("db", "db", "postgres"),)))
    for subject, other in ((Subject.NATS, Subject.STATE), (Subject.STATE, Subject.NATS)):
        theirs, ours = _copy(0, 1, 0, "theirs", other), _copy(0, 50, 0, "ours", subject)
        assert np.isinf(_samples(evolve(laid_out, copies=(theirs,)), subject)).all()
        both = evolve(laid_out, copies=(theirs, ours))
        assert (_samples(both, subject) == 50).all()
        found = rpo(both, subject, Fault.REGION, Draws(1, "x", 10), BUFFER)
        assert found.source == "freshest of: ours in elsewhere"
        assert [cause.name for cause in found.inputs] == ["ours 0", "ours 1", "ours 2"]


def test_a_copy_that_the_fault_takes_is_not_named(bare: Deployment) -> None:
    gone = _copy(0, 1, 0, "gone", survives=frozenset({Fault.DELETION}))
    found = rpo(evolve(bare, copies=(gone, _copy(0, 50, 0))), Subject.NATS, Fault.REGION, Draws(1, "x", 10), BUFFER)
    assert found.source == "freshest of: copy in elsewhere"


def test_only_the_api_has_a_buffer(bare: Deployment) -> None:
    buffering = _buffering(evolve(bare, copies=(_copy(0, 5, 0),)), False)
    found = rpo(buffering, Subject.NATS, Fault.REGION, Draws(1, "x", 100), BUFFER)
    assert (found.mean, len(found.inputs)) == (5, 3)


def test_the_worst_store_counts(bare: Deployment) -> None:
    stores = (Store("db", "db", "postgres"), Store("vectors", "v", "qdrant"), Store("c", "c", "redis", Loss.CACHE))
    laid_out = evolve(bare, system=evolve(bare.system, stores=stores))
    fresh = _copy(0, 1, 0, "replica", Subject.STATE, covers=("db",))
    stale = _copy(0, 500, 0, "snapshot", Subject.STATE, covers=("vectors",))
    assert _samples(evolve(laid_out, copies=(fresh, stale)), Subject.STATE).max() == 500
    gone = rpo(evolve(laid_out, copies=(fresh,)), Subject.STATE, Fault.REGION, Draws(1, "x", 10), BUFFER)
    assert gone.unbounded
    assert gone.source == "no copy of vectors survives"


def test_nothing_to_lose_where_there_is_nothing(bare: Deployment) -> None:
    no_streams = evolve(bare, system=evolve(bare.system, nats=(), stores=()))
    for subject in (Subject.NATS, Subject.STATE, Subject.API, Subject.OBSERVABILITY):
        assert _samples(no_streams, subject).tolist() == [0], "one sample goes with any number"
    empty = evolve(bare, system=evolve(bare.system, nats=(NatsCluster("nats"),)))
    assert (_samples(empty) == 0).all()
    assert (_samples(bare, Subject.OBSERVABILITY) == 0).all()


def _buffering(deployment: Deployment, durable: bool) -> Deployment:
    api = Service("api", ack_buffer=AckBuffer(1000, durable=durable))
    return evolve(deployment, system=evolve(deployment.system, services=(api,)))


def test_the_api_loses_what_its_streams_lose_and_its_buffer(bare: Deployment) -> None:
    copied = evolve(bare, copies=(_copy(0, 5, 0),))
    assert _samples(copied, Subject.API).max() == 5
    found = _samples(_buffering(copied, durable=False), Subject.API)
    share = BUFFER.rows["onset.share"].mean
    assert np.mean(found > 5) == pytest.approx(share, abs=0.02)
    assert (_samples(_buffering(copied, durable=True), Subject.API) == 5).all()


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        (Fault.PROCESS, "buffer.share"),
        (Fault.NODE, "buffer.share"),
        (Fault.ZONE, "onset.share"),
        (Fault.REGION, "onset.share"),
        (Fault.DELETION, None),
        (Fault.BAD_WRITE, None),
        (Fault.WAN_PARTITION, None),
    ],
)
def test_a_buffer_dies_with_its_pod(fault: Fault, row: str | None, bare: Deployment) -> None:
    buffering = _buffering(bare, durable=False)
    found = BUFFER.loss_s(buffering, fault, Draws(1, "x", 50_000))
    expected = BUFFER.rows[row].mean if row else 0.0
    assert np.mean(found > 0) == pytest.approx(expected, abs=0.01)


def test_a_buffered_rpo_names_the_buffer_among_its_inputs(bare: Deployment) -> None:
    found = rpo(
        _buffering(evolve(bare, copies=(_copy(0, 5, 0),)), False),
        Subject.API,
        Fault.REGION,
        Draws(1, "x", 100),
        BUFFER,
    )
    assert "age of the oldest buffered write" in [cause.name for cause in found.inputs]
    assert found.source == "freshest of: copy in elsewhere"
    plain = rpo(bare, Subject.API, Fault.PROCESS, Draws(1, "x", 100), BUFFER)
    assert (plain.mean, plain.inputs) == (0.0, ())
    assert plain.source == "freshest of: the serving copy, which survives"


def test_an_onset_without_a_plain_spread_is_refused() -> None:
    onset = evolve(BUFFER.rows["onset.duration"], distribution=Quantiles(1, 2, 3, 2))
    with pytest.raises(TypeError, match=r"onset\.duration"):
        Buffer({**BUFFER.rows, "onset.duration": onset}).lost(Fault.REGION)


def test_a_lost_region_brings_its_data_back_unless_it_was_destroyed(bare: Deployment) -> None:
    destroyed = fixed("share.destroyed", 0.02, "share", "test")
    kept = 604_800.0

    def lost(fault: Fault, deployment: Deployment = bare) -> np.ndarray:
        return lost_for_good_s(deployment, Subject.NATS, fault, Draws(1, "x", 10), BUFFER, kept, destroyed)

    assert lost(Fault.REGION).max() == pytest.approx(kept * 0.02)
    assert lost(Fault.BAD_WRITE).max() == kept
    assert lost(Fault.PROCESS).max() == 0
    copied = evolve(bare, copies=(_copy(0, 77, 0),))
    assert lost(Fault.REGION, copied).max() == 77
    assert lost(Fault.REGION, evolve(bare, copies=(_copy(0, 1e9, 0),))).max() == kept
    doubled = Draws(1, "x", 10, {"share.destroyed": np.array([[2.0]])})
    assert lost_for_good_s(bare, Subject.NATS, Fault.REGION, doubled, BUFFER, kept, destroyed).max() == pytest.approx(
        kept * 0.04
    )


def test_spread_of_a_delay_is_the_delay_s(bare: Deployment) -> None:
    slow = evolve(_copy(0, 0, 0), propagate=Estimate("travel", "s", Uniform(10, 110), Provenance.ASSUMED, "test"))
    found = _samples(evolve(bare, copies=(slow,)))
    assert np.quantile(found, [0.05, 0.95]) == pytest.approx([15, 105], rel=0.03)
