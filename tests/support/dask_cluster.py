"""A real Dask scheduler and its workers, as processes of this machine; gone after the test."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUPPORT = Path(__file__).parent


def dask(*arguments: str, beside: Path = SUPPORT, **more: str) -> subprocess.Popen[bytes]:
    """``beside``: a folder whose modules a worker imports, and what they import."""
    environment = {"PYTHONPATH": f"{beside}:{SUPPORT}", "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false", **more}
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        cwd=beside,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )


def scheduler(contact: Path, beside: Path = SUPPORT, **more: str) -> subprocess.Popen[bytes]:
    where = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    return dask("scheduler", *where, "--scheduler-file", str(contact), beside=beside, **more)


def address(contact: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not contact.exists() or not contact.read_text():
        assert process.poll() is None, "the scheduler ended"
        assert time.monotonic() < deadline, "the scheduler did not start"
        time.sleep(0.1)
    return str(json.loads(contact.read_text())["address"])


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Workers first: they would wait for a scheduler that is gone."""
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder: Path, beside: Path = SUPPORT, names: tuple[str, ...] = (), **more: str) -> Iterator[str]:
    """Of two workers with a thread each, ``names`` by number; its address as `--workers` takes it."""
    processes = [scheduler(folder / "contact.json", beside, **more)]
    try:
        contact = address(folder / "contact.json", processes[0])
        for number, name in enumerate(names or ("one", "two")):
            local = str(folder / f"worker{number}")
            where = ("--host", "127.0.0.1", "--no-nanny", "--no-dashboard", "--name", name)
            processes.append(
                dask("worker", contact, *where, "--nthreads", "1", "--local-directory", local, beside=beside, **more)
            )
        yield contact.replace("tcp://", "dask://")
    finally:
        end(processes)
