"""The command as a process: what it printed, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

COMMAND = Path(sys.executable).parent / "secondsite"


def secondsite(
    *arguments: str, code: int = 0, without: tuple[str, ...] = (), env: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, str]:
    """Standard output and error. ``without`` are variables that it must not see."""
    seen = {name: value for name, value in os.environ.items() if name not in without} | dict(env)
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=240, check=False, env=seen)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr
