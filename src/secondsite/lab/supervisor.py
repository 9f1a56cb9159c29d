"""Starts, watches and kills the processes of a lab; each in a process group of its own, with a log of its own.

A process does not begin before the warden knows its group: it waits behind a gate that opens after the warden was
told, and a gate whose holder died never opens. So there is no instant at which a killed lab leaves something behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from attrs import define, frozen

from secondsite.lab.clocks import LabClocks
from secondsite.lab.together import together
from secondsite.model.errors import MachineError

_GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")
_TAIL_BYTES = 4000
_POLL_S = 0.03

Ready = Callable[[], Awaitable[bool]]


@frozen
class Spec:
    """What to run. ``region`` is empty for what belongs to none. ``ready`` is asked until it says yes.

    ``niceness``: more or less than this process's own, as far as this user may. ``sessions``: its children begin
    sessions of their own, as PostgreSQL's do, so that no signal to its group reaches them.
    """

    name: str
    command: tuple[str, ...]
    ready: Ready | None = None
    region: str = ""
    environment: Mapping[str, str] = {}
    ready_within_s: float = 20.0
    niceness: int = 0
    sessions: bool = False


@define
class Running:
    spec: Spec
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Supervisor:
    """All processes by name. ``close`` kills what is left; so does the death of this process.

    ``doomed`` is a folder that is removed then, logs and all. ``clocks``: those of our programs, where they may be off.
    """

    def __init__(
        self,
        logs: Path,
        lock: socket.socket | None = None,
        doomed: Path | None = None,
        clocks: LabClocks | None = None,
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.logs = logs
        self.running: dict[str, Running] = {}
        self.clocks = clocks
        self._doomed = doomed
        self._warden = _start_warden(logs / "warden.log", lock, doomed)

    async def start(self, *specs: Spec) -> None:
        """All at once; returns when all are ready, raises MachineError with the end of the log of one that is not."""
        for spec in specs:
            self._launch(spec)
        await together(self._wait_ready(spec) for spec in specs)

    def _launch(self, spec: Spec) -> None:
        if spec.name in self.running and self.running[spec.name].alive:
            raise MachineError.at(spec.name, "is running already", "kill it first")
        command = self.clocks.on(spec.name, spec.region, spec.command) if self.clocks else spec.command
        with self.log(spec.name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                [*_GATE, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **spec.environment},
            )
        self.running[spec.name] = Running(spec, process)
        self._notify_warden(process.pid)
        if spec.niceness:
            with suppress(PermissionError):
                os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + spec.niceness)
        _open_gate(process)

    async def _wait_ready(self, spec: Spec) -> None:
        deadline = time.monotonic() + spec.ready_within_s
        running = self.running[spec.name]
        while not (running.alive and (spec.ready is None or await spec.ready())):
            if not running.alive:
                raise self._failed(spec, f"ended with exit code {running.process.returncode}")
            if time.monotonic() > deadline:
                raise self._failed(spec, f"was not ready within {spec.ready_within_s:g} s")
            await asyncio.sleep(_POLL_S)

    def _failed(self, spec: Spec, what: str) -> MachineError:
        tail = self.log_tail(spec.name).strip() or "its log is empty"
        remedy = "fix the cause, then start again" if self._doomed else f"see {self.log(spec.name)}"
        return MachineError.at(spec.name, f"{what}; last log lines:\n{tail}\n", remedy)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def log_tail(self, name: str) -> str:
        path = self.log(name)
        return path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace") if path.exists() else ""

    def kill(self, *names: str) -> None:
        """SIGKILL to the whole group of each, all before the first is waited for."""
        processes = [self.running[name] for name in names if name in self.running]
        orphans = [child for each in processes for child in self._signal(each, signal.SIGKILL)]
        for each in processes:
            each.process.wait()
            self._notify_warden(-each.process.pid)
        await_ended(orphans)  # as long as one is there, PostgreSQL refuses to start on its files again
        for name in names:
            self.running.pop(name, None)

    def freeze(self, *names: str) -> None:
        for name in names:
            self._signal(self.running[name], signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        for name in names:
            self._signal(self.running[name], signal.SIGCONT)

    def send(self, name: str, number: signal.Signals) -> None:
        self._signal(self.running[name], number)

    def terminate(self, name: str, within_s: float = 10.0) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        running = self.running.get(name)
        if running is None:
            return
        self._signal(running, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(within_s)
        self.kill(name)

    def alive(self, name: str) -> bool:
        return name in self.running and self.running[name].alive

    def pid(self, name: str) -> int:
        return self.running[name].process.pid

    def _signal(self, running: Running, number: signal.Signals) -> list[int]:
        """The children outside of its group, which got it too."""
        children = descendants(running.process.pid) if running.spec.sessions else []
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, number)
        for child in children:  # which would end by themselves, a moment later
            with suppress(ProcessLookupError):
                os.kill(child, number)
        return children

    def _notify_warden(self, group: int) -> None:
        if self._warden.poll() is not None:
            raise MachineError.at("warden", "the clean-up process is gone", "start the lab again")
        pipe = _stdin(self._warden)
        pipe.write(f"{group}\n".encode())
        pipe.flush()

    def close(self) -> None:
        self.kill(*self.running)
        _stdin(self._warden).close()
        self._warden.wait()


def _start_warden(log: Path, lock: socket.socket | None, doomed: Path | None) -> subprocess.Popen[bytes]:
    arguments = [str(doomed)] if doomed else []
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("warden.py")), *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock.fileno()] if lock else [],
        )


def _open_gate(process: subprocess.Popen[bytes]) -> None:
    pipe = _stdin(process)
    with suppress(BrokenPipeError):
        pipe.write(b"go\n")
        pipe.close()


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise RuntimeError("started without a pipe")
    return process.stdin


def descendants(pid: int) -> list[int]:
    """Children and theirs, on Linux; elsewhere none are known."""
    try:
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *descendants(child))]


def await_ended(pids: Sequence[int], within_s: float = 10.0) -> None:
    """Until none of them runs, on Linux: one that nobody has reaped yet holds nothing any more."""
    deadline = time.monotonic() + within_s
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(_POLL_S / 10)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


async def port_open(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def python(module: str, *arguments: str) -> Sequence[str]:
    """The command that runs a module of this package."""
    return (sys.executable, "-m", module, *arguments)
