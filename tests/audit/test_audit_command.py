"""`secondsite audit` from file to exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secondsite.audit.registry import RULES
from secondsite.cli.__main__ import run
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_DOES_NOT_HOLD, EXIT_HOLDS

MEDIUM = """\
schema: secondsite/system/1
name: shop
region: {provider: aws, name: us-east-1}
services:
  - name: worker
    role: worker
    image: registry.example.org/worker
contracts:
  - {subject: api, fault: region, rto: 1h, rpo: 1m}
"""
HIGH = MEDIUM.replace(
    "name: us-east-1}", "name: us-east-1}\ntraffic: {host: shop.example.org, ttl: 1h, automatic: true}"
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "secondsite.yaml"
    path.write_text(MEDIUM)
    return path


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        (MEDIUM, [], EXIT_HOLDS),
        (MEDIUM, ["--fail-on", "medium"], EXIT_DOES_NOT_HOLD),
        (MEDIUM, ["--fail-on", "low"], EXIT_DOES_NOT_HOLD),
        (HIGH, [], EXIT_DOES_NOT_HOLD),
        (HIGH, ["--fail-on", "fatal"], EXIT_HOLDS),
        (HIGH, ["--fail-on", "never"], EXIT_HOLDS),
        (MEDIUM, ["--fail-on", "some"], EXIT_BAD_INPUT),
    ],
)
def test_exit_code_follows_the_worst_hazard(file: Path, text: str, fail_on: list[str], code: int) -> None:
    file.write_text(text)
    assert run(["audit", *fail_on]) == code


def test_a_waived_hazard_is_shown_and_does_not_fail(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(HIGH + "waivers:\n  - {rule: dns-arithmetic, reason: agreed until the move, at: traffic}\n")
    assert run(["audit"]) == EXIT_HOLDS
    assert "waived: agreed until the move" in capsys.readouterr().out


def test_an_unused_waiver_is_found_where_it_stands(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(MEDIUM + "waivers:\n  - rule: dns-arithmetic\n    reason: gone\n    at: traffic\n")
    assert run(["audit", "--json"]) == EXIT_HOLDS
    told = json.loads(capsys.readouterr().out)["hazards"]
    assert [(one["rule"], one["line"]) for one in told if one["severity"] == "low"] == [("waiver-unused", 11)]


def test_places_are_lines_of_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["audit", "--file", str(file), "--json"])
    told = json.loads(capsys.readouterr().out)["hazards"]
    assert [(one["rule"], one["file"], one["line"]) for one in told] == [("image-latest", str(file), 7)]


def test_json_option_and_format_are_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert file.exists()
    run(["audit", "--json"])
    first = capsys.readouterr().out
    run(["audit", "--format", "json"])
    assert capsys.readouterr().out == first


def test_sarif_is_relative_to_where_it_was_run(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["audit", "--file", str(file), "--format", "sarif"])
    result = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "secondsite.yaml"


def test_rules_are_listed_without_a_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["audit", "--list"]) == EXIT_HOLDS
    assert all(known.id in capsys.readouterr().out for known in RULES[:1])


def test_no_file_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["audit"]) == EXIT_BAD_INPUT
    assert "secondsite.yaml: no such file; write it with" in capsys.readouterr().err
