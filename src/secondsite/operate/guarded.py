"""A server whose life hangs on its gate's keeper: started shut, as the keeper's child, ended with it by the kernel.

Otherwise a keeper that dies leaves the gate as it was, open, for ever: the gate would fail open.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence

from secondsite.model.errors import MachineError
from secondsite.nats.tasks import end_tasks

_PR_SET_PDEATHSIG = 1
_TERM_S = 60.0
"""A server in lame duck mode is given so long."""


async def run_guarded(command: Sequence[str], keep: Callable[[], Awaitable[None]]) -> int:
    """Until the server ends, or this is asked to: the server's exit code. Raises MachineError without a server."""
    parent = os.getpid()
    try:
        server = await asyncio.create_subprocess_exec(*command, preexec_fn=lambda: _die_with(parent))
    except OSError as error:
        what = f"cannot be started ({error.strerror})"
        raise MachineError.at(command[0], what, "give the command that starts the server") from None
    keeper, ended = asyncio.ensure_future(keep()), asyncio.ensure_future(server.wait())
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    called_off = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({keeper, ended, called_off}, return_when=asyncio.FIRST_COMPLETED)
        if keeper.done():
            keeper.result()
    finally:
        await _end(server)
        await end_tasks(keeper, ended, called_off)
    return server.returncode or 0


def as_child(arguments: Sequence[str]) -> int | None:
    """The first process of a container is spared by every signal from within it, its own timers' among them: run the
    same command as its child, which is not. The child's exit code; None where this is not the first process."""
    if os.getpid() != 1:
        return None
    child = subprocess.Popen([sys.executable, *arguments])  # noqa: S603 - this very command
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: child.send_signal(number))
    code = child.wait()
    return 128 - code if code < 0 else code


def _die_with(parent: int) -> None:
    """In the child, before it becomes the server. Linux: its parent's death is a SIGKILL to it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before this was asked for
        os.kill(os.getpid(), signal.SIGKILL)


async def _end(server: asyncio.subprocess.Process) -> None:
    if server.returncode is not None:
        return
    server.terminate()
    try:
        async with asyncio.timeout(_TERM_S):
            await server.wait()
    except TimeoutError:
        server.kill()
        await server.wait()
