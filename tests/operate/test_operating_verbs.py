"""The four verbs on the command line: what they print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.operate.journal import EntryKind, Journal
from secondsite.operate.live import RealClock

EXAMPLE = str(Path(__file__).parents[2] / "examples/kgents/secondsite.yaml")
NOWHERE = ["--file", EXAMPLE, "--nats", "us-east-1=nats://127.0.0.1:1", "--nats", "us-west-2=nats://127.0.0.1:2"]


def test_a_plan_for_regions_that_do_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["failover", "plan", *NOWHERE, "--who", "me", "--json"]) == 1
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == "secondsite/plan/1"
    assert len(plan["hash"]) == 16
    fence = next(step for step in plan["steps"] if step["id"] == "fence")
    assert fence["changes"] == ["mark us-east-1 unfenced: it cannot be reached"]
    assert run(["failover", "plan", *NOWHERE]) == 1
    assert "this must not run" in capsys.readouterr().out


def test_a_run_that_must_not_be_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal"
    assert run(["failover", "run", *NOWHERE, "--who", "me", "--journal", str(journal)]) == 2
    assert "us-west-2 cannot be reached" in capsys.readouterr().err
    assert journal.read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["failover", "plan", "--file", EXAMPLE], "nobody told where us-"),
        (["failover", "plan", *NOWHERE, "--fault", "node"], "nothing is failed over for 'node'"),
        (["failover", "plan", "--file", EXAMPLE, "--nats", "nats://x:1"], "has no value"),
        (["failover", "status", "--journal", "/nowhere/journal"], "there is no journal"),
        (["failback", "resume", *NOWHERE, "--journal", "/nowhere/journal"], "there is no run to resume"),
    ],
)
def test_mistakes_are_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert told in capsys.readouterr().err


def test_status_of_an_interrupted_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    plan = {
        "procedure": "failover of x",
        "hash": "0" * 16,
        "approved": "",
        "steps": [{"id": "fence"}, {"id": "promote"}],
    }
    with Journal(path, RealClock()) as journal:
        journal.append(EntryKind.PLAN, "", plan)
        journal.append(EntryKind.INTENT, "fence", {})
        assert run(["failover", "status", "--journal", str(path)]) == 0
    out = capsys.readouterr().out
    assert "interrupted  fence" in out
    assert "to come      promote" in out
    assert run(["failover", "status", "--journal", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"]["promote"] is None
