"""A folder as a store: what is written outlives a power failure, and no name in it keeps the others from being listed.

A file is synced, then each folder that leads to it: one that is renamed into place and not synced may have 0 bytes
after the power came back, and a name that its folder did not sync may be gone.
"""

from __future__ import annotations

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

# Such names are those of parts of uploads that go on, or were killed.
_PART = re.compile(r"#[0-9]+$")


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder; none where no such folder."""
    try:
        return sorted(_decoded(entry.name) for entry in os.scandir(folder) if entry.is_dir())
    except FileNotFoundError:
        return []


def files_below(root: Path, prefix: str) -> list[tuple[str, int, datetime]]:
    """Key, size and time of change of every file below a prefix, sorted by key."""
    files = []
    for folder, _, names in os.walk(root / prefix):
        for name in names:
            path = Path(folder, name)
            if _PART.search(name):
                continue
            try:
                status = path.stat()
            except FileNotFoundError:  # deleted meanwhile
                continue
            key = _decoded(path.relative_to(root).as_posix())
            files.append((key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
    return sorted(files)


def _decoded(name: str) -> str:
    """A name as it can be printed, where it is no UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def settle(root: Path, path: Path) -> None:
    """Sync a file that is there, and the folders from it up to the root and the one that holds the root."""
    _sync(path)
    _settle_folders(root, path.parent)


def create_durably(root: Path, path: Path, content: bytes) -> None:
    """Synced first and named afterwards, so the name never stands for less. Raises FileExistsError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}#{secrets.randbelow(10**9)}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    _settle_folders(root, path.parent)


def _settle_folders(root: Path, folder: Path) -> None:
    while folder != root.parent:
        _sync(folder)
        folder = folder.parent
    _sync(folder)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
