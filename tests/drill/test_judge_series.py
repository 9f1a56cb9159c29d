"""Several runs prove what their number can prove, by a bound that holds whatever the distribution."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from drilled import API, MANIFEST, Scenario, fill, leave
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.verdict.confidence import allowed_failures, runs_needed, upper_bound
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict
from secondsite.drill.verdict.measurements import Run, find_runs, load_measurements, measurement
from secondsite.model.contract import Subject, Verdict
from secondsite.model.measurement import RTO_PARTS, DataLoss


def test_the_numbers_of_runs_are_those_that_are_documented() -> None:
    rows = re.findall(r"^\| (0\.\d+) \| (\d+) \| (\d+) \| (\d+) \|$", Path("docs/verify.md").read_text(), re.MULTILINE)
    assert len(rows) == 4
    for confidence, *needed in rows:
        assert [runs_needed(float(confidence), failures) for failures in range(3)] == [int(runs) for runs in needed]
    assert runs_needed(0.9) == 22


@settings(deadline=None)
@given(st.integers(1, 120), st.floats(0.5, 0.99))
def test_allowed_failures_are_those_of_the_binomial(runs: int, confidence: float) -> None:
    fits = [k for k in range(runs + 1) if binom.cdf(k, runs, 1 - confidence) <= (1 - confidence) * (1 + 1e-9)]
    assert allowed_failures(runs, confidence) == (max(fits) if fits else None)


@settings(deadline=None)
@given(st.floats(0.5, 0.99), st.integers(0, 5))
def test_one_run_less_than_needed_is_too_few(confidence: float, failures: int) -> None:
    needed = runs_needed(confidence, failures)
    enough, fewer = allowed_failures(needed, confidence), allowed_failures(needed - 1, confidence)
    assert enough is not None
    assert enough >= failures
    assert fewer is None or fewer < failures


def test_the_bound_covers_the_quantile_as_often_as_it_says() -> None:
    generator = np.random.default_rng(5)
    true = float(np.quantile(generator.lognormal(3, 1, 1_000_000), 0.9))
    bounds = [upper_bound(row.tolist(), 0.9) for row in generator.lognormal(3, 1, (4000, 38))]
    covered = np.mean([bound is not None and bound >= true for bound in bounds])
    assert 0.89 < covered < 0.96
    assert upper_bound([1.0] * 21, 0.9) is None


def _series(tmp_path: Path, *verdicts: RunVerdict) -> list[tuple[Run, RunVerdict]]:
    evidence = find_runs(leave(tmp_path, Scenario(until_s=13))).runs[0].evidence
    return [(Run(evidence, RunJudgement((verdict,))), verdict) for verdict in verdicts]


def _run(verdict: Verdict, total_s: float = 10.0) -> RunVerdict:
    parts = dict.fromkeys(RTO_PARTS, 0.0) | {"execute": total_s, "total": total_s}
    return RunVerdict(API, verdict, "" if verdict is Verdict.MET else "because", parts, total_s, DataLoss(0, 0, 0.0))


MET, BREACHED, UNPROVEN = _run(Verdict.MET), _run(Verdict.BREACHED, 400.0), _run(Verdict.UNPROVEN)


@pytest.mark.parametrize(
    ("runs", "verdict", "why"),
    [
        ([MET] * 22, Verdict.MET, "held in 22 of 22 runs"),
        ([MET] * 21, Verdict.UNPROVEN, "held in 21 of 21 runs; 22 are needed to be 90 % sure of 90 %"),
        ([MET] * 37 + [BREACHED], Verdict.MET, "held in 37 of 38 runs"),
        ([MET] * 36 + [BREACHED], Verdict.BREACHED, "in 1 of 37 runs: because"),
        ([BREACHED], Verdict.BREACHED, "because"),
        ([MET] * 40 + [UNPROVEN], Verdict.UNPROVEN, "in 1 of 41 runs: because"),
        ([MET] * 40 + [BREACHED, UNPROVEN], Verdict.BREACHED, "in 1 of 42 runs: because"),
    ],
)
def test_a_series_proves_what_it_can(runs: list[RunVerdict], verdict: Verdict, why: str, tmp_path: Path) -> None:
    found = measurement(API, _series(tmp_path, *runs))
    assert (found.verdict, found.why, found.runs) == (verdict, why, len(runs))


def test_a_series_shows_its_worst_run_and_its_bound(tmp_path: Path) -> None:
    totals = [_run(Verdict.MET, 10.0 + number) for number in range(22)]
    lossy = evolve(totals[3], loss=DataLoss(7, 700, 2.5))
    found = measurement(API, _series(tmp_path, *totals[:3], lossy, *totals[4:]))
    assert found.rto_s is not None
    assert (found.rto_s["total"], found.upper_rto_s) == (31.0, 31.0)
    assert found.loss == DataLoss(7, 700, 2.5)
    never = evolve(MET, verdict=Verdict.BREACHED, rto_s=None, measured_s=None)
    found = measurement(API, _series(tmp_path, *totals, never))
    assert (found.rto_s, found.upper_rto_s) == (None, None)


def test_what_is_said_beside_runs_that_held_is_of_the_worst_of_them(tmp_path: Path) -> None:
    """It stands for all of them: of the last run it would say too little of the run that lost most."""
    told = [evolve(MET, why=f"{lost_s:g} s are lost", lost_window_s=lost_s) for lost_s in (3.0, 1800.0, 652.0)]
    found = measurement(API, _series(tmp_path, *[MET] * 19, *told))
    assert (found.verdict, found.why) == (Verdict.MET, "held in 22 of 22 runs; in 3 of 22 runs: 1800 s are lost")


def test_measurements_come_from_every_sound_folder_and_no_other(tmp_path: Path) -> None:
    leave(tmp_path, Scenario())
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, run=2)))
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, control="promotion without fencing")))
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, drill="failback", subjects=())))
    changed = leave(tmp_path, Scenario(manifest=evolve(MANIFEST, run=3)))
    log = changed / "config" / "nats-1.conf"
    log.write_text(log.read_text() + "#")
    with EvidenceWriter.create(tmp_path, evolve(MANIFEST, run=4)) as writer:
        fill(writer, Scenario())
    found = find_runs(tmp_path)
    assert [run.evidence.manifest.run for run in found.runs] == [1, 2]
    assert [problem.place.file for problem in found.problems] == [str(log)]
    assert found.unfinished == (writer.folder,)
    by_subject = {one.subject: one for one in load_measurements(tmp_path)}
    assert set(by_subject) == {Subject.API, Subject.NATS}  # it did not run state, and so measured none
    api = by_subject[Subject.API]
    assert (api.runs, api.verdict, api.seed, api.versions["nats-server"]) == (2, Verdict.UNPROVEN, 7, "2.12.3")
    assert "run 3: its evidence was removed or changed" in api.why
    assert api.ledger["acknowledged-lost"] == 0
    assert load_measurements(tmp_path / "nothing") == ()
