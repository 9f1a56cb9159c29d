"""Who PostgreSQL's programs may run as: nobody else is there in a user namespace that has root alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.lab.postgres_files import is_mapped


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("         0          0 4294967295\n", True),
        ("         0          0          1\n", False),
        ("0 1000 1\n1 100000 65536\n", True),
        ("0 1000 1\n1 100000 65533\n", False),
        ("", False),
    ],
)
def test_another_user_is_there_where_the_namespace_has_one(text: str, mapped: bool, tmp_path: Path) -> None:
    (tmp_path / "uid_map").write_text(text)
    assert is_mapped(65534, tmp_path / "uid_map") is mapped


def test_without_such_a_map_every_user_is_there(tmp_path: Path) -> None:
    assert is_mapped(65534, tmp_path / "uid_map")
