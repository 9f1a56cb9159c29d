"""Processes that must not outlive whoever keeps them, seen by a pipe that breaks only once they have ended."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.model.estimate import unbounded
from secondsite.model.procedure import Step, Verb
from secondsite.operate import guarded
from secondsite.operate.commands import Commands
from secondsite.operate.guarded import run_guarded

_ENDS_MS = 30_000
STEP = Step("announce", Verb.ANNOUNCE, "tell the customers", "they know", unbounded("x", "s", "y"), 60.0)


@frozen
class Read:
    """A pipe with a name: whoever opens it to read runs, and has ended where writing to it is an error."""

    path: Path

    async def running(self) -> int:
        """Returns once somebody reads."""
        return await asyncio.to_thread(os.open, self.path, os.O_WRONLY)


def _has_ended(writing: int) -> bool:
    poll = select.poll()
    poll.register(writing, 0)
    found = poll.poll(_ENDS_MS)
    os.close(writing)
    return bool(found) and bool(found[0][1] & select.POLLERR)


@pytest.fixture
def pipe(tmp_path: Path) -> Read:
    os.mkfifo(tmp_path / "pipe")
    return Read(tmp_path / "pipe")


async def _for_ever() -> None:
    await asyncio.Event().wait()


def test_a_server_that_ends_tells_its_code() -> None:
    assert asyncio.run(run_guarded(["sh", "-c", "exit 7"], _for_ever)) == 7


def test_without_a_server_nothing_is_kept() -> None:
    begun: list[str] = []

    async def keep() -> None:
        begun.append("keeping")

    with pytest.raises(MachineError, match="cannot be started") as error:
        asyncio.run(run_guarded(["/nowhere/nats-server"], keep))
    problem = error.value.problems[0]
    assert (str(problem.place), problem.remedy) == ("/nowhere/nats-server", "give the command that starts the server")
    assert not begun


def test_a_keeper_that_fails_takes_its_server_along(pipe: Read) -> None:
    """A gate that nobody moves any more would stay as it is: open."""
    held: list[int] = []

    async def keep() -> None:
        held.append(await pipe.running())
        raise MachineError.at("gate", "the login is not in the configuration", "render it again")

    with pytest.raises(MachineError, match="the login is not in"):
        asyncio.run(run_guarded(["cat", str(pipe.path)], keep))
    assert _has_ended(held[0])


def test_asked_to_end_it_ends_its_server(pipe: Read) -> None:
    held: list[int] = []

    async def keep() -> None:
        held.append(await pipe.running())
        os.kill(os.getpid(), signal.SIGTERM)
        await _for_ever()

    assert asyncio.run(run_guarded(["cat", str(pipe.path)], keep)) == -signal.SIGTERM
    assert _has_ended(held[0])


def test_a_server_that_does_not_end_is_ended(pipe: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_TERM_S", 0.05)
    held: list[int] = []

    async def keep() -> None:
        held.append(await pipe.running())
        os.kill(os.getpid(), signal.SIGTERM)
        await _for_ever()

    deaf = ["sh", "-c", f"trap '' TERM; exec cat '{pipe.path}'"]
    assert asyncio.run(run_guarded(deaf, keep)) == -signal.SIGKILL
    assert _has_ended(held[0])


def test_a_keeper_that_is_killed_leaves_no_server() -> None:
    """What it prints to is closed once the last of both has ended; the keeper alone was killed."""
    program = (
        "import asyncio\n"
        "from secondsite.operate.guarded import run_guarded\n"
        "asyncio.run(run_guarded(['sh', '-c', 'echo up; exec tail -f /dev/null'], asyncio.Event().wait))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout
        try:
            assert keeper.stdout.readline() == b"up\n"
        finally:
            keeper.kill()
        rest, _ = keeper.communicate(timeout=_ENDS_MS / 1000)
    assert rest == b""


def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(MachineError) as error:
        asyncio.run(Commands({"announce": "echo no such list; exit 3"}).carry_out(STEP))
    problem = error.value.problems[0]
    assert problem.what == "the command for announce ended with 3: no such list"
    assert problem.remedy == "fix the cause, then resume; the command runs again"


def test_a_command_that_fails_silently_is_told_by_its_end() -> None:
    with pytest.raises(MachineError, match="ended with 1: no output"):
        asyncio.run(Commands({str(Verb.ANNOUNCE): "false"}).carry_out(STEP))


def test_a_command_that_nobody_waits_for_ends_with_all_it_started(pipe: Read) -> None:
    """Such as at a step's limit: what goes on behind a failed step would meet the one that is run again."""

    async def run() -> int:
        acting = asyncio.ensure_future(Commands({"announce": f"cat '{pipe.path}'; true"}).carry_out(STEP))
        writing = await pipe.running()
        acting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await acting
        return writing

    assert _has_ended(asyncio.run(run()))
