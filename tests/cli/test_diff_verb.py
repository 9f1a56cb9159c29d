"""What a change of the system file does, as a pull request shows it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
FEW = ["--years", "200", "--strategy", "warm-standby/leafnode-mirror/failover-record"]


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """The example with an RTO that nothing holds, and a switch that needs no person."""
    text = EXAMPLE.read_text("utf-8").replace("fault: region, rto: 5m", "fault: region, rto: 20s", 1)
    path = tmp_path / "secondsite.yaml"
    path.write_text(text.replace("automatic: false  #", "automatic: true  #", 1), "utf-8")
    return path


def test_a_promise_that_no_longer_holds_is_said_first(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", str(EXAMPLE), "--file", str(changed), *FEW]) == 1
    out = capsys.readouterr().out
    assert out.startswith("**Expected to be breached: api/region.**")
    assert "RTO 20 s" in out
    assert "`dns-by-hand`" in out.split("resolved")[1]


def test_json_has_both_sides(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", str(EXAMPLE), "--file", str(changed), *FEW, "--json"]) == 1
    shape = json.loads(capsys.readouterr().out)
    assert shape["schema"] == "secondsite/difference/1"
    assert shape["worse"] is True
    [contract] = shape["contracts"]
    assert (contract["before"]["rto_s"], contract["after"]["rto_s"]) == (300, 20)
    assert "dns-by-hand" in {hazard["rule"] for hazard in shape["gone_hazards"]}


def test_no_change_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", str(EXAMPLE), "--file", str(EXAMPLE), *FEW]) == 0
    assert capsys.readouterr().out == "No contract, cost or hazard changes.\n"


def test_the_base_may_be_a_revision(changed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ["git", "-C", str(changed.parent), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    after = changed.read_text("utf-8")
    changed.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], check=True)
    changed.write_text(after, "utf-8")
    assert run(["diff", "HEAD", "--file", str(changed), *FEW]) == 1
    assert "Expected to be breached: api/region" in capsys.readouterr().out


@pytest.mark.parametrize("base", ["nowhere", "nowhere.yaml"])
def test_what_is_neither_file_nor_revision_is_refused(
    base: str, changed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", base, "--file", str(changed), *FEW]) == 2
    assert "is no file" in capsys.readouterr().err
