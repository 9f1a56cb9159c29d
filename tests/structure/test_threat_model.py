"""The threat model claims nothing that no test holds, and docs/rights.md neither."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| he |\| (?!he \||---|what \|)[a-z]", line)]
CLAIMS = [row for row in ROWS if row.count("|") == 4]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", CLAIMS)
def test_every_claim_names_a_test_or_says_that_nothing_stops_it(row: str) -> None:
    _, attack, stops, tests, _ = (part.strip() for part in row.split("|"))
    named = re.findall(r"`(tests/[^`]+)::([^`]+)`", tests)
    if attack == "he":
        return
    assert named or stops.startswith("nothing"), row
    for path, function in named:
        assert function in functions(ROOT / path), f"{path}::{function}"


def test_each_place_is_there() -> None:
    for place in ("the object store", "one region", "the operator's laptop", "a tenant's credentials"):
        assert place in PAGE
    assert PAGE.count("Nothing stops:") == 4
    assert len(CLAIMS) > 25


def test_the_page_of_rights_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / "rights.md").read_text("utf-8"))
    assert len(named) >= 4
    assert all((ROOT / path).exists() for path in named)
