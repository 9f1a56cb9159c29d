"""The JSON Schema takes every file that the reader takes, and refuses what is of a wrong shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from test_file_errors import CASES
from test_file_laws import few, systems

from secondsite.cli.__main__ import run
from secondsite.discover.system_file.json_schema import system_schema
from secondsite.discover.system_file.writing import write_system
from secondsite.discover.yaml_source import load_documents, to_plain
from secondsite.model.system import System

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(system_schema())

OF_SHAPE = (
    *("unknown key", "unknown key without a near one", "text for a number", "number for text", "text for a truth"),
    *("truth for a number", "list for a mapping", "mapping for a list", "duration without unit", "missing key"),
    *("unknown choice", "schema version", "no schema", "list at the top", "text at the top", "negative quantity"),
)


def told(text: str) -> list[str]:
    [root] = load_documents(text, "s.yaml")
    return [error.message for error in VALIDATOR.iter_errors(to_plain(root))]


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
    assert told(path.read_text("utf-8")) == []


@pytest.mark.slow
@given(systems())
@few
def test_whatever_is_written_is_valid(system: System) -> None:
    assert told(write_system(system)) == []


@pytest.mark.parametrize("case", OF_SHAPE)
def test_what_is_of_a_wrong_shape_is_refused(case: str) -> None:
    assert told(CASES[case][0])


def test_the_verb_prints_it_or_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == system_schema()
    assert run(["schema", "--output", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text("utf-8")) == system_schema()
