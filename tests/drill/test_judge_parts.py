"""A contract on one stream is judged by what that stream's clients were promised, and by nothing of another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from drilled import Scenario, leave

from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunVerdict, verdicts_json
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.units import Seconds


def of(part: str, limit_s: float = 300) -> Contract:
    return Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(limit_s), part=part)


def verdicts(tmp_path: Path, scenario: Scenario, *contracts: Contract) -> list[RunVerdict]:
    return list(judge(read_evidence(leave(tmp_path, scenario)), contracts).verdicts)


@pytest.fixture
def two_streams() -> Scenario:
    """Of ORDERS, which has the odd writes, 10 s before the fault are lost; nothing of EVENTS."""
    return Scenario(second="ORDERS", lost=frozenset(range(101, 200, 2)))


def test_a_loss_breaks_the_contract_of_its_own_stream(tmp_path: Path, two_streams: Scenario) -> None:
    events, orders, both = verdicts(tmp_path, two_streams, of("EVENTS", 5), of("ORDERS", 5), of("", 5))
    assert [one.verdict for one in (events, orders, both)] == [Verdict.MET, Verdict.BREACHED, Verdict.BREACHED]
    assert events.loss
    assert orders.loss
    assert both.loss
    assert (events.loss.messages, orders.loss.messages) == (0, 50)
    assert both.loss.messages == 50
    assert orders.reach_s == pytest.approx(310, abs=1), "its own oldest write"


def test_a_stream_is_back_with_its_own_first_write(tmp_path: Path, two_streams: Scenario) -> None:
    silent = evolve(two_streams, lost=frozenset(), back_s=None)
    found = verdicts(tmp_path, silent, of("EVENTS"))
    assert "no write to EVENTS" in found[0].why
    assert "ORDERS" not in found[0].why


def test_a_stream_that_was_not_written_to_is_unproven(tmp_path: Path) -> None:
    (found,) = verdicts(tmp_path, Scenario(), of("ORDERS"))
    assert found.verdict is Verdict.UNPROVEN
    assert "wrote nothing to ORDERS" in found.why


def test_what_is_kept_names_the_stream(tmp_path: Path, two_streams: Scenario) -> None:
    judgement = judge(read_evidence(leave(tmp_path, two_streams)), [of("ORDERS", 5)])
    assert verdicts_json(judgement)["verdicts"][0]["subject"] == "nats/ORDERS"
