"""The processes of a campaign's runs, when the campaign itself is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CAMPAIGN = """
import multiprocessing, os, time
from secondsite.drill.series import end_with_parent

def work():
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    run = multiprocessing.get_context("spawn").Process(target=work)
    run.start()
    time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")
def test_a_run_ends_with_its_campaign(tmp_path: Path) -> None:
    script = tmp_path / "campaign.py"
    script.write_text(CAMPAIGN, "utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as campaign:
        assert campaign.stdout
        run = int(campaign.stdout.readline())
        try:
            assert alive(run)
            campaign.kill()
            end = time.monotonic() + 30
            while alive(run) and time.monotonic() < end:
                time.sleep(0.05)
            assert not alive(run)
        finally:
            if alive(run):
                os.kill(run, signal.SIGKILL)
