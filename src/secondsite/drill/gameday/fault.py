"""The fault of a game day, and its undoing: by the cluster's door, or by commands that somebody wrote.

Whoever does harm has its undoing ready first: a record in the cluster that a guard there reads, or a process of its own
that waits for the deadline and outlives this one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import Protocol

from attrs import define, field

from secondsite.kube.cluster import ClusterPlace
from secondsite.kube.faults import FaultRecord, inflict, standing, undo, write
from secondsite.model.errors import MachineError

_TAIL = 400


class FaultDoor(Protocol):
    async def prepare(self) -> None:
        """From here on it is undone by itself; nothing is harmed yet."""
        ...

    async def inflict(self) -> None: ...

    async def undo(self) -> None:
        """Also of a part; again it changes nothing."""
        ...

    async def stands(self) -> bool:
        """Whether it is there still: its deadline may have passed."""
        ...


@define
class ClusterFault:
    place: ClusterPlace
    record: FaultRecord

    async def prepare(self) -> None:
        async with self.place.open() as cluster:
            await write(cluster, self.record)

    async def inflict(self) -> None:
        async with self.place.open() as cluster:
            await inflict(cluster, self.record)

    async def undo(self) -> None:
        """Of this record alone: another game day's is not ours to give back."""
        async with self.place.open() as cluster:
            there = await standing(cluster, self.record.namespaces[0])
            if there is not None and there.record.id == self.record.id:
                await undo(cluster, there.record)

    async def stands(self) -> bool:
        async with self.place.open() as cluster:
            there = await standing(cluster, self.record.namespaces[0])
        return there is not None and there.record.id == self.record.id


@define
class CommandFault:
    """``away`` takes the region away, ``back`` gives it back: both by a shell, both may run twice."""

    away: str
    back: str
    lasts_s: float
    _waiting: subprocess.Popen[bytes] | None = field(default=None, init=False)

    async def prepare(self) -> None:
        """The shell that waits is no child that ends with us: a session of its own, whose standard input nobody holds.

        It dies with this machine alone.
        """
        script = f"sleep {self.lasts_s:g}; {self.back}"
        self._waiting = await asyncio.to_thread(
            subprocess.Popen,
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def inflict(self) -> None:
        await _run(self.away)

    async def undo(self) -> None:
        await _run(self.back)
        if self._waiting is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._waiting.pid, signal.SIGKILL)
            await asyncio.to_thread(self._waiting.wait)
            self._waiting = None

    async def stands(self) -> bool:
        return self._waiting is not None and self._waiting.poll() is None


async def _run(command: str) -> None:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True
    )
    output, _ = await process.communicate()
    if process.returncode:
        tail = output.decode("utf-8", "replace").strip()[-_TAIL:] or "it said nothing"
        raise MachineError.at(command, f"ended with {process.returncode}: {tail}", "correct the command")
