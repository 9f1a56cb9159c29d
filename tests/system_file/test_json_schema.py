"""The JSON Schema takes every file that the reader takes, and refuses what is of a wrong shape."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from file_schema import faults
from jsonschema import Draft202012Validator

from secondsite.cli.__main__ import run
from secondsite.discover.system_file.json_schema import system_schema

ROOT = Path(__file__).parents[2]


def test_it_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(system_schema())


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for folder in ("examples/*/secondsite.yaml", "tests/cases/evaluate/*.yaml", "tests/cases/systems/*.yaml")
        for path in ROOT.glob(folder)
    ),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_a_file_that_is_read_is_valid(path: Path) -> None:
    assert faults(path.read_text("utf-8")) == []


def test_the_verb_prints_it_or_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == system_schema()
    assert run(["schema", "--output", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text("utf-8")) == system_schema()


def test_an_editor_finds_it_beside_the_file_that_init_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comment is what yaml-language-server looks for; its path counts from the file."""
    monkeypatch.chdir(tmp_path)
    manifests = ROOT / "examples/parcels/manifests"
    assert run(["init", str(manifests), "--yes"]) == 0
    text = Path("secondsite.yaml").read_text("utf-8")
    (path,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", text, re.MULTILINE)
    beside = tmp_path / path
    schema = json.loads(beside.read_text("utf-8"))
    assert list(Draft202012Validator(schema).iter_errors(yaml.safe_load(text))) == []
    beside.write_text("{}", "utf-8")
    assert run(["init", str(manifests), "--yes"]) == 0
    assert json.loads(beside.read_text("utf-8")) == schema, "of an older version, it is renewed"
    capsys.readouterr()
