"""Kills every process of a lab when the lab dies, however it dies.

Runs on its own (``python warden.py [FOLDER]``), in a session of its own. Its standard input is a pipe that only the
lab holds: lines ``+PID`` and ``-PID`` say which process groups live, and the end of the pipe says that the lab is gone.
FOLDER is then removed, once the killed had time to let go of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress

_ATTEMPTS = 50


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line)
        if group > 0:
            groups.add(group)
        else:
            groups.discard(-group)
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for folder in sys.argv[1:]:
        _remove(folder)


def _remove(folder: str) -> None:
    """A process that is being killed may still make a file or two."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):  # noqa: PTH110 - light to start: no pathlib
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
