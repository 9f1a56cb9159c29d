"""Whether a disk has room for a lab: servers on a full one fall silent, and do not say why."""

from __future__ import annotations

import shutil
from pathlib import Path

from secondsite.model.errors import MachineError

LEAST_BYTES = 64 << 20
"""Stores, logs and ledger of a drill of a minute at 100 writes a second take a third of it."""


def check_room(folder: Path, least_bytes: int = LEAST_BYTES) -> None:
    """Raises MachineError."""
    free = shutil.disk_usage(folder).free
    if free < least_bytes:
        what = f"{free / (1 << 20):.1f} MiB are free on this disk, a lab needs {least_bytes >> 20} MiB"
        raise MachineError.at(str(folder), what, "free space on it, or set TMPDIR to a folder on another disk")
