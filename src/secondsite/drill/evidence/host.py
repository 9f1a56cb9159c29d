"""What machine a drill ran on, as far as its figures may hang on it; nothing that names the machine or its owner."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def host_facts() -> dict[str, str]:
    facts = {
        "cores": str(os.cpu_count() or 0),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        facts["memory"] = meminfo.read_text(encoding="ascii").split("\n", 1)[0].removeprefix("MemTotal:").strip()
    return facts
