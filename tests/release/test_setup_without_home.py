"""`make setup` in a container whose user has no home and no name: packages that are built ask for a home."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_who_has_no_home_builds_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("environment", ROOT / "script" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert "HOME" in script.homed(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    assert script.homed(tmp_path)["HOME"] == "/somewhere"

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(script.Path, "home", nobody)
    assert script.homed(tmp_path)["HOME"] == str(tmp_path)
