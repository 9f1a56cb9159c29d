"""Where a lab keeps what outlives it: fetched servers in the user's cache, running labs in the user's state folder."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    return _base("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    return _base("XDG_STATE_HOME", ".local/state")


def _base(variable: str, fallback: str) -> Path:
    named = os.environ.get(variable)
    return (Path(named) if named else Path.home() / fallback) / "secondsite"
