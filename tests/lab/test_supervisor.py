"""Nothing is left behind, whatever happens to whoever started it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secondsite.lab import claim
from secondsite.lab.binaries import require_lab_packages
from secondsite.lab.room import check_room
from secondsite.lab.supervisor import Spec, Supervisor, await_ended
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import EXIT_ENVIRONMENT, MachineError

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


def exists(pid: int) -> bool:
    """Running, and not only waiting for its parent to notice that it ended."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def gone(pid: int, within_s: float = 30.0) -> bool:
    deadline = time.monotonic() + within_s
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not exists(pid)


async def never() -> bool:
    return False


PARENT = """
import asyncio, sys
from pathlib import Path
from secondsite.lab.supervisor import Spec, Supervisor

async def main():
    supervisor = Supervisor(Path(sys.argv[1]) / "logs", doomed=Path(sys.argv[1]))
    child = "import os, subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); print(p.pid, flush=True); time.sleep(600)"
    await supervisor.start(Spec("parent", (sys.executable, "-c", child)))
    while not supervisor.log_tail("parent"):
        await asyncio.sleep(0.01)
    print(supervisor.pid("parent"), supervisor.log_tail("parent").strip(), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""  # noqa: E501


def test_whoever_was_killed_with_a_server_is_waited_for_until_it_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"]) as child:
        await_ended([child.pid])
        assert not exists(child.pid)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_death_of_the_parent_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "lab")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(exists(pid) for pid in pids)
        parent.send_signal(number)
        parent.wait(60)
    assert all(gone(pid) for pid in pids), "the process and the child of it that nobody registered"
    deadline = time.monotonic() + 30.0
    while (tmp_path / "lab").exists():
        assert time.monotonic() < deadline, "what it had written down"
        time.sleep(0.02)


def test_a_process_that_fails_tells_its_own_words(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    try:
        with pytest.raises(MachineError, match="no disk here") as raised:
            asyncio.run(supervisor.start(Spec("server", ("/bin/sh", "-c", "echo no disk here; exit 3"), ready=never)))
        assert "exit code 3" in str(raised.value)
        assert raised.value.exit_code == EXIT_ENVIRONMENT
    finally:
        supervisor.close()


def test_a_process_that_never_gets_ready_is_an_error(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    try:
        with pytest.raises(MachineError, match=r"not ready within 0\.2 s"):
            asyncio.run(supervisor.start(Spec("server", SLEEPER, ready=never, ready_within_s=0.2)))
    finally:
        supervisor.close()


def test_kill_freeze_thaw(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    try:
        asyncio.run(supervisor.start(Spec("a", SLEEPER), Spec("b", SLEEPER)))
        pid = supervisor.pid("a")
        supervisor.freeze("a")
        assert state_of(pid) == "T"
        supervisor.thaw("a")
        assert state_of(pid) != "T"
        supervisor.kill("a")
        assert not exists(pid)
        assert not supervisor.alive("a")
        assert supervisor.alive("b")
    finally:
        supervisor.close()
    assert not supervisor.running


def state_of(pid: int) -> str:
    time.sleep(0.05)
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return done.stdout.strip()[:1]


def test_two_labs_hold_two_blocks_and_let_go_of_them() -> None:
    first, one = claim.claim_block()
    second, two = claim.claim_block()
    assert first != second
    assert claim.is_claimed(first)
    for lock in (one, two):
        lock.close()
    assert not claim.is_claimed(second)


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        at = Endpoint("127.0.0.1", int(taken.getsockname()[1]))
        with pytest.raises(MachineError, match=f"{at}: this address is taken") as raised:
            claim.check_free([at])
        assert raised.value.exit_code == EXIT_ENVIRONMENT


def test_addresses_that_do_not_answer_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, which answers on 127.0.0.1 only."""

    class Narrow(socket.socket):
        def bind(self, address: object) -> None:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))

    monkeypatch.setattr("secondsite.lab.claim.socket.socket", Narrow)
    with pytest.raises(
        MachineError, match=r"sudo ifconfig lo0 alias 127\.1\.0\.10 up; sudo ifconfig lo0 alias 127\.1\.0\.11"
    ):
        claim.check_free([Endpoint("127.1.0.10", 4222), Endpoint("127.1.0.10", 6222), Endpoint("127.1.0.11", 4222)])
    with pytest.raises(MachineError, match="ifconfig lo0 alias"):
        claim.claim_block()


def test_a_disk_without_room_for_a_lab_is_told_before_anything_starts(tmp_path: Path) -> None:
    check_room(tmp_path, 0)
    with pytest.raises(MachineError, match=r"MiB are free on this disk, a lab needs \d+ MiB; free space on it") as told:
        check_room(tmp_path, 1 << 60)
    assert str(tmp_path) in str(told.value)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "secondsite.lab.binaries.importlib.util.find_spec", lambda name: None if name == "dns" else name
    )
    with pytest.raises(MachineError, match=r"missing: dns; run: pip install .*\[lab\]'"):
        require_lab_packages()
