"""Options of every verb: the result in a file that is whole or as it was, and nothing but errors to be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.cli.everywhere import common_options
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_ENVIRONMENT, EXIT_HOLDS, InputError


def test_a_result_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "schema.json"
    assert run(["schema", "audit", "--output", str(target)]) == EXIT_HOLDS
    assert json.loads(target.read_text())["$id"] == "secondsite/audit/1"
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["schema.json"]
    (tmp_path / "new").touch()
    assert target.stat().st_mode == (tmp_path / "new").stat().st_mode


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "audit.json"
    target.write_text("before")
    missing = str(tmp_path / "missing.yaml")
    assert run(["audit", "--file", missing, "--json", f"--output={target}"]) == EXIT_BAD_INPUT
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["audit.json"]
    assert "missing.yaml" in capsys.readouterr().err


def test_a_breached_verdict_is_a_result(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    example = pytestconfig.rootpath / "examples/kgents/secondsite.yaml"
    target = tmp_path / "audit.txt"
    assert run(["audit", "--file", str(example), "--fail-on", "low", "--output", str(target)]) == 1
    assert "fatal" in target.read_text()


def test_quiet_shows_errors_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--quiet", "--file", str(tmp_path / "missing.yaml")]) == EXIT_BAD_INPUT
    assert "missing.yaml" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--output", str(tmp_path / "no" / "file")]) == EXIT_ENVIRONMENT
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["a", "--output"], ["--output", "x", "--output=y"], ["--output="]])
def test_no_file_and_two_files_are_refused(line: list[str]) -> None:
    with pytest.raises(InputError, match="--output"):
        common_options(line)


def test_what_follows_two_dashes_is_the_verbs(tmp_path: Path) -> None:
    options = common_options(["a", "--quiet", "--", "--quiet", "--output", "x"])
    assert options.arguments == ("a", "--", "--quiet", "--output", "x")
    assert (options.quiet, options.output) == (True, None)
