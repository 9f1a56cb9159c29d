"""The study of assumptions: the same decisions as the assessment, however its draws are split."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import pytest
from attrs import evolve

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.figures import load_figures
from secondsite.evaluate import sensitivity as sensitivity_module
from secondsite.evaluate import study
from secondsite.evaluate.assess import Auditor
from secondsite.evaluate.axes import axes_of
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.compare import compare
from secondsite.evaluate.draws import Samples
from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.parallel import here
from secondsite.evaluate.sensitivity import interval, sensitivity
from secondsite.evaluate.study import (
    INFRASTRUCTURE,
    OUTAGE,
    WORK,
    Assumption,
    Scores,
    StudyCandidate,
    StudySetting,
    score,
)
from secondsite.model.contract import Contract, Subject
from secondsite.model.deployment import Deployment
from secondsite.model.economics import Economics
from secondsite.model.fault import Fault
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.procedure import Procedure
from secondsite.model.system import System
from secondsite.model.units import Seconds

pytestmark = pytest.mark.slow

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")


@pytest.fixture(scope="module")
def evaluation(system: System, catalogue: Catalogue, auditor: Auditor) -> Evaluation:
    """Where people cost so much that the choice does not hang on the last half percent of a tie."""
    dear = evolve(system, economics=evolve(system.economics, engineer_usd_per_hour=120.0))
    return compare(dear, catalogue, auditor, years=4000)


def _as_taken(setting: StudySetting) -> Scores:
    return score(setting, (), np.ones((1, 0)))


def test_with_every_assumption_as_taken_the_study_says_what_the_assessment_says(
    setting: StudySetting, evaluation: Evaluation
) -> None:
    """Downtime by two ways: a sum over faults here, simulated years there."""
    found = _as_taken(setting)
    for index, assessment in enumerate(evaluation.assessments):
        assert found.owning_usd[index, 0] == pytest.approx(assessment.owning_usd.mean, rel=0.08), assessment.strategy
        extra = (len(setting.contracts) + 1) * bool(assessment.excluded)
        assert found.breached[index, 0] == len(assessment.breached) + extra, assessment.strategy
    assert evaluation.assessments[int(found.winners[0])].strategy == evaluation.recommendation.strategy


def test_draws_give_the_same_scores_however_they_are_split(setting: StudySetting, axes: tuple[Assumption, ...]) -> None:
    names = tuple(axis.name for axis in axes)
    factors = np.random.default_rng(1).uniform(0.5, 2, (7, len(names)))

    def backwards(task: Callable[[S, A], B], shared: S, items: Sequence[A]) -> Sequence[B]:
        return [task(shared, item) for item in reversed(items)][::-1]

    whole = score(setting, names, factors)
    rows = [score(setting, names, factors[[i]], backwards) for i in range(len(factors))]
    assert (whole.owning_usd == np.concatenate([row.owning_usd for row in rows], axis=1)).all()
    assert (whole.breached == np.concatenate([row.breached for row in rows], axis=1)).all()
    many = np.tile(factors, (study.BLOCK // len(factors) + 2, 1))
    again = score(setting, names, many, backwards)
    assert again.owning_usd.shape == (len(setting.candidates), len(many))
    assert (again.owning_usd[:, -7:] == whole.owning_usd).all()


def _scores(owning: list[float], breached: list[int], preference: list[int], over: Sequence[bool] = ()) -> Scores:
    return Scores(
        np.array(owning)[:, None],
        np.array(breached, dtype=np.int64)[:, None],
        np.array(over or [False] * len(owning), dtype=np.bool_)[:, None],
        np.array(preference, dtype=np.int64),
    )


@pytest.mark.parametrize(
    ("owning", "breached", "preference", "winner"),
    [
        ([100.0, 90.0], [0, 0], [0, 1], 1),
        ([100.0, 96.0], [0, 0], [0, 1], 0),
        ([100.0, 96.0], [0, 0], [1, 0], 1),
        ([100.0, 10.0], [0, 1], [0, 1], 0),
        ([105.0, 100.0, 104.0], [0, 0, 0], [0, 2, 1], 0),
        ([105.1, 100.0, 104.0], [0, 0, 0], [0, 2, 1], 2),
    ],
)
def test_contracts_first_then_money_then_preference(
    owning: list[float], breached: list[int], preference: list[int], winner: int
) -> None:
    assert _scores(owning, breached, preference).winners.tolist() == [winner]


def test_within_a_draw_the_budget_comes_after_contracts_and_before_money() -> None:
    assert _scores([100.0, 10.0], [0, 0], [0, 1], [False, True]).winners.tolist() == [0]
    assert _scores([100.0, 10.0], [1, 0], [0, 1], [False, True]).winners.tolist() == [1]
    assert _scores([100.0, 10.0], [0, 0], [0, 1], [True, True]).winners.tolist() == [1]


def _candidate(deployment: Deployment, usd: float, work: float, preference: int) -> StudyCandidate:
    return StudyCandidate(deployment, {}, usd, 0.0, work, False, preference)


def _constructed(deployment: Deployment, *candidates: tuple[float, float]) -> StudySetting:
    """No faults and no contracts: cost is 12 × infrastructure + work × 100 / 3, and nothing else."""
    return StudySetting(
        candidates=tuple(_candidate(deployment, usd, work, i) for i, (usd, work) in enumerate(candidates)),
        model=FaultModel(load_figures(), "aws"),
        buffer=Buffer(load_figures().by_name),
        contracts=(),
        economics=Economics(engineer_usd_per_hour=100.0),
        rate_per_s=1.0,
        kept_s=1.0,
        write_off_years=3.0,
        seed=1,
    )


def _axis(name: str, low: float, high: float) -> Assumption:
    return Assumption(name, "", 1.0, low, high, "test", "ask")


def _variance(low: float, high: float) -> float:
    """Of a factor drawn log-uniformly."""
    span = math.log(high / low)
    return (high**2 - low**2) / (2 * span) - ((high - low) / span) ** 2


def test_influences_against_their_closed_form(single_region: Callable[..., Deployment]) -> None:
    """Where the decision never changes, it is the distance to the next: a sum of two terms, so indices are shares."""
    setting = _constructed(single_region(), (100.0, 0.0), (1100.0, 360.0))
    found = sensitivity(setting, (_axis(WORK, 0.5, 2), _axis(INFRASTRUCTURE, 0.5, 2), _axis(OUTAGE, 0.1, 10)), 0)
    machines, work = (12 * 1000.0) ** 2 * _variance(0.5, 2), (360 * 100 / 3) ** 2 * _variance(0.5, 2)
    assert found.stability == 1
    assert found.flips == ()
    indices = {influence.name: influence.index for influence in found.influences}
    assert set(indices) == {WORK, INFRASTRUCTURE}, "what costs nothing has no influence"
    assert indices[INFRASTRUCTURE] == pytest.approx(machines / (machines + work), abs=0.12)
    assert indices[WORK] == pytest.approx(work / (machines + work), abs=0.12)


def test_what_decides_is_ranked_first_and_flips_where_it_must(single_region: Callable[..., Deployment]) -> None:
    """12 × 1000 f against 12 × 900 f + 3000: equal (a tie of 5 % aside) at f = 3000 / (12 × (1000/1.05 − 900))."""
    setting = _constructed(single_region(), (1000.0, 0.0), (900.0, 90.0))
    found = sensitivity(setting, (_axis(WORK, 0.99, 1.01), _axis(INFRASTRUCTURE, 0.2, 20)), 0)
    assert found.influences[0].name == INFRASTRUCTURE
    threshold = 3000 / (12 * (1000 / 1.05 - 900))
    (flip,) = found.flips
    assert flip.name == INFRASTRUCTURE
    assert threshold <= flip.threshold <= threshold * 1.03
    assert found.stability == pytest.approx(math.log(threshold / 0.2) / math.log(100), abs=0.05)
    assert str(flip).startswith("if infrastructure is above 4.")


def test_one_candidate_is_never_in_doubt(single_region: Callable[..., Deployment]) -> None:
    found = sensitivity(_constructed(single_region(), (1000.0, 0.0)), (_axis(INFRASTRUCTURE, 0.2, 20),), 0)
    assert (found.stability, found.influences, found.flips) == (1.0, (), ())


def test_equal_candidates_have_nothing_to_hang_on(single_region: Callable[..., Deployment]) -> None:
    setting = _constructed(single_region(), (1000.0, 5.0), (1000.0, 5.0))
    assert sensitivity(setting, (_axis(INFRASTRUCTURE, 0.2, 20),), 0).influences == ()


def test_a_recommendation_that_is_none_at_home_has_no_flips(single_region: Callable[..., Deployment]) -> None:
    found = sensitivity(_constructed(single_region(), (1000.0, 0.0), (100.0, 0.0)), (_axis(WORK, 0.5, 2),), 0)
    assert (found.stability, found.flips) == (0.0, ())


def test_every_flip_flips(setting: StudySetting, axes: tuple[Assumption, ...], evaluation: Evaluation) -> None:
    """With the assumption at the threshold another strategy wins, the one that is named; short of it, none does."""
    names = tuple(axis.name for axis in axes)
    assert evaluation.recommendation.flips
    for flip in evaluation.recommendation.flips:
        factor = flip.threshold / flip.today
        rows = np.ones((2, len(names)))
        rows[:, names.index(flip.name)] = (factor, factor ** (0.7 if flip.name.startswith("economics") else 0.5))
        winners = score(setting, names, rows).winners
        found = [evaluation.assessments[int(winner)].strategy for winner in winners]
        assert found == [flip.to, evaluation.recommendation.strategy], flip


def test_axes_are_what_is_in_doubt(axes: tuple[Assumption, ...], catalogue: Catalogue) -> None:
    names = [axis.name for axis in axes]
    assert len(set(names)) == len(names)
    assert {"lag.share", "lag.behind", "decide.automatic", "fault.region.rate", OUTAGE, INFRASTRUCTURE} <= set(names)
    assert "elect.raft" not in names, "published, not in doubt"
    assert all(0 < axis.low <= 1 <= axis.high and axis.low < axis.high for axis in axes)
    assert all(axis.settle or "share" in axis.name or "." in axis.name for axis in axes)
    assert catalogue.figures["lag.share"].plausible == (0.3, 5.0)


def test_what_a_person_wrote_is_doubted_less(evaluation: Evaluation, catalogue: Catalogue) -> None:
    def outage_axis(system: System) -> Assumption:
        found = axes_of([], catalogue, system, evaluation.recommended.bills["aws"])
        return next(axis for axis in found if axis.name == OUTAGE)

    assert outage_axis(evaluation.system).low == 0.1
    written = evolve(evaluation.system, marks={OUTAGE: Mark(Knowledge.WRITTEN)})
    assert (outage_axis(written).low, outage_axis(written).high) == (0.5, 2.0)


def test_breaches_are_counted_by_draw(single_region: Callable[..., Deployment], system: System) -> None:
    """No stream has a copy: an RPO for the loss of the region cannot hold, one for a process does."""
    contracts = (
        Contract(Subject.NATS, Fault.REGION, rpo_s=Seconds(60)),
        Contract(Subject.NATS, Fault.PROCESS, rpo_s=Seconds(0)),
        Contract(Subject.API, Fault.PROCESS, rto_s=Seconds(0)),
    )
    procedures = {fault: Procedure("nothing", fault, ()) for fault in (Fault.REGION, Fault.PROCESS)}
    base = _constructed(single_region(), (1.0, 0.0), (1.0, 0.0))
    candidates = tuple(evolve(c, procedures=procedures, excluded=bool(i)) for i, c in enumerate(base.candidates))
    found = _as_taken(evolve(base, contracts=contracts, candidates=candidates))
    assert found.breached[:, 0].tolist() == [1, 1 + len(contracts) + 1]
    assert found.winners[0] == 0
    assert system.contracts


def test_scores_keep_their_shape_without_axes(setting: StudySetting) -> None:
    found: Samples = _as_taken(setting).owning_usd
    assert found.shape == (len(setting.candidates), 1)
    assert np.isfinite(found).all()


def test_a_share_has_the_interval_that_its_count_leaves() -> None:
    """Wilson's: 50 of 100 is 40.4 to 59.6 %, none of 10 is up to 27.8 %."""
    assert interval(50, 100) == pytest.approx((0.404, 0.596), abs=1e-3)
    assert interval(0, 10) == pytest.approx((0.0, 0.278), abs=1e-3)


def test_what_wins_instead_is_told_with_what_a_wrong_choice_costs(single_region: Callable[..., Deployment]) -> None:
    setting = _constructed(single_region(), (1000.0, 0.0), (900.0, 90.0))
    axes = (_axis(INFRASTRUCTURE, 0.2, 20),)
    found = sensitivity(setting, axes, 0)
    (other,) = found.runners_up
    assert other.share == pytest.approx(1 - found.stability)
    assert found.low < found.stability < found.high
    assert found.regret_usd > 0
    assert found.breached == 0
    again = sensitivity(evolve(setting, seed=setting.seed + 1), axes, 0)
    assert found.low - 0.05 < again.stability < found.high + 0.05, "the same at any seed, within the interval"


def test_shares_of_the_doubt_are_shares(evaluation: Evaluation) -> None:
    """Several assumptions act together on the choice; total effects alone would sum to 200 %."""
    shares = [influence.index for influence in evaluation.recommendation.influences]
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < sum(shares) <= 1 + 1e-9


def test_the_share_is_the_same_at_any_seed_within_its_interval(
    setting: StudySetting, axes: tuple[Assumption, ...]
) -> None:
    names = tuple(axis.name for axis in axes)
    drawn = [sensitivity_module._drawn(evolve(setting, seed=seed), names, axes, here).winners for seed in (1, 2)]
    for chosen in range(len(setting.candidates)):
        hits = [int(np.sum(winners == chosen)) for winners in drawn]
        (low, high), (low_other, high_other) = (interval(each, sensitivity_module.STABILITY_DRAWS) for each in hits)
        assert low <= high_other, chosen
        assert low_other <= high, chosen


def test_moves_are_scored_alike_by_many_threads_at_once(setting: StudySetting, axes: tuple[Assumption, ...]) -> None:
    """As on a worker of a cluster that has threads: nobody has scored the start before them."""
    names = tuple(axis.name for axis in axes)
    moves = [study.Move(names, np.ones((1, len(names))), axis.name, np.array([axis.low, axis.high])) for axis in axes]
    alone = [study.score_moved(setting, move).owning_usd for move in moves]
    shared = evolve(setting)
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            together = [scores.owning_usd for scores in pool.map(partial(study.score_moved, shared), moves)]
    finally:
        sys.setswitchinterval(0.005)
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))
