"""The four verbs on the command line: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.model.estimate import unbounded
from secondsite.model.procedure import Step, Verb
from secondsite.operate.commands import Commands
from secondsite.operate.journal import EntryKind, Journal
from secondsite.operate.live import RealClock

EXAMPLE = str(Path(__file__).parents[2] / "examples/kgents/secondsite.yaml")
NOWHERE = ["--file", EXAMPLE, "--nats", "us-east-1=nats://127.0.0.1:1", "--nats", "us-west-2=nats://127.0.0.1:2"]

BAD_WRITE = ["--fault", "bad-write", "--from", f"file://{Path(__file__).parent}"]


def test_a_plan_for_regions_that_do_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["failover", "plan", *NOWHERE, "--who", "me", "--json"]) == 1
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == "secondsite/plan/1"
    assert len(plan["hash"]) == 16
    fence = next(step for step in plan["steps"] if step["id"] == "fence")
    assert fence["changes"] == ["mark us-east-1 unfenced, as it cannot be reached"]
    assert run(["failover", "plan", *NOWHERE]) == 1
    assert "blocked:" in capsys.readouterr().out


def test_a_run_that_must_not_be_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal"
    assert run(["failover", "run", *NOWHERE, "--who", "me", "--journal", str(journal)]) == 2
    assert "us-west-2 cannot be reached" in capsys.readouterr().err
    assert journal.read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["failover", "plan", "--file", EXAMPLE], "no NATS URL for region us-"),
        (["failover", "plan", *NOWHERE, "--fault", "node"], "there is no failover for 'node'"),
        (["failover", "plan", "--file", EXAMPLE, "--nats", "nats://x:1"], "has no value"),
        (["failover", "status", "--journal", "/nowhere/journal"], "no journal"),
        (["failback", "resume", *NOWHERE, "--journal", "/nowhere/journal"], "no run to resume"),
        (["failback", "abort", *NOWHERE, "--journal", "/nowhere/journal"], "no run to resume"),
        (
            ["failover", "plan", *NOWHERE, "--allow", "lagging-miror"],
            "'lagging-miror' is not a guard that may be lifted",
        ),
        (["failover", "plan", *NOWHERE, "--done", "promote-store=me"], "'promote-store' is not a step of the failover"),
        (["failover", "plan", *NOWHERE, "--command", "anounce=x"], "'anounce' is not a step or verb of the failover"),
        (["failover", "plan", *NOWHERE, "--nats", "us-east-1=nats://127.0.0.1:3"], "us-east-1 is given twice"),
        (["failover", "plan", *NOWHERE[:4], "--nats", "us-wst-2=nats://x:1"], "--nats: 'us-wst-2' is not a region of"),
        (["failback", "plan", *NOWHERE, "--system", "us=nats://x:1"], "--system: 'us' is not a region of"),
        (
            ["repair", "plan", *NOWHERE, *BAD_WRITE, "--at", "2999-01-01T00:00:00Z"],
            "'2999-01-01T00:00:00Z' is in the future",
        ),
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


def _journal(path: Path, *states: str) -> None:
    steps = [{"id": "fence"}, {"id": "promote"}]
    plan = {"procedure": "failover of x", "hash": "0" * 16, "steps": steps, "operation": {"id": "failover-1"}}
    with Journal(path, RealClock()) as journal:
        journal.append(EntryKind.PLAN, "", {**plan, "who": "ann", "why": "smoke", "host": "desk"})
        for step, state in zip(("fence", "promote"), states, strict=False):
            journal.append(EntryKind.INTENT, step, {})
            journal.append(EntryKind.OUTCOME, step, {"state": state, "facts": {}})


def test_status_says_when_what_and_who(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    _journal(path, "done")
    assert run(["failover", "status", "--journal", str(path)]) == 0
    out = capsys.readouterr().out
    assert "failover of x: open" in out
    assert "operation failover-1, begun 20" in out
    assert "by ann on desk" in out
    assert "why: smoke" in out


def test_what_is_done_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    _journal(path, "done", "done")
    for verb in ("resume", "abort"):
        assert run(["failover", verb, *NOWHERE, "--journal", str(path)]) == 2
        told = capsys.readouterr().err
        assert "failover-1 (begun 20" in told
        assert "was done at 20" in told
        assert "secondsite failover plan" in told


def test_one_operation_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In either direction; what ended makes room and is kept."""
    system = tmp_path / "secondsite.yaml"
    system.write_bytes(Path(EXAMPLE).read_bytes())
    arguments = ["--file", str(system), *NOWHERE[2:], "--who", "bob"]
    folder = tmp_path / ".secondsite"
    _journal(folder / "failover.jsonl", "done", "waiting")
    for direction in ("failover", "failback"):
        assert run([direction, "run", *arguments]) == 2
        assert "failover-1 (begun 20" in capsys.readouterr().err
    (folder / "failover.jsonl").unlink()
    _journal(folder / "failover.jsonl", "done", "done")
    assert run(["failover", "run", *arguments]) == 2
    assert "us-west-2 cannot be reached" in capsys.readouterr().err
    assert [path.name[:10] for path in (folder / "operations").iterdir()] == ["failover-1"]


def test_a_command_is_told_where_clients_go(tmp_path: Path) -> None:
    told = tmp_path / "told"
    step = Step("change-traffic", Verb.CHANGE_TRAFFIC, "", "", unbounded("x", "s", "y"), 1.0)
    manual_steps = Commands({"change-traffic": f'echo "$SECONDSITE_REGION" > {told}'}, target="us-west-2")
    assert asyncio.run(manual_steps.carry_out(step)) == "command for change-traffic"
    assert told.read_text() == "us-west-2\n"
