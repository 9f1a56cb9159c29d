"""How long to wait for a step: machines time out, people are escalated."""

from __future__ import annotations

from attrs import evolve

from secondsite.model.contract import Contract, Subject
from secondsite.model.estimate import Estimate, Provenance, Quantiles, fixed
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.model.units import Seconds
from secondsite.publish.content.patience import Patience, patience

SLOW = Estimate("decide.people", "s", Quantiles(360, 2655, 19_764, 5000), Provenance.PUBLISHED, "a study")
DETECT = Step("detect", Verb.DETECT, "an alert", "open", fixed("d", 60, "s", "t"), 180.0, by_person=True)
DECIDE = Step("decide", Verb.DECIDE, "declare", "declared", SLOW, 59_292.0, after=("detect",), by_person=True)
MOVE = Step("move", Verb.CHANGE_TRAFFIC, "point it", "served", fixed("m", 40, "s", "t"), 120.0, after=("decide",))
WAIT = Step("wait", Verb.WAIT, "wait", "there", SLOW, 59_292.0, after=("move",))
FAILOVER = Procedure("failover", Fault.REGION, (DETECT, DECIDE, MOVE, WAIT), {Subject.API: "move"})


def promised(rto_s: float | None, fault: Fault = Fault.REGION, subject: Subject = Subject.API) -> tuple[Contract, ...]:
    return (Contract(subject, fault, None if rto_s is None else Seconds(rto_s)),)


def test_a_machine_has_its_limit() -> None:
    assert patience(FAILOVER, MOVE, promised(1)) == Patience(120.0)


def test_a_person_is_escalated_when_half_would_have_done_it() -> None:
    assert patience(FAILOVER, DECIDE, ()) == Patience(None, 2655.0)
    for elsewhere in (promised(None), promised(600, Fault.GRAY), promised(600, subject=Subject.STATE)):
        assert patience(FAILOVER, DECIDE, elsewhere) == Patience(None, 2655.0)
    assert patience(FAILOVER, DECIDE, promised(3600)) == Patience(None, 2655.0), "there is time left"


def test_a_contract_leaves_less_time() -> None:
    (contract,) = promised(600)
    assert patience(FAILOVER, DECIDE, (contract,)) == Patience(None, 500.0, contract), "60 s before, 40 s after"
    (lost,) = promised(90)
    assert patience(FAILOVER, DECIDE, (lost,)) == Patience(None, 0.0, lost)


def test_a_failback_is_in_nobodys_hurry() -> None:
    """The other region serves meanwhile: no contract runs out while a store is loaded."""
    back = evolve(FAILOVER, name="failback to us-east-1")
    assert patience(back, DECIDE, promised(90)) == Patience(None, 2655.0)


def test_what_somebody_else_has_to_give_back_is_escalated_too() -> None:
    assert patience(FAILOVER, WAIT, promised(600)) == Patience(None, 2655.0), "the API does not wait for it"


def test_nobody_can_be_late_to_notice() -> None:
    assert patience(FAILOVER, DETECT, promised(600)) == Patience(None)
