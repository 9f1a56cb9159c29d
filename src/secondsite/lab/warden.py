"""Kills every process of a lab when the lab dies, however it dies.

Runs on its own (``python warden.py``), in a session of its own. Its standard input is a pipe that only the lab
holds: lines ``+PID`` and ``-PID`` say which process groups live, and the end of the pipe says that the lab is gone.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress


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


if __name__ == "__main__":
    main()
