"""Where a lab keeps what outlives it, also for a user without a home, as containers run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.lab import folders
from secondsite.model.errors import MachineError


def nowhere() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(MachineError, match=r"XDG_CACHE_HOME: this user has no home directory.*set HOME, or XDG_CACHE"):
        folders.cache()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folders.cache() == tmp_path / "secondsite"
