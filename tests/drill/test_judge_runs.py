"""Verdicts follow from raw files: what was planted is what is found, and nothing is met that was not shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from bulk_ledger import write_bulk
from drilled import API, MANIFEST, NATS, PRODUCTION, QUICK, STATE, Scenario, fill, leave, quick
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.drill.evidence.chain import check_chain
from secondsite.drill.evidence.folder import SALVAGE, EvidenceWriter, read_evidence
from secondsite.drill.evidence.manifest import Timing
from secondsite.drill.evidence.observation import Observation
from secondsite.drill.ledger.finals import COPY_ROW, FinalRead
from secondsite.drill.ledger.ledger import Ledger, read_chunks, read_ledger_header
from secondsite.drill.ledger.record import RecordKind, Status, identity
from secondsite.drill.verdict.judge import judge, seal
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict, verdicts_json, worst
from secondsite.drill.verdict.projection import projected
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.units import Seconds


def _verdicts(tmp_path: Path, scenario: Scenario, *contracts: Contract) -> dict[Subject, RunVerdict]:
    evidence = read_evidence(leave(tmp_path, scenario))
    judgement = judge(evidence, contracts or None)
    assert not judgement.crashed
    return {verdict.contract.subject: verdict for verdict in judgement.verdicts}


def test_a_clean_failover_is_met_in_its_parts(tmp_path: Path) -> None:
    found = _verdicts(tmp_path, Scenario())
    api, nats, state = found[Subject.API], found[Subject.NATS], found[Subject.STATE]
    assert (api.verdict, api.why) == (Verdict.MET, "")
    assert api.rto_s is not None
    assert api.rto_s["detect"] == pytest.approx(3)
    assert api.rto_s["decide"] == pytest.approx(1)
    assert api.rto_s["execute"] == pytest.approx(3)
    assert api.rto_s["converge"] == pytest.approx(4)
    assert api.rto_s["first_ack"] == pytest.approx(1.06)
    assert api.rto_s["total"] == pytest.approx(12.06, abs=0.2)
    assert api.loss is not None
    assert (api.loss.messages, api.loss.seconds, api.lost_window_s) == (0, 0.0, 0.0)
    assert nats.verdict is Verdict.MET
    assert nats.rto_s is not None
    assert nats.rto_s["total"] == pytest.approx(6)
    assert (state.verdict, state.why) == (Verdict.UNPROVEN, "the drill region-loss did not run state")


@settings(max_examples=15, deadline=None)
@given(lost=st.frozensets(st.integers(0, 199), max_size=30))
def test_planted_losses_are_found_to_the_message(
    lost: frozenset[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Write number n was acknowledged 20 - n / 10 - 0.06 s before the fault."""
    limit_s = 10.0
    contract = evolve(API, rpo_s=Seconds(limit_s))
    found = _verdicts(tmp_path_factory.mktemp("lost"), Scenario(lost=lost), contract)[Subject.API]
    age_s = max((20 - number / 10 - 0.06 for number in lost), default=0.0)
    assert found.loss is not None
    assert (found.loss.messages, found.loss.bytes) == (len(lost), 100 * len(lost))
    assert found.loss.seconds == pytest.approx(age_s)
    assert (found.verdict is Verdict.BREACHED) == (age_s > limit_s)


def test_promising_no_loss_is_breached_by_one_message(tmp_path: Path) -> None:
    contract = evolve(API, rpo_s=Seconds(0))
    assert _verdicts(tmp_path, Scenario(), contract)[Subject.API].verdict is Verdict.MET
    assert _verdicts(tmp_path, Scenario(lost=frozenset({199})), contract)[Subject.API].verdict is Verdict.BREACHED


def test_a_write_acknowledged_after_the_fault_and_lost_counts_in_full(tmp_path: Path) -> None:
    """Its age at the fault is none, and the promise is broken all the same: number 500 came 30 s after the fault."""
    contract = evolve(API, rpo_s=Seconds(20))
    found = _verdicts(tmp_path, Scenario(lost=frozenset({500})), contract)[Subject.API]
    assert found.loss is not None
    assert found.loss.seconds == 0
    assert found.lost_window_s == pytest.approx(30.06)
    assert found.verdict is Verdict.BREACHED


def test_what_a_buffer_took_was_promised_by_the_api_and_not_by_nats(tmp_path: Path) -> None:
    scenario = Scenario(lost=frozenset({100}), buffered=frozenset({100}))
    found = _verdicts(tmp_path, scenario, evolve(API, rpo_s=Seconds(1)), evolve(NATS, rpo_s=Seconds(1)))
    assert found[Subject.API].verdict is Verdict.BREACHED
    assert found[Subject.NATS].verdict is Verdict.MET


def test_a_copy_not_read_to_its_end_proves_a_breach_and_never_a_contract(tmp_path: Path) -> None:
    partial = Scenario(complete=False, lost=frozenset({198}))
    found = _verdicts(tmp_path, partial)[Subject.API]
    assert found.verdict is Verdict.UNPROVEN
    assert "the loss is unknown: us-west-2: the read broke off" in found.why
    slow = _verdicts(tmp_path, partial, evolve(API, rto_s=Seconds(5)))[Subject.API]
    assert slow.verdict is Verdict.BREACHED


def test_too_late_is_breached(tmp_path: Path) -> None:
    found = _verdicts(tmp_path, Scenario(), evolve(API, rto_s=Seconds(12)), evolve(NATS, rto_s=Seconds(6.5)))
    assert found[Subject.API].verdict is Verdict.BREACHED
    assert found[Subject.API].why == "back after 12.1 s"
    assert found[Subject.NATS].verdict is Verdict.MET


def test_a_procedure_that_was_refused_breaches_in_the_words_of_the_server(tmp_path: Path) -> None:
    refusal = "JetStream system temporarily unavailable (503/10008)"
    scenario = Scenario(back_s=None, ends_s=(3.0, 4.0, 5.0), failed=("promote-streams", refusal))
    found = _verdicts(tmp_path, scenario)
    for subject in (Subject.API, Subject.NATS):
        assert found[subject].verdict is Verdict.BREACHED
        assert found[subject].rto_s is None
        assert found[subject].why == f"promote-streams: {refusal}"


def test_not_back_yet_is_unproven_before_the_limit_and_breached_after_it(tmp_path: Path) -> None:
    never = Scenario(back_s=None, until_s=40)
    early = _verdicts(tmp_path, never, API, NATS)
    assert early[Subject.API].verdict is Verdict.UNPROVEN
    assert "clients tried for 40 s after the fault, the limit is 300 s" in early[Subject.API].why
    assert early[Subject.NATS].verdict is Verdict.UNPROVEN
    assert "the new primary stored no write to EVENTS" in early[Subject.NATS].why
    late = _verdicts(tmp_path, never, evolve(API, rto_s=Seconds(30)))[Subject.API]
    assert late.verdict is Verdict.BREACHED


def test_only_contracts_of_the_drilled_fault_are_judged(tmp_path: Path) -> None:
    other = evolve(API, fault=Fault.PROCESS)
    silent = Contract(Subject.NATS, Fault.REGION)
    assert _verdicts(tmp_path, Scenario(), other, silent) == {}


@pytest.mark.parametrize("damage", ["ledger", "finals", "fault"])
def test_a_check_that_crashes_leaves_everything_unproven(damage: str, tmp_path: Path) -> None:
    folder = leave(tmp_path, Scenario())
    if damage == "ledger":
        (folder / "ledger" / "0.ledger").unlink()
    elif damage == "finals":
        path = min((folder / "finals").iterdir())
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path = folder / "timeline.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    judgement = judge(read_evidence(folder))
    assert judgement.crashed
    assert {verdict.verdict for verdict in judgement.verdicts} == {Verdict.UNPROVEN}
    assert judgement.worst is Verdict.UNPROVEN


@pytest.mark.parametrize(("complete", "held"), [(True, 5), (False, None)])
def test_what_the_old_disks_hold_of_the_lost_is_counted_where_they_were_read_in_full(
    complete: bool, held: int | None, tmp_path: Path
) -> None:
    """Lost are 100 to 109; the old region's disks hold 90 to 104."""
    rows = np.zeros(15, COPY_ROW)
    rows["identity"] = [identity(0, number) for number in range(90, 105)]
    rows["stream_sequence"] = np.arange(1, 16)

    def salvaged(folder: Path) -> None:
        (folder / SALVAGE).mkdir()
        FinalRead("EVENTS", "us-east-1", complete, rows, (), "").save(folder / SALVAGE / "events.copy")

    folder = leave(tmp_path, Scenario(lost=frozenset(range(100, 110))), change=salvaged)
    judgement = judge(read_evidence(folder))
    assert (judgement.loss and judgement.loss.messages, judgement.salvageable, judgement.after_rejoin) == (
        10,
        held,
        None,
    )


def test_without_any_read_of_a_stream_nothing_is_met(tmp_path: Path) -> None:
    folder = leave(tmp_path, Scenario())
    (folder / "finals" / "events.copy").unlink()
    verdicts = judge(read_evidence(folder)).verdicts
    assert Verdict.MET not in {verdict.verdict for verdict in verdicts}


def test_deleting_is_losing_where_deletion_is_the_fault(tmp_path: Path) -> None:
    contract = Contract(Subject.NATS, Fault.DELETION, rpo_s=Seconds(1))
    manifest = evolve(MANIFEST, fault=Fault.DELETION, new_side=(), contracts=(contract,))
    with EvidenceWriter.create(tmp_path, manifest) as writer:
        fill(writer, Scenario(lost=frozenset(range(100, 200)), manifest=manifest))
        header = evolve(read_ledger_header(writer.ledgers / "0.ledger"), client=2)
        with Ledger.create(writer.ledgers / "2.ledger", header) as ledger:
            ledger.erasure(RecordKind.PURGE, 0)
            ledger.erasure(RecordKind.PURGED, 0)
        (verdict,) = seal(writer).verdicts
    assert verdict.loss is not None
    assert verdict.loss.messages == 100
    assert verdict.verdict is Verdict.BREACHED


def test_sealed_verdicts_are_those_of_the_raw_files_again(tmp_path: Path) -> None:
    with EvidenceWriter.create(tmp_path, MANIFEST) as writer:
        fill(writer, Scenario(lost=frozenset({150})))
        judgement = seal(writer)
    assert check_chain(writer.folder) == ()
    kept = json.loads((writer.folder / "verdicts.json").read_text())
    again = judge(read_evidence(writer.folder))
    assert kept == json.loads(json.dumps(verdicts_json(again)))
    assert again.verdicts == judgement.verdicts
    assert kept["ledger"]["acknowledged-lost"] == 1


def test_a_quick_run_is_judged_at_the_intervals_of_production(tmp_path: Path) -> None:
    """Checks take 3 × 10 s where they took 3 × 1 s, the window 30 s for 1 s, clients 60 s for at most 2 s of TTL."""
    found = _verdicts(tmp_path, Scenario(manifest=quick()), evolve(API, rto_s=Seconds(130)), NATS)
    api = found[Subject.API]
    assert api.measured_s == pytest.approx(12.06, abs=0.2)
    assert api.rto_s is not None
    assert api.rto_s["detect"] == pytest.approx(30)
    assert api.rto_s["decide"] == pytest.approx(30)
    assert api.rto_s["execute"] == pytest.approx(3)
    assert api.rto_s["total"] == pytest.approx(30 + 30 + 3 + 5.06 + 58, abs=0.2)
    assert api.verdict is Verdict.MET
    nats = found[Subject.NATS].rto_s
    assert nats is not None
    assert nats["total"] == pytest.approx(62)
    tight = _verdicts(tmp_path, Scenario(manifest=quick()), evolve(API, rto_s=Seconds(120)))[Subject.API]
    assert tight.verdict is Verdict.BREACHED


@settings(deadline=None)
@given(
    phase=st.floats(0, 1),
    share=st.floats(0.01, 1),
    execute=st.floats(0, 100),
    decide=st.floats(0, 5),
)
def test_an_ideal_quick_run_is_projected_exactly(phase: float, share: float, execute: float, decide: float) -> None:
    def ideal(timing: Timing) -> dict[str, float]:
        parts = {
            "detect": timing.check_interval_s * (timing.check_threshold - 1 + phase),
            "decide": timing.decide_s + decide,
            "execute": execute,
            "converge": 0.75 * share * timing.ttl_s,
            "first_ack": 0.0,
            "sustained": 0.25 * share * timing.ttl_s,
        }
        return parts | {"total": sum(parts.values())}

    assert projected(ideal(QUICK), QUICK, PRODUCTION) == pytest.approx(ideal(PRODUCTION))
    assert projected(ideal(QUICK), QUICK, QUICK) == pytest.approx(ideal(QUICK))


@settings(deadline=None)
@given(phase=st.floats(0, 1), share=st.floats(0.85, 1), execute=st.floats(0, 0.5))
def test_a_ttl_that_runs_while_somebody_decides_is_counted_once(phase: float, share: float, execute: float) -> None:
    """The record follows the checks: at the end of detection, whatever is decided meanwhile."""

    def ideal(timing: Timing) -> dict[str, float]:
        left = share * timing.ttl_s - timing.decide_s - execute
        parts = {
            "detect": timing.check_interval_s * (timing.check_threshold - 1 + phase),
            "decide": timing.decide_s,
            "execute": execute,
            "converge": left,
            "first_ack": 0.0,
            "sustained": 0.0,
        }
        return parts | {"total": sum(parts.values())}

    found = projected(ideal(QUICK), QUICK, PRODUCTION, from_detection=True)
    assert found == pytest.approx(ideal(PRODUCTION))


@given(st.lists(st.sampled_from(Verdict)))
def test_a_breach_outweighs_the_unproven_and_that_outweighs_the_met(verdicts: list[Verdict]) -> None:
    found = worst(verdicts)
    if Verdict.BREACHED in verdicts:
        assert found is Verdict.BREACHED
    elif verdicts and set(verdicts) == {Verdict.MET}:
        assert found is Verdict.MET
    else:
        assert found is Verdict.UNPROVEN


def test_state_is_judged_by_nobody_here(tmp_path: Path) -> None:
    assert _verdicts(tmp_path, Scenario(), STATE)[Subject.STATE].verdict is Verdict.UNPROVEN


@pytest.mark.parametrize(("strategy", "verdict"), [("stretch", Verdict.BREACHED), ("sourced", Verdict.MET)])
def test_two_copies_that_are_written_to_breach_whatever_was_lost(
    strategy: str, verdict: Verdict, tmp_path: Path
) -> None:
    """The old region takes two more writes after the new one began; sourced streams have a log in each."""
    pattern = "active-active" if strategy == "sourced" else "warm-standby"
    manifest = evolve(MANIFEST, strategy=f"{pattern}/{strategy}")
    with EvidenceWriter.create(tmp_path, manifest) as writer:
        fill(writer, Scenario(manifest=manifest))
        path = writer.ledgers / "0.ledger"
        records = np.concatenate(list(read_chunks(path))).copy()
        header = read_ledger_header(path)
        stored = np.flatnonzero((records["kind"] == RecordKind.OUTCOME) & (records["status"] == Status.STORED))
        old = stored[-100::40]
        records["stream_sequence"][stored[-150:]] -= 100
        records["stream_sequence"][old] = [5000, 5001, 5002]
        path.unlink()
        write_bulk(path, header, records)
        judgement = seal(writer)
    assert judgement.writer_changes["EVENTS"] > 1
    assert {v.verdict for v in judgement.verdicts if v.contract.subject is not Subject.STATE} == {verdict}


@pytest.mark.parametrize(
    ("carried_out", "changes", "told"),
    [
        (("region", "failback"), 2, True),
        (("region", "failback", "region"), 2, False),
        ((), 1, False),
        ((), 2, True),
    ],
)
def test_each_failover_may_begin_a_log_anew_once(
    carried_out: tuple[str, ...], changes: int, told: bool, tmp_path: Path
) -> None:
    """Two changes: one too many after one failover, and what two failovers that lost something leave.

    Servers that elect a leader without any failover may begin one anew as well, once.
    """
    manifest = evolve(MANIFEST, carried_out=carried_out)
    with EvidenceWriter.create(tmp_path, manifest) as writer:
        fill(writer, Scenario(manifest=manifest))
        path = writer.ledgers / "0.ledger"
        records = np.concatenate(list(read_chunks(path))).copy()
        header = read_ledger_header(path)
        stored = np.flatnonzero((records["kind"] == RecordKind.OUTCOME) & (records["status"] == Status.STORED))
        records["stream_sequence"][stored[-100:]] -= 50
        if changes == 2:
            records["stream_sequence"][stored[-50:]] -= 40
        path.unlink()
        write_bulk(path, header, records)
        judgement = seal(writer)
    assert judgement.writer_changes["EVENTS"] == changes
    why = next(v.why for v in judgement.verdicts if v.contract.subject is Subject.NATS)
    assert ("two copies of EVENTS" in why) is told


def test_nats_is_back_when_clients_are_whatever_a_step_says(tmp_path: Path) -> None:
    """Streams that elect a leader by themselves need no executor, and one that notes its end late changes nothing."""
    itself = _verdicts(tmp_path, Scenario(ends_s=()), NATS)[Subject.NATS]
    late = _verdicts(tmp_path, Scenario(ends_s=(3, 4, 5, 30, 31, 32)), NATS)[Subject.NATS]
    for found in (itself, late):
        assert found.verdict is Verdict.MET
        assert found.rto_s is not None
        assert found.rto_s["total"] == pytest.approx(12.06)


SHOWN, NOT_SHOWN, UNSEEN = Observation("a", True), Observation("a", False), Observation("a", None, unproven=True)


@pytest.mark.parametrize(
    ("verdict", "seen", "crashed", "whole"),
    [
        (Verdict.MET, (), "", Verdict.MET),
        (Verdict.MET, (SHOWN,), "", Verdict.MET),
        (Verdict.MET, (SHOWN, NOT_SHOWN), "", Verdict.BREACHED),
        (Verdict.MET, (SHOWN, UNSEEN), "", Verdict.UNPROVEN),
        (Verdict.BREACHED, (SHOWN,), "", Verdict.BREACHED),
        (Verdict.UNPROVEN, (SHOWN,), "", Verdict.UNPROVEN),
        (Verdict.MET, (SHOWN,), "the checker failed", Verdict.UNPROVEN),
        (None, (SHOWN,), "", Verdict.MET),
        (None, (), "", Verdict.UNPROVEN),
    ],
)
def test_a_run_is_as_good_as_the_worst_of_what_it_showed(
    verdict: Verdict | None, seen: tuple[Observation, ...], crashed: str, whole: Verdict
) -> None:
    """None: nothing that the drill ran was promised anything."""
    verdicts = (RunVerdict(STATE, Verdict.BREACHED, ""), *((RunVerdict(API, verdict, ""),) if verdict else ()))
    assert RunJudgement(verdicts, observations=seen, crashed=crashed).verdict is whole
