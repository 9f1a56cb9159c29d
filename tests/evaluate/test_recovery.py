"""The critical path of a procedure against every path through it, one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from secondsite.catalogue.bundle import Catalogue
from secondsite.evaluate.assess import plan
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.recovery import finish_s, recovery_s, rto
from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate, Lognormal, Provenance, Uniform, fixed, unbounded
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.strategy import Strategy
from secondsite.model.system import System


def _step(number: int, seconds: float | None, after: tuple[int, ...] = ()) -> Step:
    name = f"s{number}"
    duration = unbounded(name, "s", "no") if seconds is None else fixed(name, seconds, "s", "test")
    return Step(
        name,
        Verb.WAIT,
        name,
        "check",
        duration,
        1.0,
        tuple(f"s{i}" for i in after),
        blocked="" if seconds is not None else "no",
    )


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Step, ...]:
    """Random directed graphs without cycles; now and then a step is blocked."""
    count = draw(st.integers(1, 8))
    seconds = st.one_of(st.floats(0, 1000), st.floats(0, 1000), st.floats(0, 1000), st.none())
    return tuple(
        _step(i, draw(seconds), tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else ())
        for i in range(count)
    )


def _longest(steps: dict[str, Step], name: str) -> float:
    """Over all paths that end here, each walked on its own."""
    step = steps[name]
    own = math.inf if step.blocked else step.duration.mean
    return own + max((_longest(steps, before) for before in step.after), default=0.0)


@given(graphs())
def test_the_critical_path_is_the_longest_of_all(steps: tuple[Step, ...]) -> None:
    by_name = {step.id: step for step in steps}
    found = finish_s(steps, Draws(1, "x", 4))
    for name in by_name:
        assert found[name].max() == found[name].min() == pytest.approx(_longest(by_name, name))


@given(graphs(), st.data())
def test_a_slower_step_shortens_nothing(steps: tuple[Step, ...], data: st.DataObject) -> None:
    slow = data.draw(st.integers(0, len(steps) - 1))
    slower = list(steps)
    if not steps[slow].blocked:
        more = steps[slow].duration.mean + data.draw(st.floats(0, 500))
        slower[slow] = evolve(steps[slow], duration=fixed(f"s{slow}", more, "s", "test"))
    before, after = finish_s(steps, Draws(1, "x", 4)), finish_s(tuple(slower), Draws(1, "x", 4))
    assert all((after[step.id] >= before[step.id]).all() for step in steps)


def test_equal_steps_take_equally_long_in_two_procedures() -> None:
    """Common random numbers: the shared decision is the same decision, whatever follows it."""
    decide = evolve(_step(0, 1.0), duration=Estimate("decide", "s", Lognormal(3, 1), Provenance.ASSUMED, "test"))
    draws = Draws(1, "region", 1000)
    short = finish_s((decide,), draws)
    long = finish_s((decide, _step(1, 60.0, (0,))), draws)
    assert (short["s0"] == long["s0"]).all()
    assert (long["s1"] == short["s0"] + 60).all()
    assert (finish_s((decide,), Draws(1, "region", 1000))["s0"] == short["s0"]).all()


def _procedures(*steps: Step, escalates_to: Fault | None = None) -> dict[Fault, Procedure]:
    last = steps[-1].id
    return {Fault.ZONE: Procedure("a zone", Fault.ZONE, steps, {Subject.API: last}, escalates_to=escalates_to)}


def test_an_rto_is_what_its_path_takes() -> None:
    spread = Estimate("spread", "s", Uniform(10, 30), Provenance.ASSUMED, "test")
    steps = (_step(0, 5.0), evolve(_step(1, 0.0, (0,)), duration=spread), _step(2, 1000.0))
    procedures = {Fault.REGION: Procedure("p", Fault.REGION, steps, {Subject.API: "s1"})}
    found = rto(procedures, Fault.REGION, Subject.API, Draws(1, "x", 50_000))
    assert [found.quantile(p) for p in (0.05, 0.5, 0.95)] == pytest.approx([16, 25, 34], rel=0.01)
    assert found.mean == pytest.approx(25, rel=0.01)
    assert found.inputs == (steps[0].duration, spread)
    assert found.formula == "longest path through: s0, s1 (after s0)"
    assert found.provenance is Provenance.DERIVED


def test_a_blocked_step_has_no_end_and_says_why() -> None:
    procedures = _procedures(_step(0, 1.0), _step(1, None, (0,)), _step(2, 1.0, (1,)))
    found = rto(procedures, Fault.ZONE, Subject.API, Draws(1, "x", 10))
    assert found.unbounded
    assert found.source == "no"
    assert [cause.name for cause in found.inputs] == ["s0", "s2"]


def test_what_a_fault_does_not_touch_is_back_at_once() -> None:
    found = rto(_procedures(_step(0, 9.0)), Fault.ZONE, Subject.STATE, Draws(1, "x", 10))
    assert (found.mean, found.formula, found.inputs) == (0.0, "not affected", ())
    assert recovery_s(_procedures(_step(0, 9.0)), Fault.ZONE, Subject.STATE, Draws(1, "x", 10)).tolist() == [0]


@pytest.mark.parametrize(("own", "other", "expected"), [(500.0, 60.0, 60.0), (5.0, 60.0, 5.0), (None, 60.0, 60.0)])
def test_the_sooner_of_waiting_and_escalating(own: float | None, other: float, expected: float) -> None:
    procedures = _procedures(_step(0, own), escalates_to=Fault.REGION)
    procedures[Fault.REGION] = Procedure("r", Fault.REGION, (_step(0, other),), {Subject.API: "s0"})
    draws = Draws(1, "x", 10)
    assert recovery_s(procedures, Fault.ZONE, Subject.API, draws).max() == expected


def test_samples_of_a_step_are_those_of_its_duration() -> None:
    duration = Estimate("d", "s", Lognormal(2, 0.5), Provenance.ASSUMED, "test")
    found = finish_s((evolve(_step(0, 0.0), duration=duration),), Draws(3, "x", 100_000))["s0"]
    assert np.quantile(found, 0.95) == pytest.approx(duration.quantile(0.95), rel=0.02)


def test_streams_that_elect_by_themselves_are_back_once_somebody_has_looked(
    kgents: System, catalogue: Catalogue
) -> None:
    """A drill notes a step's end when it is carried out, which is not before the decision: one clock for both."""
    for strategy, least_s in (("warm-standby/stretch/failover-record", 40), ("active-active/sourced/weighted", 20)):
        planned = plan(Strategy.parse(strategy), kgents, catalogue)
        found = rto(planned.procedures, Fault.REGION, Subject.NATS, Draws(1, "nats", 2000))
        decided = planned.procedures[Fault.REGION].steps[1 if "warm" in strategy else 0]
        assert found.quantile(0.05) > least_s
        assert decided.duration in found.inputs
