"""Procedures as timelines at median durations."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from secondsite.model.contract import Subject
from secondsite.model.estimate import fixed
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.publish.content.timeline import Phase, phases, timeline


def step(name: str, verb: Verb, takes_s: float, *after: str, blocked: str = "") -> Step:
    return Step(name, verb, name, "done", fixed(name, takes_s, "s", "test"), 60, after=after, blocked=blocked)


def failover(*steps: Step, api: str, **others: str) -> Procedure:
    return Procedure("failover", Fault.REGION, steps, {Subject.API: api, **{Subject(k): v for k, v in others.items()}})


PROCEDURE = failover(
    step("detect", Verb.DETECT, 25),
    step("decide", Verb.DECIDE, 30, "detect"),
    step("promote", Verb.PROMOTE_STREAMS, 2, "decide"),
    step("stores", Verb.PROMOTE_STORES, 20, "decide"),
    step("traffic", Verb.CHANGE_TRAFFIC, 10, "promote"),
    step("converge", Verb.CONVERGE, 100, "traffic"),
    step("verify", Verb.VERIFY_PATH, 1, "converge"),
    step("scale", Verb.SCALE_SERVICES, 30, "verify"),
    api="verify",
    nats="promote",
    state="stores",
)


def test_the_critical_path_is_what_the_api_waits_for() -> None:
    critical = [bar.step.id for bar in timeline(PROCEDURE) if bar.critical]
    assert critical == ["detect", "decide", "promote", "traffic", "converge", "verify"]


def test_phases_decompose_the_clock() -> None:
    assert phases(timeline(PROCEDURE)) == {
        Phase.DETECT: 25,
        Phase.DECIDE: 30,
        Phase.EXECUTE: 12,
        Phase.CONVERGE: 100,
        Phase.FIRST_ACK: 1,
        Phase.AFTERWARDS: 0,
    }


def test_what_no_subject_waits_for_comes_afterwards() -> None:
    phase = {bar.step.id: bar.phase for bar in timeline(PROCEDURE)}
    assert phase["scale"] is Phase.AFTERWARDS
    assert phase["stores"] is Phase.EXECUTE


def test_subjects_are_back_when_their_milestone_ends() -> None:
    back = {subject: bar.end_s for bar in timeline(PROCEDURE) for subject in bar.brings_back}
    assert back == {Subject.NATS: 57, Subject.STATE: 75, Subject.API: 168}


def test_a_blocked_step_never_ends_and_nothing_after_it_starts() -> None:
    procedure = failover(
        step("detect", Verb.DETECT, 5),
        step("promote", Verb.PROMOTE_STREAMS, 1, "detect", blocked="no quorum"),
        step("verify", Verb.VERIFY_PATH, 1, "promote"),
        api="verify",
    )
    bars = {bar.step.id: bar for bar in timeline(procedure)}
    assert bars["promote"].start_s == 5
    assert bars["verify"].start_s == math.inf
    assert bars["verify"].length_s == math.inf
    assert phases(tuple(bars.values()))[Phase.EXECUTE] == math.inf


@st.composite
def procedures(draw: st.DrawFn) -> Procedure:
    steps: list[Step] = []
    for index in range(draw(st.integers(1, 8))):
        after = draw(st.lists(st.sampled_from([s.id for s in steps]), unique=True)) if steps else []
        verb, takes_s = draw(st.sampled_from(list(Verb))), draw(st.integers(0, 1000))
        steps.append(step(str(index), verb, takes_s, *after))
    return failover(*steps, api=steps[-1].id)


@given(procedures())
def test_the_phases_sum_up_to_when_the_api_is_back(procedure: Procedure) -> None:
    bars = timeline(procedure)
    assert sum(phases(bars).values()) == bars[-1].end_s
