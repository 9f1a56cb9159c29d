"""The limits of a fuzz test, kept where nothing that it runs can escape them: in a process of its own.

In the child every input has ten seconds, by a watchdog that no loop in C holds up, and every test one GiB over what
there was when it began, by the kernel. The parent hears of each input that begins and of each test that ends; a child
that says nothing for too long, or dies, fails the test that it ran, and the next one has a new child.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from attrs import define, field, frozen

HANG_S = float(os.environ.get("SECONDSITE_FUZZ_HANG_S", "10"))
ROOM_BYTES = 1 << 30
BUDGET_S = float(os.environ.get("SECONDSITE_FUZZ_SECONDS", "5"))
"""After so long a test begins no further input, however slow the machine is."""

CHILD = "SECONDSITE_FUZZ_CHILD"
"""Set in a child: the pipe that it tells its parent by."""
_BEGIN_S = 60.0
_GRACE_S = 20.0


def in_child() -> bool:
    return CHILD in os.environ


def tell(**what: object) -> None:
    """To the parent; nothing where there is none."""
    if in_child():
        os.write(int(os.environ[CHILD]), json.dumps(what).encode() + b"\n")


def begins(number: object) -> None:
    """An input: from now on it has its time."""
    if in_child():
        tell(input=repr(number))
        faulthandler.dump_traceback_later(HANG_S, exit=True)


@contextmanager
def limited() -> Iterator[None]:
    """A test in a child: what asks for more memory gets none."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    begins("its beginning")
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        faulthandler.cancel_dump_traceback_later()


@frozen
class FuzzOutcome:
    """``failure`` is empty for a test that passed; ``skipped`` says why it did not run."""

    failure: str = ""
    skipped: str = ""


@define
class FuzzChild:
    """Runs the tests of one file one after the other, and is asked for what came of each, by its name."""

    path: Path
    tests: tuple[str, ...]
    root: Path
    _process: subprocess.Popen[bytes] | None = None
    _pipe: int = -1
    _log: IO[bytes] | None = None
    _outcomes: dict[str, FuzzOutcome] = field(factory=dict)
    _lines: list[bytes] = field(factory=lambda: [b""])
    _input: str = ""

    def outcome(self, test: str) -> FuzzOutcome:
        while test not in self._outcomes:
            if self._process is None:
                self._start(self.tests[self.tests.index(test) :])
            if why := self._hear():
                self._outcomes[test] = FuzzOutcome(f"{why}, at input {self._input}\n{self._said()}")
                self.end()
        return self._outcomes[test]

    def _start(self, tests: Sequence[str]) -> None:
        self._pipe, theirs = os.pipe()
        self._log, self._lines, self._input = tempfile.TemporaryFile(), [b""], ""  # noqa: SIM115 # closed with the child
        own = ["-c", str(self.root / "pyproject.toml"), "--rootdir", str(self.root), "-o", "addopts="]
        without = [
            part for plugin in ("cacheprovider", "faulthandler", "secondsite") for part in ("-p", f"no:{plugin}")
        ]
        chosen = [f"{self.path}::{test}" for test in tests]
        command = [sys.executable, *_measured(), "-m", "pytest", "-q", "-s", *own, *without, *chosen]
        self._process = subprocess.Popen(
            command,
            cwd=self.root,
            pass_fds=(theirs,),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={key: value for key, value in os.environ.items() if "PYTEST" not in key} | {CHILD: str(theirs)},
            start_new_session=True,
        )
        os.close(theirs)

    def _hear(self) -> str:
        """Reads on; says why nothing more will come."""
        wait_s = HANG_S + _GRACE_S if self._input else _BEGIN_S
        deadline = time.monotonic() + wait_s
        ready, _, _ = select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return f"no output for {wait_s:g} s and was killed"
        part = os.read(self._pipe, 65536)
        if not part:
            return f"it ended ({self._ended()})"
        *whole, rest = (self._lines[0] + part).split(b"\n")
        self._lines[0] = rest
        for line in whole:
            self._take(json.loads(line))
        return ""

    def _take(self, told: dict[str, Any]) -> None:
        if "input" in told:
            self._input = str(told["input"])
        else:
            self._outcomes[str(told["test"])] = FuzzOutcome(told["failure"], told["skipped"])

    def _ended(self) -> str:
        assert self._process
        code = self._process.wait(_GRACE_S)
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _said(self) -> str:
        assert self._log
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-4000:]

    def end(self) -> None:
        """With all that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            os.close(self._pipe)
        if self._log is not None:
            self._log.close()
            self._log = None


def _measured() -> list[str]:
    """Where the parent's lines are counted, the child's count too."""
    coverage = sys.modules.get("coverage")
    counted = coverage is not None and coverage.Coverage.current() is not None
    return ["-m", "coverage", "run", "--parallel-mode"] if counted else []
