"""Where a lab keeps what outlives it: fetched servers in the user's cache, running labs in the user's state folder."""

from __future__ import annotations

import os
from pathlib import Path

from secondsite.model.errors import MachineError


def cache() -> Path:
    return _base("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    return _base("XDG_STATE_HOME", ".local/state")


def _base(variable: str, fallback: str) -> Path:
    named = os.environ.get(variable)
    return (Path(named) if named else _home(variable) / fallback) / "secondsite"


def _home(variable: str) -> Path:
    try:
        return Path.home()
    except RuntimeError:
        what = "this user has no home directory and no passwd entry"
        raise MachineError.at(variable, what, f"set HOME, or set {variable} to a writable folder") from None
