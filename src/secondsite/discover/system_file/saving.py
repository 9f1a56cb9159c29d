"""Whole files or none: an interrupted run leaves what was there.

The new text is written beside the file, made durable, and put in its place by one rename. A symbolic link stays
one, and permissions stay as they were.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from secondsite.model.errors import MachineError


def save(path: Path, text: str) -> None:
    """Raises `MachineError` when the disk or the permissions do not let it."""
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        _replace(target, text, mode)
    except OSError as error:
        raise MachineError.at(
            str(path), f"cannot be written: {error.strerror or error}", "check the permissions and the space there"
        ) from error


def _replace(target: Path, text: str, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        os.replace(name, target)  # noqa: PTH105 # one call to the system, and the one that a test makes fail
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
