"""The threat model claims nothing that no test holds, and docs/rights.md neither."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| he |\| (?!he \||---|what \||attack \|)[a-z\d]", line)]
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


def test_each_line_of_the_list_has_its_tests() -> None:
    numbers = [int(found[1]) for row in CLAIMS if (found := re.match(r"\| (\d)\. ", row))]
    assert numbers == list(range(1, 10))


def test_what_runs_in_no_suite_proves_nothing() -> None:
    """A test that is named here is one: collected by its name, and not skipped for good."""
    for path, function in dict.fromkeys(re.findall(r"`(tests/[^`]+)::([^`]+)`", PAGE)):
        assert function.startswith("test_"), function
        assert Path(path).name.startswith("test_"), path
        decorated = re.search(
            rf"((?:^@.*\n)*)^(?:async )?def {function}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE
        )
        assert decorated, f"{path}::{function}"
        assert "mark.skip(" not in decorated[1]
        assert "xfail" not in decorated[1]


def test_each_place_is_there() -> None:
    for place in ("the object store", "one region", "the operator's laptop", "a tenant's credentials", "a watch"):
        assert place in PAGE
    assert PAGE.count("Nothing stops:") == 5
    assert len(CLAIMS) > 25


def test_the_page_of_rights_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / "rights.md").read_text("utf-8"))
    assert len(named) >= 4
    assert all((ROOT / path).exists() for path in named)
