"""One assumption at a time: against closed forms, over the same draws, and never in doubt about its own middle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pytest
from attrs import evolve

from secondsite.catalogue.figures import load_figures
from secondsite.evaluate.buffer import Buffer
from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.faults import FaultModel
from secondsite.evaluate.study import (
    ENGINEER,
    INFRASTRUCTURE,
    OUTAGE,
    WORK,
    Assumption,
    StudyCandidate,
    StudySetting,
    score,
)
from secondsite.evaluate.tornado import tornado
from secondsite.model.deployment import Deployment
from secondsite.model.economics import Economics

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")


def _axis(name: str, value: float, low: float, high: float) -> Assumption:
    return Assumption(name, "", value, low, high, "test", "ask")


def _constructed(deployment: Deployment, *candidates: tuple[float, float]) -> StudySetting:
    """No faults and no contracts: cost is 12 × infrastructure + work × 100 / 3, and nothing else."""
    return StudySetting(
        candidates=tuple(
            StudyCandidate(deployment, {}, usd, 0.0, work, False, number)
            for number, (usd, work) in enumerate(candidates)
        ),
        model=FaultModel(load_figures(), "aws"),
        buffer=Buffer(load_figures().by_name),
        contracts=(),
        economics=Economics(engineer_usd_per_hour=100.0),
        rate_per_s=1.0,
        kept_s=1.0,
        write_off_years=3.0,
        seed=1,
    )


def test_against_the_closed_form(single_region: Callable[..., Deployment]) -> None:
    axes = (
        _axis(OUTAGE, 5000, 0.1, 10),
        _axis(WORK, 1, 0.5, 2.5),
        _axis(INFRASTRUCTURE, 1, 0.9, 1.3),
        _axis(ENGINEER, 100, 0.5, 2),
    )
    found = tornado(_constructed(single_region(), (1000.0, 90.0)), axes, 0)
    assert found.owning_usd == pytest.approx(12 * 1000 + 3000)
    assert [(s.name, s.low_usd, s.high_usd) for s in found.swings] == [
        (WORK, pytest.approx(13_500), pytest.approx(19_500)),
        (INFRASTRUCTURE, pytest.approx(13_800), pytest.approx(18_600)),
        (ENGINEER, pytest.approx(13_500), pytest.approx(18_000)),
        (OUTAGE, found.owning_usd, found.owning_usd),
    ]
    engineer = next(s for s in found.swings if s.name == ENGINEER)
    assert (engineer.low, engineer.today, engineer.high) == (50, 100, 200)


@pytest.mark.slow
def test_where_an_end_changes_the_choice_it_says_to_what(
    setting: StudySetting, axes: tuple[Assumption, ...], evaluation: Evaluation
) -> None:
    chosen = evaluation.assessments.index(evaluation.recommended)
    found = tornado(setting, axes, chosen)
    names = tuple(axis.name for axis in axes)
    for swing in found.swings:
        index = names.index(swing.name)
        for factor, to in ((axes[index].low, swing.low_to), (axes[index].high, swing.high_to)):
            alone = np.ones((1, len(axes)))
            alone[0, index] = factor
            winner = int(score(setting, names, alone).winners[0])
            assert evaluation.assessments[winner].strategy == to, swing.name


def test_every_assumption_has_one_bar_and_the_widest_comes_first(
    setting: StudySetting, axes: tuple[Assumption, ...], evaluation: Evaluation
) -> None:
    found = tornado(setting, axes, evaluation.assessments.index(evaluation.recommended))
    assert sorted(swing.name for swing in found.swings) == sorted(axis.name for axis in axes)
    widths = [swing.width_usd for swing in found.swings]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0
    assert found == evaluation.recommendation.tornado
    assert found.owning_usd == pytest.approx(evaluation.recommended.owning_usd.mean, rel=0.08)


def test_an_assumption_without_a_range_moves_nothing(
    setting: StudySetting, axes: tuple[Assumption, ...], evaluation: Evaluation
) -> None:
    """Common random numbers: what does not change gives not nearly but exactly the same cost."""
    still = tuple(evolve(axis, low=1.0, high=1.0) for axis in axes)
    found = tornado(setting, still, evaluation.assessments.index(evaluation.recommended))
    assert {(swing.low_usd, swing.high_usd) for swing in found.swings} == {(found.owning_usd, found.owning_usd)}


def test_it_is_the_same_wherever_it_is_computed(
    setting: StudySetting, axes: tuple[Assumption, ...], evaluation: Evaluation
) -> None:
    def backwards(task: Callable[[S, A], B], shared: S, items: Sequence[A]) -> Sequence[B]:
        return [task(shared, item) for item in reversed(items)][::-1]

    assert tornado(setting, axes, 3, backwards) == tornado(setting, axes, 3)
