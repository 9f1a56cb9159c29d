"""Where a lab keeps what outlives it, also for a user without a home, as containers run them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from secondsite.lab import folders
from secondsite.model.errors import MachineError


def nowhere() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The temporary folder of a user without a home."""
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_a_user_without_a_home_has_a_folder_that_is_the_user_s_alone(
    homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = homeless / f"secondsite-{os.getuid()}"
    assert folders.cache() == own / ".cache" / "secondsite"
    assert own.stat().st_mode & 0o777 == 0o700
    assert folders.cache() == own / ".cache" / "secondsite", "and the next time the same"
    monkeypatch.setenv("XDG_CACHE_HOME", str(homeless / "cache"))
    assert folders.cache() == homeless / "cache" / "secondsite"


def test_a_home_that_is_nowhere_is_none(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of `nobody` is /nonexistent; one that is not there yet and can be made is a home."""
    monkeypatch.setattr(Path, "home", lambda: homeless / "new" / "home")
    assert folders.cache() == homeless / "new" / "home" / ".cache" / "secondsite"
    monkeypatch.setattr("secondsite.lab.folders.os.access", lambda *_: False)
    assert folders.cache() == homeless / f"secondsite-{os.getuid()}" / ".cache" / "secondsite"


def test_one_that_others_may_write_to_or_lead_elsewhere_is_refused(homeless: Path) -> None:
    """Whoever may write there could have a server of theirs started."""
    own = homeless / f"secondsite-{os.getuid()}"
    own.mkdir()
    own.chmod(0o777)
    with pytest.raises(MachineError, match=r"XDG_CACHE_HOME: .*other users may write to .*; delete it, set HOME"):
        folders.cache()
    own.rmdir()
    own.symlink_to(homeless)
    with pytest.raises(MachineError, match="other users may write to"):
        folders.cache()


def test_a_temporary_folder_that_takes_nothing_is_named(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(homeless / "no" / "folder"))
    with pytest.raises(MachineError, match=r"cannot be made: No such file or directory; set HOME, or set XDG_CACHE"):
        folders.cache()
