"""A test file is collected by its base name: two of one name end the run of the whole suite, and of neither alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


def twice(tests: Path) -> set[str]:
    return {name for name, count in Counter(path.name for path in tests.rglob("test_*.py")).items() if count > 1}


def test_no_two_test_files_have_one_name() -> None:
    assert twice(Path(__file__).parents[1]) == set()


def test_two_of_one_name_are_seen(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_x.py").touch()
    assert twice(tmp_path) == {"test_x.py"}
