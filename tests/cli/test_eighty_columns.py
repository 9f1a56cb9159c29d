"""What is printed fits a terminal of 80 columns, whole: no line is longer, no figure is cut off."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from rich.cells import cell_len

from secondsite.cli.__main__ import run
from secondsite.model.errors import Problem
from secondsite.model.estimate import fixed
from secondsite.model.place import Place
from secondsite.model.procedure import Step, Verb
from secondsite.operate.check import Answer, PlaceFinding, Preparation, StepLeft
from secondsite.operate.executor import OperationOutcome, StepProgress
from secondsite.publish.terminal.operation import outcome_text, progress_line
from secondsite.publish.terminal.preparation import preparation_text

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
FILE = ["--file", str(EXAMPLE / "secondsite.yaml")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["evaluate", *FILE, "--years", "200"], marks=pytest.mark.slow),
        ["evaluate", *FILE, *FILE, "--years", "200", "--strategy", "warm-standby/leafnode-mirror"],
        pytest.param(
            ["evaluate", *FILE, "--years", "200", "--evidence", str(EXAMPLE / "evidence")], marks=pytest.mark.slow
        ),
        ["verify", *FILE, "--evidence", str(EXAMPLE / "evidence")],
        ["audit", *FILE, "--fail-on", "never"],
        ["audit", *FILE, "--brief", "--fail-on", "never"],
        ["audit", "--list"],
        ["audit", "--explain", "dns-by-hand"],
        ["drill", "--list"],
    ],
    ids=lambda arguments: " ".join(each for each in arguments if not each.startswith("/")),
)
def test_no_line_is_longer(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = []
    for width in ("1000", "80"):
        monkeypatch.setenv("COLUMNS", width)
        assert run(arguments) in (0, 1, 3)
        lines = capsys.readouterr().out.splitlines()
        letters.append(Counter(letter for line in lines for letter in line if letter.isalnum()))
    if arguments[0] != "verify":  # where evidence has grown older meanwhile
        assert letters[0] == letters[1], "nothing is left out where there is less room"
    assert lines
    assert [line for line in lines if cell_len(line) > 80 and " " in line.strip()] == []
    assert [word for line in lines for word in line.split() if word.endswith("…") and word != "…"] == []


def test_what_operate_check_says_fits_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = PlaceFinding(
        "kube us-west-2",
        Answer.NO,
        f"the API server refuses {'patch deployments, ' * 6}by name",
        "apply `rights.yaml` there",
    )
    left = StepLeft("failover region", "traffic", "point the record at us-west-2", "no way to change DNS is configured")
    preparation = Preparation("production", "warm-standby/leafnode-mirror", (refused,), (left,))
    piped = preparation_text(preparation).splitlines()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    lines = preparation_text(preparation).splitlines()
    assert max(map(cell_len, lines)) <= 80 < max(map(cell_len, piped))
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(piped).split()), "nothing is left out"


def test_a_plan_fits_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read at night, on a laptop: no region answers here, so every guard speaks."""
    shutil.copy(EXAMPLE / "secondsite.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    regions = ("us-east-1=nats://127.0.0.1:1", "us-west-2=nats://127.0.0.1:1")
    arguments = ["failover", "plan", *(part for one in regions for part in ("--nats", one))]
    assert run(arguments) == 1
    piped = capsys.readouterr().out.splitlines()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    assert run(arguments) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= 80 < max(map(cell_len, piped))


def test_what_a_run_says_fits_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("promote-events", Verb.PROMOTE_STREAMS, "promote", "check", fixed("promote", 1.0, "s", "test"), 3.0)
    why = "us-west-2: CONSUMER.CREATE.EVENTS was refused: " + "no suitable peers for placement, " * 3
    progress = StepProgress(step, "failed", 12.3, why)
    problem = Problem(Place("us-west-2"), why, "add a server, then `secondsite failover resume`")
    outcome = OperationOutcome("abc", {}, (problem,))

    def texts() -> list[str]:
        said = (progress_line(progress), outcome_text("failover region", outcome, Path("failover.jsonl")))
        return "\n".join(said).splitlines()

    piped = texts()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    lines = texts()
    assert max(map(cell_len, lines)) <= 80 < max(map(cell_len, piped))
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(piped).split()), "nothing is left out"


@pytest.mark.slow
@pytest.mark.parametrize("manifests", ["manifests", "manifests/nats"])
def test_what_init_says_fits_as_well(
    manifests: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXAMPLE / "manifests", "manifests")
    assert run(["init", manifests, "--yes"]) == 0
    told = capsys.readouterr().out
    assert "values are assumed" in told
    assert [line for line in told.splitlines() if cell_len(line) > 80] == []
