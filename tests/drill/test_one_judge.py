"""Everybody reads one judgement, and what a run could not have seen is no value in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from drilled import API, FAULT_NS, NATS, PRODUCTION, Scenario, fill, leave

from secondsite.drill.evidence.events import EventName
from secondsite.drill.evidence.folder import EvidenceWriter, read_evidence
from secondsite.drill.evidence.manifest import Timing
from secondsite.drill.verdict.effects import EFFECTS
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict, verdicts_json
from secondsite.drill.verdict.measurements import find_runs, measurement
from secondsite.drill.verdict.projection import projected_loss_s, run_loss_s
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.units import Seconds


def _judged(tmp_path: Path, scenario: Scenario, *contracts: Contract) -> dict[Subject, RunVerdict]:
    found = judge(read_evidence(leave(tmp_path, scenario)), contracts or (API, NATS))
    return {verdict.contract.subject: verdict for verdict in found.verdicts}


def test_with_every_message_lost_nothing_is_met(tmp_path: Path) -> None:
    found = _judged(tmp_path, Scenario(lost=frozenset(range(1000)), aged_lost=True))
    assert [each.verdict for each in found.values()] == [Verdict.BREACHED, Verdict.BREACHED]
    assert all(each.loss is not None and each.loss.at_least for each in found.values())


def test_a_load_that_does_not_reach_back_to_the_limit_proves_no_rpo(tmp_path: Path) -> None:
    found = _judged(tmp_path, Scenario(aged_s=None))
    assert found[Subject.API].verdict is Verdict.UNPROVEN
    assert found[Subject.API].why == (
        "no write to EVENTS was older than 19.9 s: no loss could have broken 60 s; drill with --reach 60s"
    )
    within = evolve(API, rpo_s=Seconds(15))
    assert _judged(tmp_path, Scenario(aged_s=None), within)[Subject.API].verdict is Verdict.MET


def test_a_loss_of_all_that_the_run_wrote_is_a_bound(tmp_path: Path) -> None:
    """Older messages are there, and how much would have been lost between them and the load nobody knows."""
    found = _judged(tmp_path, Scenario(lost=frozenset(range(1000))))[Subject.API]
    assert found.verdict is Verdict.UNPROVEN
    assert found.lost_window_s is not None
    assert found.lost_at_most_s is not None
    assert found.lost_window_s < 60 < found.lost_at_most_s
    assert "the limit lies between" in found.why


def test_where_the_oldest_write_of_a_stream_is_lost_nobody_knows_how_much_more_is(tmp_path: Path) -> None:
    """Though what was seen of the loss is within the limit."""
    found = _judged(tmp_path, Scenario(aged_s=None, lost=frozenset(range(200))))[Subject.API]
    assert found.verdict is Verdict.UNPROVEN
    assert "the oldest of a stream among them: earlier losses could not be observed" in found.why


def test_a_loss_between_what_is_there_is_known_on_both_sides(tmp_path: Path) -> None:
    found = _judged(tmp_path, Scenario(lost=frozenset(range(195, 200))))[Subject.API]
    assert found.verdict is Verdict.MET
    assert found.lost_window_s == pytest.approx(0.44, abs=0.02)
    assert found.lost_at_most_s == pytest.approx(0.54, abs=0.02)


@pytest.mark.parametrize("limit_s", [0.5, 30.0, 3600.0, 90_000.0])
def test_what_a_quick_run_has_to_reach_is_projected_to_the_limit(limit_s: float) -> None:
    ran, wanted = Timing(1, 3, 1, 2, 3.0), evolve(PRODUCTION, backup_s=86400.0)
    assert projected_loss_s(run_loss_s(limit_s, ran, wanted), ran, wanted) == pytest.approx(limit_s)
    assert run_loss_s(limit_s, evolve(ran, backup_s=0.0), wanted) == limit_s


def _observed(tmp_path: Path, **seen: object) -> RunJudgement:
    with EvidenceWriter.create(tmp_path, Scenario().manifest) as writer:
        fill(writer, Scenario())
        writer.event(EventName.OBSERVATION, FAULT_NS, **seen)
        writer.close()
    return judge(read_evidence(writer.folder), [API, NATS])


def test_what_a_drill_was_there_to_show_counts_for_everybody(tmp_path: Path) -> None:
    what = "writes that the old primary stored after it came back: 17"
    found = _observed(tmp_path, what=what, holds=False, unproven=False)
    assert {each.verdict for each in found.verdicts} == {Verdict.BREACHED}
    assert found.verdicts[0].why == f"does not hold: {what}"
    assert found.verdict is Verdict.BREACHED
    assert verdicts_json(found)["observations"] == [{"what": what, "holds": False, "unproven": False}]
    run = find_runs(tmp_path, [API]).runs[0]
    assert measurement(API, [(run, run.ran[0])]).verdict is Verdict.BREACHED


def test_what_nobody_saw_is_unproven_and_what_is_only_told_is_nothing(tmp_path: Path) -> None:
    found = _observed(tmp_path / "a", what="memory", holds=None, unproven=True)
    assert {each.verdict for each in found.verdicts} == {Verdict.UNPROVEN}
    found = _observed(tmp_path / "b", what="the price", holds=None, unproven=False)
    assert {each.verdict for each in found.verdicts} == {Verdict.MET}


def test_steps_that_nobody_carried_out_took_no_time(tmp_path: Path) -> None:
    found = judge(read_evidence(leave(tmp_path, Scenario())))
    assert "change-traffic" not in found.steps_s
    assert found.steps_s["detect"] == pytest.approx(3.0)
    assert found.steps_s["fence"] == pytest.approx(1.0)


def test_the_table_in_the_documents_is_the_judges() -> None:
    words = {Verdict.BREACHED: "breached", Verdict.UNPROVEN: "unproven", Verdict.MET: "met, and told", None: "told"}
    bears = {"none": "–", "every": "every"}
    lines = [
        f"| `{e.finding}` | {e.phrase} | {bears.get(e.bears, e.bears)} | {words[e.verdict]} | {e.why} |"
        for e in EFFECTS
    ]
    assert "\n".join(lines) in Path("docs/verify.md").read_text(encoding="utf-8")


def test_of_several_runs_the_newest_note_is_told_and_in_how_many_there_was_one(tmp_path: Path) -> None:
    leave(tmp_path, Scenario())
    (run,) = find_runs(tmp_path, [API]).runs
    noted = [(run, evolve(run.ran[0], why=why)) for why in ("the first", "", "the newest")]
    assert measurement(API, noted).why.endswith("; in 2 of 3 runs: the newest")
