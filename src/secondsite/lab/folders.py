"""Where a lab keeps what outlives it: fetched servers in the user's cache, running labs in the user's state folder.

A user without a home that can be written, as containers run one, has both in a folder of the temporary folder that is
the user's alone: servers are started from there, so one that somebody else owns or may write to is refused.
"""

from __future__ import annotations

import os
import stat
import tempfile
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
        home = Path.home()
    except RuntimeError:
        return _instead_of_home(variable)
    return home if _may_be_written(home) else _instead_of_home(variable)


def _may_be_written(home: Path) -> bool:
    """Also one that could be made; that of `nobody` is named and is nowhere."""
    there = next(each for each in (home, *home.parents) if each.exists())
    return os.access(there, os.W_OK)


def _instead_of_home(variable: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"secondsite-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        what = f"this user has no home directory, and {folder} cannot be made: {error.strerror}"
        raise MachineError.at(variable, what, f"set HOME, or set {variable} to a writable folder") from None
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        what = f"this user has no home directory, and other users may write to {folder}"
        raise MachineError.at(variable, what, f"delete it, set HOME, or set {variable} to a writable folder")
    return folder
