"""Clocks of a lab's own that are off: of the shipped programs that run on Python, by a file for each that they look at.

nats-server has no such thing (one static binary); the gate that is its parent, and what its lease depends on, have.
What ships knows nothing of it: the lab starts the same command by way of `skewed.py`.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

from attrs import evolve, frozen

_FORMAT = "<dddd"
SIZE = struct.calcsize(_FORMAT)
_APART_S = 30.0
_PROGRAM = (sys.executable, "-m", "secondsite")


@frozen
class ClockSkew:
    """``wall_s`` and ``ahead_s``: by how much the wall clock and the monotonic ones are off. ``faster``: the share of a
    second that the latter gain with each second since ``since_s``, on the true monotonic clock."""

    wall_s: float = 0.0
    ahead_s: float = 0.0
    faster: float = 0.0
    since_s: float = 0.0

    def off_s(self, true_s: float) -> float:
        """What the monotonic clocks are off by."""
        return self.ahead_s + (true_s - self.since_s) * self.faster

    def drifting(self, faster: float, now_s: float) -> ClockSkew:
        """From now on; what it gained stays."""
        return evolve(self, ahead_s=self.off_s(now_s), faster=faster, since_s=now_s)

    @property
    def data(self) -> bytes:
        return struct.pack(_FORMAT, self.wall_s, self.ahead_s, self.faster, self.since_s)

    @classmethod
    def of(cls, data: bytes) -> ClockSkew:
        return cls(*struct.unpack(_FORMAT, data))


@frozen
class ClockFile:
    """Written by the lab, looked at by one process at each look at a clock."""

    path: Path

    def begin(self, skew: ClockSkew) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(skew.data)

    def read(self) -> ClockSkew:
        return ClockSkew.of(self.path.read_bytes())

    def step(self, wall_s: float) -> None:
        """As by an operator, or by NTP: the wall clock jumps, the others do not."""
        self._write(evolve(self.read(), wall_s=wall_s))

    def drift(self, faster: float) -> None:
        self._write(self.read().drifting(faster, time.monotonic()))

    def _write(self, skew: ClockSkew) -> None:
        """In its place: whoever looks has it mapped."""
        with self.path.open("r+b") as file, mmap.mmap(file.fileno(), SIZE) as mapped:
            mapped[:] = skew.data


@frozen
class LabClocks:
    """Of every program of ours in the lab, by its name. Those of one region begin apart from the others', as the clocks
    of machines do that were started on different days: whoever compared two would be seen."""

    folder: Path
    regions: tuple[str, ...]

    def of(self, name: str) -> ClockFile:
        return ClockFile(self.folder / f"{name}.clock")

    def on(self, name: str, region: str, command: tuple[str, ...]) -> tuple[str, ...]:
        """The same command with a clock of its own, where it is a program of ours. One that was begun goes on."""
        if command[:3] != _PROGRAM:
            return command
        file = self.of(name)
        if not file.path.exists():
            file.begin(ClockSkew(ahead_s=_APART_S * self.regions.index(region) if region else 0.0))
        return (sys.executable, "-m", "secondsite.lab.skewed", str(file.path), *command[3:])
