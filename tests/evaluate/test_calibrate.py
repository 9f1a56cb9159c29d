"""A measured figure says so, lies where it was measured, and never claims more than its number of runs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondsite.catalogue.bundle import load_catalogue
from secondsite.catalogue.figures import load_figures
from secondsite.evaluate.calibrate import calibrated, predictions
from secondsite.evaluate.draws import Draws
from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate, Fixed, Lognormal, Provenance, unbounded
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb

SECONDS = st.floats(0.001, 1000)


@given(st.lists(SECONDS, min_size=1, max_size=30))
def test_the_median_is_where_it_was_measured(values: list[float]) -> None:
    figures = load_figures()
    after = calibrated(figures, {"fence": values}, {"fence": "drill region-loss, 2026-11-23, nats-server 2.15.1"})
    fence = after["fence"]
    assert fence.provenance is Provenance.MEASURED
    assert fence.source.startswith("drill region-loss, 2026-11-23, nats-server 2.15.1: ")
    assert fence.quantile(0.5) == pytest.approx(math.exp(sum(map(math.log, values)) / len(values)))
    assert min(values) * 0.999 <= fence.quantile(0.5) <= max(values) * 1.001
    assert {name for name in after if after[name] != figures[name]} == {"fence"}
    assert Draws(1, "x", 8).of("fence", fence).shape == (8,)


def test_one_value_moves_the_middle_and_keeps_the_spread() -> None:
    before = load_figures()["fence"]
    one = calibrated(load_figures(), {"fence": [0.1]})["fence"]
    assert one.quantile(0.95) / one.quantile(0.5) == pytest.approx(before.quantile(0.95) / before.quantile(0.5))
    low, high = one.plausible
    assert before.plausible[0] < low < 1 < high < before.plausible[1]


def test_more_runs_leave_less_doubt() -> None:
    spreads = []
    for runs in (2, 3, 5, 20):
        figure = calibrated(load_figures(), {"fence": ([1.0, 2.0] * runs)[:runs]})["fence"]
        assert figure.plausible == (1.0, 1.0)
        spreads.append(figure.quantile(0.95) / figure.quantile(0.5))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] > 1.5


def test_what_is_no_figure_changes_nothing() -> None:
    figures = load_figures()
    assert calibrated(figures, {"health-check detection": [3.0], "fence": []}).by_name == figures.by_name


def test_a_zero_is_taken_for_next_to_nothing() -> None:
    assert calibrated(load_figures(), {"fence": [0.0]})["fence"].quantile(0.5) == pytest.approx(1e-6)


def _step(step_id: str, duration: Estimate, *, by_person: bool = False) -> Step:
    return Step(step_id, Verb.FENCE, step_id, "check", duration, 10.0, by_person=by_person)


def test_predictions_are_compared_step_by_step() -> None:
    fence = load_catalogue().figures["fence"]
    nothing = Estimate("nothing", "s", Fixed(0.0), Provenance.DERIVED, "done already")
    blocked = unbounded("promote", "s", "refused")
    steps = (
        _step("a", fence),
        _step("b", nothing),
        _step("c", fence, by_person=True),
        _step("d", blocked),
        _step("e", fence),
    )
    procedure = Procedure("failover", Fault.REGION, steps, {Subject.API: "e"})
    middle = fence.quantile(0.5)
    found = predictions(
        "s", procedure, {"a": [middle, 3 * middle, 2 * middle], "b": [0.5], "c": [1], "d": [1]}, frozenset({"fence"})
    )
    assert [(one.step, one.used) for one in found] == [("a", True), ("b", False)]
    assert found[0].factor == pytest.approx(2)
    assert not found[0].surprising
    assert found[1].factor is None
    assert found[1].surprising


def test_the_widened_spread_covers_the_next_value() -> None:
    """Of lognormal values in threes, the next one is below the 95 % quantile nineteen times of twenty."""
    import numpy as np

    generator = np.random.default_rng(3)
    hits = 0
    for *values, following in generator.lognormal(0, 1, (2000, 4)):
        figure = calibrated(load_figures(), {"fence": [float(v) for v in values]})["fence"]
        assert isinstance(figure.distribution, Lognormal)
        hits += following <= figure.quantile(0.95)
    assert 0.93 < hits / 2000 < 0.97
