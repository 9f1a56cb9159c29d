"""CONTRIBUTING's page of what is where is the tree: each package, each room, and what stands at the door of a drill."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from source_trees import SOURCE

ROOT = Path(__file__).parents[2]
_NO_ROOM = {"__pycache__", "data", "templates", "assets", "rule_examples"}


def rows() -> dict[str, str]:
    """By package, its row."""
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## What is where")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for line in table.splitlines():
        if line.startswith("| `"):
            names, held, *_ = (cell.strip() for cell in line.strip("|").split("|"))
            found |= dict.fromkeys(re.findall(r"`(\w+)/`", names), held)
    return found


def rooms(package: Path) -> set[str]:
    return {path.name for path in package.iterdir() if path.is_dir() and path.name not in _NO_ROOM}


def at_the_door(package: Path) -> set[str]:
    return {path.name for path in package.glob("*.py") if not path.name.startswith("__")}


def test_every_package_has_its_row() -> None:
    assert set(rows()) == rooms(SOURCE)


@pytest.mark.parametrize("package", ["drill", "publish"])
def test_every_room_is_in_its_row(package: str) -> None:
    named = set(re.findall(r"`(\w+)/`", rows()[package]))
    assert named == rooms(SOURCE / package)
    assert at_the_door(SOURCE / package) == set(re.findall(r"`(\w+\.py)`", rows()[package]))


@pytest.mark.parametrize("package", ["drill", "publish"])
def test_every_room_has_its_place_among_the_others(package: str) -> None:
    """What a contract does not name may import anything."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one.get("containers") == [f"secondsite.{package}"])
    named = {name for layer in layers for name in re.findall(r"\w+", layer)}
    assert named == rooms(SOURCE / package) | {name.removesuffix(".py") for name in at_the_door(SOURCE / package)}
