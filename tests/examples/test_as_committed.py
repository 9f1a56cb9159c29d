"""What `make demo` does first changes nothing: evidence is of the system as its file is committed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
FILES = ("secondsite.yaml", ".secondsite/discovered.yaml")


def test_init_finds_nothing_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "kgents", ignore=shutil.ignore_patterns("evidence", "docs"))
    monkeypatch.chdir(tmp_path / "kgents")
    assert run(["init", "manifests", "--yes"]) == 0
    for name in FILES:
        assert Path(name).read_text("utf-8") == (EXAMPLE / name).read_text("utf-8"), name
