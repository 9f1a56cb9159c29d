"""What a drill is made from, and what it refuses before anything is started."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from attrs import evolve
from drilling import EXAMPLE, LEAFNODE, setup_of
from rich.console import Console

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run as cli
from secondsite.drill.evidence.observation import Observation
from secondsite.drill.play.profile import profile
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.drill.registry import DRILLS, MATRIX, find_drill
from secondsite.drill.run import RunResult, run_drill
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.errors import EXIT_UNPROVEN, InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.publish.terminal.drill import render_drills
from secondsite.strategies.registry import STRATEGIES


def _refused(name: str, strategy: str, folder: Path, version: str = "") -> str:
    with pytest.raises((InputError, MachineError)) as caught:
        asyncio.run(run_drill(find_drill(name), setup_of(strategy, version=version), folder, lambda _: None))
    return str(caught.value)


def test_quick_checks_and_ttl_are_what_the_procedure_knows() -> None:
    setup = setup_of()
    assert (setup.deployment.traffic.ttl_s, setup.deployment.traffic.check_interval_s) == (2.0, 1.0)
    assert (setup.production.traffic.ttl_s, setup.production.traffic.check_interval_s) == (60.0, 10.0)
    assert setup.profile.floor_s == 4.0
    assert profile("production", setup.production, load_catalogue().figures).decide_s == 30.0


def test_today_is_unprepared_and_a_version_is_every_servers() -> None:
    assert {each.version for each in setup_of(version="today").deployment.clusters} == {"2.10-alpine"}
    assert {each.version for each in setup_of(version="2.11.11").deployment.clusters} == {"2.11.11"}
    assert {each.version for each in setup_of().deployment.clusters} == {"2.15.1"}
    assert any(step.blocked for step in setup_of(version="2.11.11").procedure(Fault.REGION).steps)


def test_a_system_without_streams_is_refused() -> None:
    setup = setup_of()
    bare = evolve(setup.system, nats=tuple(evolve(each, streams=()) for each in setup.system.nats))
    with pytest.raises(InputError, match="has no stream"):
        make_setup(bare, setup.catalogue, setup.strategy)


def test_unknown_names_say_which_there_are() -> None:
    setup = setup_of()
    with pytest.raises(InputError, match="there are quick, production"):
        profile("slow", setup.production, setup.catalogue.figures)
    with pytest.raises(InputError, match=r"unknown drill earthquake; there are region-loss"):
        find_drill("earthquake")


@pytest.mark.parametrize(
    ("name", "strategy", "version", "why"),
    [
        ("region-loss", "single-region/none/manual", "", "there is no second region"),
        ("purge", "warm-standby/stretch", "", "no stream is mirrored"),
        ("purge", LEAFNODE, "2.11.11", "do not promote"),
        ("zone-loss", "warm-standby/stretch", "", "only one server"),
        ("dns-stuck", "active-active/supercluster-mirror-witness/weighted", "", "its record is never changed"),
        ("region-loss", "warm-standby/managed", "", "cannot run on this machine"),
    ],
)
def test_what_cannot_be_drilled_says_why(name: str, strategy: str, version: str, why: str, tmp_path: Path) -> None:
    assert why in _refused(name, strategy, tmp_path, version)
    assert list(tmp_path.iterdir()) == []


def test_the_matrix_names_what_there_is() -> None:
    ids = {strategy.id for strategy in STRATEGIES}
    for drill, text in MATRIX:
        assert drill in DRILLS
        assert Strategy.parse(text.partition("@")[0]).id in ids
    assert {drill for drill, _ in MATRIX} == set(DRILLS)


def test_the_list_and_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli(["drill", "--list"]) == 0
    told = capsys.readouterr().out
    assert "region-loss" in told
    assert "lying-health-check" in told
    assert cli(["drill", "earthquake", "--file", str(tmp_path / "none.yaml")]) == 2


@pytest.mark.parametrize(
    ("operate", "strategy"),
    [({}, "warm-standby/leafnode-mirror/failover-record"), ({"deployed": "pilot-light/backup"}, "pilot-light/backup")],
)
def test_what_is_deployed_is_rehearsed_or_else_what_evaluate_recommends(
    operate: dict[str, str], strategy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The recommendation is read as in docs/saas, where `evaluate` wrote it."""
    file = tmp_path / "secondsite.yaml"
    file.write_text(EXAMPLE.read_text() + ("\noperate: " + json.dumps(operate) + "\n" if operate else ""))
    rehearsed: list[str] = []

    def noted(planned: list[tuple[str, Setup]], *_: object, **__: object) -> list[object]:
        rehearsed.extend(setup.strategy.id for _, setup in planned)
        return []

    monkeypatch.setattr("secondsite.cli.drill._run", noted)
    assert cli(["drill", "--file", str(file)]) == EXIT_UNPROVEN
    assert rehearsed == [strategy]


def test_a_soak_is_told_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, why in (
        (["region-loss", "--duration", "1h"], "give it with soak only"),
        (["soak", "--duration", "long"], "'long' is not a duration"),
        (["soak", "--duration", "3s"], "too short to show a trend"),
    ):
        assert cli(["drill", *arguments, "--file", str(EXAMPLE)]) == 2
        assert why in capsys.readouterr().err


@pytest.mark.slow
def test_a_disk_without_room_for_a_lab_is_named_and_left_clean(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "secondsite.cli", "drill", "--file", str(EXAMPLE)),
            *("--strategy", "warm-standby/leafnode-mirror", "--evidence", str(tmp_path / "e")),
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1700, 1700)),
    )
    assert done.returncode == 4, done.stderr
    assert f"{tmp_path}: could not be written: File too large; free space on that disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("secondsite-lab-*")) == []


@pytest.mark.parametrize("promised", [True, False])
def test_a_drill_without_contracts_says_that_no_figure_is_judged(promised: bool) -> None:
    setup = setup_of()
    setup = setup if promised else evolve(setup, system=evolve(setup.system, contracts=()))
    held = RunJudgement((), ledger=Counter(), observations=(Observation("a", True),))
    shown = StringIO()
    render_drills([RunResult(find_drill("region-loss"), setup, Path(), 0.0, {}, held)], Console(width=200, file=shown))
    assert ("no RTO or RPO is judged" in shown.getvalue()) is not promised


def test_a_limit_of_nothing_is_a_limit() -> None:
    """An RPO of 0 s is the strictest promise there is, and no promise that was left out."""
    strict = Contract(Subject.NATS, Fault.REGION, rpo_s=Seconds(0.0))
    judged = RunJudgement((RunVerdict(strict, Verdict.MET, ""),), ledger=Counter())
    shown = StringIO()
    result = RunResult(find_drill("region-loss"), setup_of(), Path(), 0.0, {}, judged)
    render_drills([result], Console(width=200, file=shown))
    assert "nats/region within RPO 0 s" in " ".join(shown.getvalue().split())


def test_a_drill_that_proves_no_contract_is_as_good_as_what_it_showed() -> None:
    """What was only seen decides nothing; what is unproven is never met."""

    def verdict(*seen: Observation) -> Verdict:
        return RunJudgement((), observations=seen).verdict

    shown, told, open_ = Observation("a", True), Observation("b", None), Observation("c", None, unproven=True)
    assert verdict(shown, told) is Verdict.MET
    assert verdict(told) is Verdict.UNPROVEN
    assert verdict(shown, open_) is Verdict.UNPROVEN
    assert verdict(shown, open_, Observation("d", False)) is Verdict.BREACHED
