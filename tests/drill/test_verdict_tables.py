"""What a verdict is made of, row by row: of one run, of a series of runs, and the limits that nobody may move."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import evolve
from drilled import API, MANIFEST, NATS, PRODUCTION, QUICK, STATE

from secondsite.drill.evidence.manifest import Timing
from secondsite.drill.evidence.observation import Observation
from secondsite.drill.evidence.register import CampaignSeries
from secondsite.drill.evidence.sound import Absent
from secondsite.drill.verdict.effects import EFFECTS, MOST_LATE_S, MOST_WITHHELD, Bears
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict, worst
from secondsite.drill.verdict.measurements import Run, measured, measurement
from secondsite.drill.verdict.projection import projected, projected_loss_s, run_loss_s
from secondsite.drill.verdict.verification import SHELF_LIFE_S
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.measurement import DataLoss

MET, BREACHED, UNPROVEN = Verdict.MET, Verdict.BREACHED, Verdict.UNPROVEN
SHOWN, REFUTED, NOT_SEEN = Observation("x", True), Observation("x", False), Observation("x", None, True)
TOLD = Observation("x", None)


@pytest.mark.parametrize(
    ("verdicts", "all_of_them"),
    [
        ((), UNPROVEN),
        ((MET,), MET),
        ((MET, MET), MET),
        ((MET, UNPROVEN), UNPROVEN),
        ((UNPROVEN,), UNPROVEN),
        ((MET, UNPROVEN, BREACHED), BREACHED),
        ((BREACHED,), BREACHED),
    ],
)
def test_a_breach_counts_most_and_nothing_at_all_is_unproven(
    verdicts: tuple[Verdict, ...], all_of_them: Verdict
) -> None:
    assert worst(verdicts) is all_of_them


@pytest.mark.parametrize(
    ("verdicts", "observations", "crashed", "expected"),
    [
        ([(API, MET)], (), "", MET),
        ([(API, MET), (NATS, BREACHED)], (), "", BREACHED),
        ([(API, MET), (STATE, BREACHED)], (), "", MET),
        ([(STATE, BREACHED)], (), "", UNPROVEN),
        ([], (), "", UNPROVEN),
        ([], (SHOWN,), "", MET),
        ([], (TOLD,), "", UNPROVEN),
        ([], (SHOWN, NOT_SEEN), "", UNPROVEN),
        ([], (SHOWN, REFUTED), "", BREACHED),
        ([(API, MET)], (SHOWN, TOLD), "", MET),
        ([(API, MET)], (REFUTED,), "", BREACHED),
        ([(API, MET)], (NOT_SEEN,), "", UNPROVEN),
        ([(API, MET)], (), "a traceback", UNPROVEN),
        ([(API, BREACHED)], (), "a traceback", UNPROVEN),
        ([(API, MET)], (REFUTED,), "a traceback", BREACHED),
    ],
)
def test_a_run_is_judged_by_what_it_ran_and_showed(
    verdicts: list[tuple[Contract, Verdict]], observations: tuple[Observation, ...], crashed: str, expected: Verdict
) -> None:
    """`state` was not run: its verdict says nothing about the drill."""
    judged = tuple(RunVerdict(contract, verdict, "") for contract, verdict in verdicts)
    assert RunJudgement(judged, observations=observations, crashed=crashed).verdict is expected


def test_evidence_is_good_for_so_many_days_and_not_a_second_longer() -> None:
    assert SHELF_LIFE_S == {"quick": 35 * 24 * 3600, "production": 100 * 24 * 3600}


def test_a_load_that_is_withheld_or_late_is_no_load() -> None:
    assert (MOST_WITHHELD, MOST_LATE_S) == (0.05, 1.0)


def test_on_which_contracts_a_finding_bears() -> None:
    bare = evolve(NATS, rto_s=None, rpo_s=None)
    bad_write, deletion = evolve(API, fault=Fault.BAD_WRITE), evolve(API, fault=Fault.DELETION)
    bears = {
        Bears.EVERY: {API, NATS, bare, bad_write, deletion},
        Bears.NATS: {NATS, bare},
        Bears.RPO: {API, NATS, bad_write, deletion},
        Bears.RTO: {API, NATS, bad_write, deletion},
        Bears.BAD_WRITE: {bad_write},
        Bears.NO_DELETION: {API, NATS, bare, bad_write},
        Bears.NONE: set(),
    }
    for effect in EFFECTS:
        found = {contract for contract in (API, NATS, bare, bad_write, deletion) if effect.on(contract)}
        assert found == bears[effect.bears], effect.finding
    none = {effect.finding for effect in EFFECTS if effect.bears is Bears.NONE}
    assert none == {"duplicate", "reordered", "processed-twice", "jobs-twice", "jobs-never", "processed-lost"}
    harmless = {effect.finding for effect in EFFECTS if effect.verdict is not BREACHED} - none
    assert harmless == {
        *("not-seen", "out-of-place", "undrained", "clashes", "uncompared", "withheld", "late", "unread"),
        "acknowledged-lost",
    }


def run_of(
    verdict: RunVerdict, *, counted: bool = True, number: int = 1, drill: str = "region-loss", **more: Any
) -> Run:
    manifest = evolve(MANIFEST, run=number, drill=drill, started_at=f"2026-11-20T10:{number:02}:00+00:00")
    evidence = SimpleNamespace(manifest=manifest, path=Path(f"evidence/{number}"))
    return Run(cast(Any, evidence), RunJudgement((verdict,), **more), counted)


def verdict_of(verdict: Verdict, why: str = "", total_s: float | None = 10.0, **more: Any) -> RunVerdict:
    parts = None if total_s is None else {"detect": total_s - 1, "total": total_s}
    return RunVerdict(SURE, verdict, why, rto_s=parts, **more)


SURE = evolve(API, confidence=0.5)
"""One run proves it."""
SURER = evolve(API, confidence=0.9)
"""22 do, or 38 with one that failed."""


def together(
    contract: Contract, *verdicts: tuple[Verdict, str], absent: tuple[Absent, ...] = (), counted: int | None = None
) -> tuple[Verdict, str]:
    runs = []
    for number, (verdict, why) in enumerate(verdicts):
        one = evolve(verdict_of(verdict, why), contract=contract)
        runs.append((run_of(one, number=number, counted=counted is None or number < counted), one))
    found = measurement(contract, runs, absent)
    return found.verdict, found.why


def absent_from(drill: str, why: str) -> Absent:
    series = CampaignSeries(MANIFEST.design, drill, MANIFEST.profile, str(MANIFEST.fault), ("api",))
    return Absent("c1", series, datetime(2026, 11, 20, tzinfo=UTC), 1, why)


MISSING = absent_from("region-loss", "run 3 does not exist")


@pytest.mark.parametrize(
    ("contract", "verdicts", "absent", "expected"),
    [
        (SURE, [(MET, "")], (), (MET, "held in 1 of 1 runs")),
        (SURE, [(MET, "a note")], (), (MET, "held in 1 of 1 runs; a note")),
        (SURE, [(MET, "first"), (MET, ""), (MET, "last")], (), (MET, "held in 3 of 3 runs; in 2 of 3 runs: last")),
        (SURE, [(BREACHED, "slow")], (), (BREACHED, "slow")),
        (SURE, [(BREACHED, "first"), (BREACHED, "last")], (), (BREACHED, "in 2 of 2 runs: last")),
        (SURE, [(UNPROVEN, "broke off")], (), (UNPROVEN, "broke off")),
        (SURE, [(MET, ""), (UNPROVEN, "a"), (UNPROVEN, "b")], (), (UNPROVEN, "in 2 of 3 runs: b")),
        (SURE, [(MET, "")], (MISSING,), (UNPROVEN, "run 3 does not exist")),
        (SURE, [(BREACHED, "slow")], (MISSING,), (BREACHED, "slow")),
        (SURE, [(MET, ""), (MET, ""), (BREACHED, "slow")], (), (MET, "held in 2 of 3 runs")),
        (SURE, [(MET, ""), (MET, ""), (BREACHED, "slow")], (MISSING,), (BREACHED, "in 1 of 3 runs: slow")),
        (SURE, [(MET, ""), (UNPROVEN, "?"), (BREACHED, "slow")], (), (BREACHED, "in 1 of 3 runs: slow")),
        (SURER, [(MET, "")], (), (UNPROVEN, "held in 1 of 1 runs; 22 are needed to be 90 % sure of 90 %")),
        (SURER, [(BREACHED, "slow"), (MET, "")], (), (BREACHED, "in 1 of 2 runs: slow")),
        (SURER, [(MET, "")] * 22, (), (MET, "held in 22 of 22 runs")),
        (SURER, [(BREACHED, "slow")] + [(MET, "")] * 36, (), (BREACHED, "in 1 of 37 runs: slow")),
        (SURER, [(BREACHED, "slow")] + [(MET, "")] * 37, (), (MET, "held in 37 of 38 runs")),
    ],
)
def test_runs_together(
    contract: Contract, verdicts: list[tuple[Verdict, str]], absent: tuple[Absent, ...], expected: tuple[Verdict, str]
) -> None:
    found, why = together(contract, *verdicts, absent=absent)
    assert (found, why.replace("\u00a0", " ")) == expected


def test_a_run_that_may_have_been_chosen_proves_nothing() -> None:
    found, why = together(SURE, (MET, ""), (MET, ""), counted=0)
    assert found is UNPROVEN
    assert why.startswith(
        "held in 2 of 2 runs, 2 of them of no campaign that is registered, which may have been chosen"
    )
    assert together(SURE, (MET, ""), (BREACHED, "slow"), counted=1) == (BREACHED, "in 1 of 2 runs: slow")


def test_a_series_is_told_by_its_longest_run_and_its_worst_loss() -> None:
    losses = [DataLoss(3, 30, 1.0), DataLoss(1, 10, 2.0, at_least=True), DataLoss(9, 90, 1.5)]
    runs = []
    for number, (total_s, loss) in enumerate(zip((10.0, 30.0, 20.0), losses, strict=True)):
        one = verdict_of(MET, total_s=total_s, loss=loss)
        runs.append((run_of(one, number=number, steps_s={"fence": float(number)}, ledger={"seen": number}), one))
    found = measurement(SURE, runs)
    assert found.rto_s == {"detect": 29.0, "total": 30.0}
    assert found.steps_s == {"fence": 1.0}, "of the same run"
    assert found.loss == DataLoss(1, 10, 2.0, at_least=True)
    assert (found.runs, found.ledger, found.evidence) == (3, {"seen": 2}, "evidence/2")
    assert found.upper_rto_s == 20.0, "one of three may be longer, at 50 %"
    longest = measurement(SURE, runs[:1])
    assert (longest.loss, longest.upper_rto_s) == (losses[0], 10.0)


def test_a_clock_that_never_ended_bounds_nothing() -> None:
    one = verdict_of(BREACHED, "never", total_s=None)
    found = measurement(SURE, [(run_of(one), one)])
    assert (found.rto_s, found.upper_rto_s, found.loss) == (None, None, None)
    other = verdict_of(MET)
    found = measurement(SURE, [(run_of(other, counted=False), other)])
    assert found.upper_rto_s is None, "it may have been chosen among many"


def test_a_loss_is_worse_by_its_age_then_by_its_messages_then_by_its_bytes() -> None:
    ordered = [DataLoss(9, 9, 1.0), DataLoss(1, 9, 2.0), DataLoss(2, 1, 2.0), DataLoss(2, 2, 2.0)]
    for worse in range(1, len(ordered)):
        verdicts = [verdict_of(MET, loss=loss) for loss in ordered[: worse + 1]]
        found = measurement(SURE, [(run_of(one), one) for one in reversed(verdicts)])
        assert found.loss == ordered[worse]


def test_each_series_of_runs_is_measured_for_each_of_its_contracts() -> None:
    one, other = verdict_of(MET), evolve(verdict_of(MET), contract=evolve(NATS, confidence=0.5))
    absent = (absent_from("dns-stuck", "gone"),)
    runs = [
        run_of(one, number=2),
        run_of(one, number=1),
        run_of(other, number=3),
        run_of(one, number=4, drill="dns-stuck"),
    ]
    found = [(m.drill, m.subject, m.runs, m.verdict, m.evidence) for _, m in measured(runs, absent)]
    assert found == [
        ("dns-stuck", Subject.API, 1, UNPROVEN, "evidence/4"),
        ("region-loss", Subject.API, 2, MET, "evidence/2"),
        ("region-loss", Subject.NATS, 1, MET, "evidence/3"),
    ]


RUN, WANTED = Timing(1, 3, 1, 2, backup_s=10), Timing(10, 3, 30, 60, backup_s=3600)


@pytest.mark.parametrize(
    ("detect_s", "longer_s"), [(2.0, 20.0), (2.5, 25.0), (3.0, 30.0), (3.4, 30.4), (0.0, 18.0), (1.9, 19.9)]
)
def test_a_fault_falls_between_two_checks_as_it_did(detect_s: float, longer_s: float) -> None:
    """Where in the interval it fell is stretched; what lies beyond, or before, is taken as it was."""
    parts = {"detect": detect_s, "decide": 1.5, "execute": 4.0, "converge": 0.0, "first_ack": 0.0, "sustained": 0.0}
    found = projected(parts, RUN, WANTED)
    assert found["detect"] == pytest.approx(longer_s)
    assert (found["decide"], found["execute"]) == (30.5, 4.0)
    assert found["total"] == pytest.approx(longer_s + 34.5)
    assert projected({**parts, "decide": 0.2}, WANTED, RUN)["decide"] == 0.0


@pytest.mark.parametrize(("converge_s", "longer_s"), [(1.0, 30.0), (2.0, 60.0), (3.0, 61.0)])
def test_clients_keep_the_address_for_the_same_share_of_the_ttl(converge_s: float, longer_s: float) -> None:
    parts = {"detect": 3.0, "decide": 1.0, "execute": 0.0, "converge": converge_s, "first_ack": 0.0, "sustained": 0.0}
    assert projected(parts, RUN, WANTED)["converge"] == pytest.approx(longer_s)
    split = {**parts, "converge": converge_s / 2, "first_ack": converge_s / 4, "sustained": converge_s / 4}
    found = projected(split, RUN, WANTED)
    assert [found[name] / longer_s for name in ("converge", "first_ack", "sustained")] == pytest.approx(
        [0.5, 0.25, 0.25]
    )
    checks = projected({**parts, "execute": 0.5}, RUN, WANTED, from_detection=True)
    moved_s = (converge_s + 1.5) + min(1.0, (converge_s + 1.5) / 2) * 58
    assert checks["converge"] == pytest.approx(max(converge_s, moved_s - 30.0 - 0.5))
    no_ttl = evolve(RUN, ttl_s=0)
    assert projected(parts, no_ttl, WANTED)["converge"] == pytest.approx(converge_s + 60)
    unchecked = projected(parts, evolve(RUN, check_interval_s=0), WANTED)
    assert unchecked["detect"] == pytest.approx(23.0), "two whole intervals, and what was measured"


@pytest.mark.parametrize(("window_s", "longer_s"), [(0.0, 0.0), (5.0, 1800.0), (10.0, 3600.0), (12.0, 3602.0)])
def test_what_backups_lose_is_a_share_of_their_interval(window_s: float, longer_s: float) -> None:
    assert projected_loss_s(window_s, RUN, WANTED) == pytest.approx(longer_s)
    assert run_loss_s(longer_s, RUN, WANTED) == pytest.approx(window_s)


def test_without_backups_a_loss_is_what_it_was() -> None:
    assert projected_loss_s(5.0, QUICK, PRODUCTION) == run_loss_s(5.0, QUICK, PRODUCTION) == 5.0
    assert run_loss_s(5.0, WANTED, RUN) == run_loss_s(5.0, RUN, RUN) == 5.0
    assert not math.isnan(projected_loss_s(5.0, RUN, RUN))
    assert projected_loss_s(5.0, QUICK, WANTED) == 5.0, "a run without backups says nothing of their interval"
