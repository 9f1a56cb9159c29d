"""Schedules one after another until the time is over; one under which a law breaks is made as small as it can be.

Each is played in a process of its own, so that nothing of one is left for the next. A schedule that could not be played
is told as that, and counts as nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import cattrs
from attrs import define, evolve, field, frozen

from secondsite.drill.explore.play import Played
from secondsite.drill.explore.schedule import FaultSchedule, draw, schedule_json, smaller, spoil
from secondsite.drill.explore.worker import Order

_PLAY_WITHIN_S = 400.0
_TAIL = 1500
SHRINKS = 30
"""Plays that making one schedule smaller may take."""


@frozen
class Explored:
    """``played`` is None where it could not be: ``died`` says why. ``least`` is the smallest schedule that breaks."""

    schedule: FaultSchedule
    played: Played | None
    died: str = ""
    least: FaultSchedule | None = None
    file: str = ""

    @property
    def laws(self) -> frozenset[str]:
        return frozenset(one.law for one in self.played.breaches) if self.played else frozenset()

    def plain(self) -> Mapping[str, Any]:
        played = self.played
        return {
            "seed": self.schedule.seed,
            "schedule": self.schedule.text,
            "holds": None if played is None else not played.breaches,
            "breaches": [one.text for one in played.breaches] if played else [],
            "longest_without_writer_s": {k: round(v, 2) for k, v in played.silences_s.items()} if played else {},
            "both_sides": played.overlap if played else 0,
            "both_sides_s": round(played.overlap_s, 2) if played else 0.0,
            "acknowledged": played.promises if played else 0,
            "died": self.died,
            "least": self.least.text if self.least else "",
            "file": self.file,
        }


def can_mount() -> bool:
    """Whether a process can be given disks of its own."""
    unshare, mount = shutil.which("unshare"), shutil.which("mount")
    if not unshare or not mount:
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [unshare, "-rm", mount, "-t", "tmpfs", "tmpfs", folder]
        return not subprocess.run(command, capture_output=True, check=False).returncode  # noqa: S603 - fixed


@define
class Search:
    """``root``: where schedules that break a law are written. ``report`` gets a line for each."""

    system: Path
    strategy: str
    root: Path
    report: Callable[[Explored], None]
    rate_per_s: float = 60.0
    jobs: int = 1
    disks: bool = field(factory=can_mount)

    def drawn(self, seed: int, minutes: float, control: str = "") -> list[Explored]:
        """Those that began within the time. What one of them breaks is made small before the next are drawn."""
        end_s, seeds = time.monotonic() + 60 * minutes, _counted(seed)
        done: list[Explored] = []
        with ThreadPoolExecutor(self.jobs) as pool:
            running: set[Future[Explored]] = set()
            while running or time.monotonic() < end_s:
                while len(running) < self.jobs and time.monotonic() < end_s:
                    schedule = spoil(draw(next(seeds), disk=self.disks), control)
                    running.add(pool.submit(self._explore, schedule))
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    done.append(future.result())
                    self.report(done[-1])
        return done

    def _explore(self, schedule: FaultSchedule) -> Explored:
        explored = self.play(schedule)
        return self.made_small(explored) if explored.laws else explored

    def made_small(self, explored: Explored) -> Explored:
        """The least schedule that breaks one of the same laws, written down."""
        least, left = explored, SHRINKS
        while left:
            for candidate in smaller(least.schedule):
                left -= 1
                tried = self.play(candidate)
                if tried.laws & explored.laws:
                    least = tried
                    break
                if not left:
                    break
            else:
                break
        return evolve(explored, least=least.schedule, file=str(self._write(least)))

    def _write(self, explored: Explored) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        control = f"-{explored.schedule.spoiled}" if explored.schedule.spoiled else ""
        path = self.root / f"seed-{explored.schedule.seed}{control}.json"
        plain = json.loads(schedule_json(explored.schedule))
        plain["breaches"] = [one.text for one in explored.played.breaches] if explored.played else []
        path.write_text(json.dumps(plain, indent=2) + "\n", "utf-8")
        if explored.played:
            path.with_suffix(".log").write_text("\n".join(explored.played.log) + "\n", "utf-8")
        return path

    def play(self, schedule: FaultSchedule) -> Explored:
        with tempfile.TemporaryDirectory(prefix="secondsite-explore-", ignore_cleanup_errors=True) as folder:
            return self._in_a_process(schedule, Path(folder))

    def _in_a_process(self, schedule: FaultSchedule, folder: Path) -> Explored:
        order = Order(schedule, str(self.system), self.strategy, str(folder / "lab"), self.rate_per_s, self.disks)
        asked, answered = folder / "order.json", folder / "result.json"
        asked.write_text(json.dumps(cattrs.unstructure(order)), "utf-8")
        command = [sys.executable, "-m", "secondsite.drill.explore.worker", str(asked), str(answered)]
        apart = [shutil.which("unshare") or "unshare", "-rm"] if self.disks else []
        try:
            done = subprocess.run(  # noqa: S603 - our own module
                [*apart, *command], capture_output=True, check=False, timeout=_PLAY_WITHIN_S
            )
        except subprocess.TimeoutExpired:
            return Explored(schedule, None, f"it did not end within {_PLAY_WITHIN_S:g} s")
        if not answered.exists():
            return Explored(schedule, None, done.stderr.decode(errors="replace")[-_TAIL:] or f"exit {done.returncode}")
        result = json.loads(answered.read_text("utf-8"))
        if "died" in result:
            return Explored(schedule, None, str(result["died"]))
        return Explored(schedule, cattrs.structure(result["played"], Played))


def _counted(seed: int) -> Iterator[int]:
    while True:
        yield seed
        seed += 1
