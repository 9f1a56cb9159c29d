"""Options of every verb: the result in a file that is whole or as it was, and nothing but errors to be read."""

from __future__ import annotations

import json
import logging
import re
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


def test_verbose_tells_what_was_read_and_when(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing.yaml")
    assert run(["audit", "--file", missing]) == EXIT_BAD_INPUT
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["audit", "--verbose", "--file", missing]) == EXIT_BAD_INPUT
    begin, read, end, error = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r" +\d\.\d{3} s  cli: secondsite \S+, Python \S+, \S+", begin)
    assert read.endswith(f"discover: read {missing}")
    assert end.endswith("cli: end")
    assert error.startswith(f"{missing}: no such file")


def test_verbose_names_the_servers_that_were_asked_and_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    """What doors log loses what looks like a secret, as messages do."""

    def verb(_arguments: list[str]) -> int:
        logging.getLogger("secondsite.nats.connection").debug("request %s to %s", "A", "nats://app:hunter2@h:4222")
        return 0

    assert common_options(["audit", "--verbose"]).run(verb) == 0
    told = capsys.readouterr().err
    assert "nats: request A to nats://" in told
    assert "hunter2" not in told
    logging.getLogger("secondsite.nats.connection").debug("afterwards nothing is told")
    assert capsys.readouterr().err == ""


def test_a_verb_with_a_verbose_of_its_own_gets_it_too() -> None:
    assert common_options(["init", "k8s/", "--verbose"]).arguments == ("init", "k8s/", "--verbose")
    assert common_options(["audit", "--verbose"]).arguments == ("audit",)
