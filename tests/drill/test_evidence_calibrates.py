"""Evidence replaces only what a lab really runs, and says by how much each step had been mispredicted."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest
from attrs import evolve
from drilled import MANIFEST, Scenario, leave, quick

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.rehearsal import REAL
from secondsite.drill.verdict.calibration import calibration
from secondsite.drill.verdict.measurements import find_runs
from secondsite.model.estimate import Provenance

EXAMPLE = Path("examples/kgents/secondsite.yaml")


def test_what_the_lab_runs_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    assert set(catalogue.figures) >= set(REAL)
    for number in range(3):
        leave(tmp_path, Scenario(manifest=evolve(MANIFEST, run=number + 1), ends_s=(3, 4, 5 + number, 9, 10, 11)))
    found = calibration(load_system(EXAMPLE), catalogue, [tmp_path])
    changed = {name for name in catalogue.figures if found.catalogue.figures[name] != catalogue.figures[name]}
    assert changed == {"fence", "promote.leafnode", "decide.automatic"}
    fence = found.catalogue.figures["fence"]
    assert fence.provenance is Provenance.MEASURED
    assert fence.quantile(0.5) == pytest.approx((1 * 2 * 3) ** (1 / 3))
    for part in ("region-loss", "2026-11-20", "nats-server 2.12.3", "3 runs"):
        assert part in fence.source
    by_step = {one.step: one for one in found.predictions}
    assert by_step["fence"].measured == pytest.approx((1, 2, 3))
    assert by_step["fence"].used
    assert "change-traffic" not in by_step
    assert not by_step["converge"].used
    assert by_step["promote-streams"].factor == pytest.approx(3 / 0.006, rel=0.01)


def test_configured_times_are_compared_at_those_of_production(tmp_path: Path) -> None:
    (one,) = find_runs(leave(tmp_path, Scenario(manifest=quick()))).runs
    seconds = one.judgement.steps_s
    assert seconds["detect"] == pytest.approx(30)
    assert seconds["decide"] == pytest.approx(30)
    assert seconds["fence"] == pytest.approx(1)
    assert seconds["converge"] > 40


def test_changed_evidence_and_controls_measure_nothing(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, control="promotion without fencing")))
    folder = leave(tmp_path, Scenario())
    (folder / "config" / "nats-1.conf").write_text("changed")
    found = calibration(load_system(EXAMPLE), catalogue, [tmp_path])
    assert found.catalogue.figures.by_name == catalogue.figures.by_name
    assert found.predictions == ()
    assert len(found.problems) == 1


@pytest.mark.slow
def test_an_evaluation_uses_what_was_measured_and_says_how_far_off_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path, Scenario())
    common = ["evaluate", "--file", str(EXAMPLE), "--strategy", MANIFEST.strategy, "--years", "1000"]
    run([*common, "--evidence", str(tmp_path)])
    text = capsys.readouterr().out
    assert "Predicted and measured, by step" in text
    (row,) = [line for line in text.splitlines() if line.split()[:1] == ["fence"]]
    assert "now measured" in row
    run([*common, "--evidence", str(tmp_path), "--json"])
    steps = {one["step"]: one for one in json.loads(capsys.readouterr().out)["predictions"]}
    assert steps["fence"]["measured_s"] == [pytest.approx(1)]
    assert steps["fence"]["used"]
    run([*common, "--evidence", str(tmp_path), "--explain", f"{MANIFEST.strategy}:api/region/rto"])
    assert "fence: 1 s" in capsys.readouterr().out.replace("(", " (")
    assert run([*common, "--evidence", str(tmp_path / "none")]) == 2


def test_a_step_that_borrows_a_figure_does_not_measure_it(tmp_path: Path) -> None:
    """A warm standby's services start in the time of one request: that says nothing about requests."""
    steps = tuple(evolve(step, figure="verify.path") if step.id == "fence" else step for step in MANIFEST.steps)
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, steps=steps)))
    catalogue = load_catalogue()
    found = calibration(load_system(EXAMPLE), catalogue, [tmp_path])
    assert found.catalogue.figures["verify.path"] == catalogue.figures["verify.path"]


@pytest.mark.slow
def test_contracts_of_the_example_come_out_as_its_drills_measured_them(capsys: pytest.CaptureFixture[str]) -> None:
    found = calibration(load_system(EXAMPLE), load_catalogue(), [EXAMPLE.parent / "evidence"])
    by_name = {(one.strategy.partition("/")[0], one.contract.name): one for one in found.contracts}
    assert set(by_name) == {
        ("warm-standby", "api/region"),
        ("warm-standby", "nats/region"),
        ("warm-standby", "observability/region"),
        ("warm-standby", "state/region"),
        ("single-region", "api/process"),
        ("single-region", "nats/process"),
        ("backup-restore", "api/region"),
        ("backup-restore", "nats/region"),
    }
    ratios = {name: one.ratio for name, one in by_name.items()}
    with capsys.disabled():
        print("prediction / measurement:", {" ".join(name): round(ratio, 3) for name, ratio in ratios.items()})
    assert 0.8 <= median(ratios.values()) <= 1.2, "within 20 %"
    assert {len(one.measured) for one in found.contracts} == {22}
    surprises = {
        # The lab has one resolver, whose TTL ran on while a cluster was created; of many, one has just asked.
        ("backup-restore", "api/region"),
        # Other campaigns ran beside this one: 37 ms until another pod answered, where the estimate has 16.
        ("single-region", "api/process"),
        # Counted from outside once a second, and a graph has to have risen: 113 s, where the API was back after 88.
        ("warm-standby", "observability/region"),
        # Clients reach stores by the service's name, so its TTL counts: 88 s, where the estimate ends before it, at 56.
        ("warm-standby", "state/region"),
    }
    assert {(one.strategy.partition("/")[0], one.contract.name) for one in found.surprises} == surprises
    for surprise in surprises:
        ratios.pop(surprise)
    assert all(0.8 < ratio < 1.25 for ratio in ratios.values())


def test_what_lies_outside_of_what_was_expected_is_said_before_any_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path, Scenario())
    common = ["evaluate", "--file", str(EXAMPLE), "--strategy", MANIFEST.strategy, "--years", "1000"]
    run([*common, "--evidence", str(tmp_path)])
    first = capsys.readouterr().out.lstrip()
    assert first.startswith("Outside the expected range: api/region")
    run([*common, "--evidence", str(tmp_path), "--json"])
    contracts = {one["subject"]: one for one in json.loads(capsys.readouterr().out)["contract_predictions"]}
    assert contracts["api"]["outside"]
    assert contracts["api"]["measured_s"] == [pytest.approx(12, abs=0.2)]
