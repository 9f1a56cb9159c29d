"""docs/audit.md: what it says is looked for and found is what is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve

from secondsite.audit.registry import RULES, audit
from secondsite.discover.manifests import discover
from secondsite.discover.system_file.reading import load_system
from secondsite.model.hazard import Hazard

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
KNOWN = {rule.id for rule in RULES}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that has this first column."""
    lines = PAGE.split(f"\n| {heading} |", 1)[1].splitlines()[2:]
    table = lines[: next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def rules_in(cell: str) -> list[str]:
    return re.findall(r"`([a-z0-9-]+)`", cell)


@pytest.fixture(scope="module")
def hazards() -> tuple[Hazard, ...]:
    found = discover([EXAMPLE / "manifests"], name="kgents", base=EXAMPLE / "manifests").system
    return audit(evolve(found, contracts=load_system(EXAMPLE / "secondsite.yaml").contracts))


def test_each_of_the_32_conditions_has_its_rules() -> None:
    conditions = rows("#")
    assert [int(number) for number, _, _ in conditions] == list(range(1, 33))
    for number, _, rules in conditions:
        assert set(rules_in(rules)) <= KNOWN, number
        assert rules_in(rules), number


def test_every_rule_stands_on_the_page_once() -> None:
    listed = [rule for table in ("#", "where") for row in rows(table) for rule in rules_in(row[-1])]
    assert sorted(listed) == sorted(KNOWN)


def test_the_page_tells_every_weakness_of_the_example_and_its_line(hazards: tuple[Hazard, ...]) -> None:
    told = {(rules_in(rule)[0], where.strip("`")) for _, rule, where in rows("weakness")}
    found = {(hazard.rule, f"{hazard.place.file}:{hazard.place.line}") for hazard in hazards}
    assert {row for row in told if row[0] != "dns-by-hand"} == {row for row in found if row[0] != "dns-by-hand"}
