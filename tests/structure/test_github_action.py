"""The GitHub Action's steps, run as the runner would run them: its inputs in the environment, its files in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXAMPLE = ROOT / "examples" / "kgents"


def run_step(name: str, runner: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """``inputs`` by the names of the step's variables; each has to be one that the step declares."""
    assert set(inputs) <= set(STEPS[name]["env"]), name
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(runner),
        **{file: str(runner / file) for file in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH")},
        **inputs,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
    return subprocess.run(command, env=environment, cwd=EXAMPLE, capture_output=True, text=True, check=False)


def test_every_input_reaches_a_step_through_the_environment_only() -> None:
    used = "".join(str(step.get("env", "")) + str(step.get("if", "")) for step in STEPS.values())
    assert all(f"inputs.{name}" in used for name in ACTION["inputs"])
    assert not [name for name, step in STEPS.items() if "${{" in step["run"]], "a title could run as a command"


def test_the_audit_leaves_sarif_and_fails_on_a_high_hazard(tmp_path: Path) -> None:
    done = run_step("Audit", tmp_path, FILE="secondsite.yaml")
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "secondsite.sarif").stat().st_size > 1000
    assert f"sarif={tmp_path}/secondsite.sarif" in (tmp_path / "GITHUB_OUTPUT").read_text("utf-8")


def test_unproven_contracts_do_not_stop_a_change(tmp_path: Path) -> None:
    empty = tmp_path / "evidence"
    empty.mkdir()
    done = run_step("Verify the contracts", tmp_path, FILE="secondsite.yaml", EVIDENCE=str(empty))
    assert done.returncode == 0, done.stderr
    assert "unproven" in done.stdout
    assert (tmp_path / "secondsite.xml").is_file()


@pytest.mark.slow
def test_the_comparison_is_in_the_summary(tmp_path: Path) -> None:
    inputs = {"FILE": "secondsite.yaml", "BASE": "secondsite.yaml", "COMMENT": "false", "PULL_REQUEST": ""}
    done = run_step("Compare with the base", tmp_path, **inputs)
    assert done.returncode == 0, done.stderr
    assert "No contract, cost or hazard changes." in (tmp_path / "GITHUB_STEP_SUMMARY").read_text("utf-8")


def test_the_hooks_name_verbs_that_exist() -> None:
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")):
        words = hook["entry"].split()
        shown = subprocess.run([sys.executable, "-m", *words[:2], "--help"], capture_output=True, text=True, check=True)
        assert all(option in shown.stdout for option in words[2:])


def test_our_own_hooks_run_what_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    wanted = {" ".join(line.replace("$(BIN)", ".venv/bin").split()) for line in recipe.splitlines()[1:]}
    run = {
        hook["entry"].replace(" --force-exclude", "") + (" ." if " ruff" in f" {hook['id']}" else "") for hook in hooks
    }
    assert run == wanted
