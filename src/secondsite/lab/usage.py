"""How much memory and how many descriptors a process has, as its kernel counts them."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import MachineError


@frozen
class Usage:
    rss_bytes: int
    descriptors: int


def usage(pid: int) -> Usage | None:
    """None for a process that ended; raises MachineError on a system that does not say."""
    folder = Path("/proc") / str(pid)
    try:
        pages = int((folder / "statm").read_text(encoding="ascii").split()[1])
        return Usage(pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(folder / "fd")))  # noqa: PTH208 - counted only
    except (OSError, IndexError):
        if Path("/proc/self/statm").exists():
            return None
    raise MachineError.at(
        "/proc", "this operating system does not report the resources of a process", "run this drill on Linux"
    )
