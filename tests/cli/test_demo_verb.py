"""The demo's steps are those of `make demo`; the steps without servers are run, from what a wheel would hold."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from secondsite.cli import demo as verb
from secondsite.cli.__main__ import run

ROOT = Path(__file__).parents[2]


def printed(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    lines = capsys.readouterr().out.splitlines()
    return [shlex.split(line.split("secondsite ", 1)[1]) for line in lines if line.startswith("# ")]


def test_a_dry_run_shows_each_command_and_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", str(tmp_path / "new"), "--dry-run"]) == 0
    assert [words[0] for words in printed(capsys)] == ["init", "audit", "evaluate", "drill", "publish"]
    assert list(tmp_path.iterdir()) == []


def test_it_works_in_a_folder_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "_STEPS", verb._STEPS[:2])
    assert run(["demo", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new/secondsite.yaml").is_file()
    assert (tmp_path / "new/manifests/kustomization.yaml").is_file()
    capsys.readouterr()
    assert run(["demo", str(tmp_path / "new")]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_step_that_fails_ends_it_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "_STEPS", ((["audit", "--file", "nowhere.yaml"], (0,)), *verb._STEPS))
    assert run(["demo", str(tmp_path / "new")]) == 2
    assert len(printed(capsys)) == 1


def test_it_drills_what_make_demo_drills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", str(tmp_path / "new"), "--dry-run"]) == 0
    drilled = next(words for words in printed(capsys) if words[0] == "drill")
    settings = (ROOT / "examples/kgents/demo.conf").read_text("utf-8").replace("\\\n", " ")
    configured = next(shlex.split(line) for line in settings.splitlines() if line.startswith("drills="))
    strategies = configured[0].removeprefix("drills=").split()
    assert [word for word in drilled[2:] if word != "--strategy"] == strategies


def test_the_example_lies_where_the_package_or_the_repository_has_it() -> None:
    assert verb._PLACES[1] == ROOT / "examples" / "kgents"
    held = {name: (verb._PLACES[1] / name).exists() for name in verb._TAKEN}
    assert held == {"manifests": True, "secondsite.yaml": True}
