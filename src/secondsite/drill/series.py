"""The runs of a campaign beside each other, each in a process of its own: labs stand ready while others are measured.

Only so many are measured at a time, and nothing of a measurement is shortened; what waits, waits idle.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from secondsite.drill.evidence.campaign import CampaignRecord
from secondsite.drill.evidence.chain import last_hash
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.turn import Slots, Turn
from secondsite.drill.registry import find_drill
from secondsite.drill.run import RunOf, RunResult, run_drill
from secondsite.drill.verdict.judgement import RunJudgement
from secondsite.lab.claim import free_blocks
from secondsite.model.errors import SecondsiteError

_LAB_BYTES = 600 << 20
_MEASURED_S = 20.0
_LOOK_S = 0.5


@frozen
class RunOrder:
    """``of`` which campaign; ``root`` is where evidence goes."""

    drill: str
    setup: Setup
    root: Path
    of: RunOf


@frozen
class _Done:
    """A RunResult without what the parent knows, so that it can be sent."""

    evidence: Path
    boot_s: float
    versions: dict[str, str]
    judgement: RunJudgement
    people: tuple[str, ...]


@frozen
class SeriesSize:
    """``labs`` stand at once, ``measured`` of them are under load."""

    labs: int
    measured: int


def series_size(runs: int, waits_s: float, measured: int | None = None, *, one_address: bool = False) -> SeriesSize:
    """Three measurements on two cores; as many labs as grow old meanwhile, and as memory and addresses are free for."""
    cores = os.cpu_count() or 1
    at_once = min(runs, measured or max(1, 3 * cores // 2))
    standing = at_once + 1 + math.ceil(waits_s / _MEASURED_S * at_once)
    fits = max(1, _free_bytes() // _LAB_BYTES)
    return SeriesSize(max(1, min(runs, standing, fits, free_blocks(one=one_address))), at_once)


def _free_bytes() -> int:
    """Of memory; where the system does not tell (macOS), of one lab, so that runs follow one another."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except ValueError:
        return _LAB_BYTES


@define
class RunSeries:
    """``record`` knows of every run before its process starts. ``begin`` says whom to tell what a run does.

    ``ended``: with the place of the run among the orders, and the result or why there is none.
    """

    size: SeriesSize
    record: CampaignRecord
    begin: Callable[[], Callable[[str], None]]
    ended: Callable[[int, RunResult | str], None]
    _running: dict[int, SpawnProcess] = field(init=False, factory=dict)
    _ids: dict[int, str] = field(init=False, factory=dict)
    _tellers: dict[int, Callable[[str], None]] = field(init=False, factory=dict)

    def run(self, orders: Sequence[RunOrder]) -> None:
        """Returns when all have ended, well or not; ends them all where it is interrupted."""
        context = multiprocessing.get_context("spawn")
        slots = context.BoundedSemaphore(self.size.measured)
        messages: Queue[tuple[int, Any]] = context.Queue()
        waiting = list(range(len(orders)))
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self.size.labs:
                    number = waiting.pop(0)
                    work = context.Process(target=_work, args=(number, self._begun(number, orders), slots, messages))
                    work.start()
                    self._running[number] = work
                self._take(orders, messages)
        finally:
            for work in self._running.values():
                work.terminate()
            for work in self._running.values():
                work.join()

    def _begun(self, number: int, orders: Sequence[RunOrder]) -> RunOrder:
        order = orders[number]
        self._ids[number] = self.record.begun(order.of.number)
        self._tellers[number] = self.begin()
        return evolve(order, of=evolve(order.of, id=self._ids[number], campaign=self.record.id))

    def _died(self, number: int, why: str) -> None:
        self.record.died(self._ids[number], why)
        self.ended(number, why)

    def _take(self, orders: Sequence[RunOrder], messages: Queue[tuple[int, Any]]) -> None:
        try:
            number, what = messages.get(timeout=_LOOK_S)
        except queue.Empty:
            self._look_for_dead()
            return
        if isinstance(what, str):
            self._tellers[number](what)
            return
        self._running.pop(number).join()
        if isinstance(what, _Done):
            order = orders[number]
            sent = (what.evidence, what.boot_s, what.versions, what.judgement, what.people)
            self.record.ended(self._ids[number], last_hash(what.evidence))
            self.ended(number, RunResult(find_drill(order.drill), order.setup, *sent))
        else:
            self._died(number, "; ".join(str(problem) for problem in what))

    def _look_for_dead(self) -> None:
        """A process that was killed says nothing."""
        for number, work in list(self._running.items()):
            if not work.is_alive():
                del self._running[number]
                self._died(number, f"its process ended with {work.exitcode}")


def end_with_parent() -> None:
    """A campaign that was killed leaves no run behind, and with the run goes its lab."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _work(number: int, order: RunOrder, slots: Slots, messages: Queue[tuple[int, Any]]) -> None:
    end_with_parent()

    def report(what: str) -> None:
        messages.put((number, what))

    run = run_drill(find_drill(order.drill), order.setup, order.root, report, run=order.of, turn=Turn(slots))
    try:
        result = asyncio.run(run)
    except SecondsiteError as error:
        messages.put((number, error.problems))
    except KeyboardInterrupt:
        return
    else:
        done = _Done(result.evidence, result.boot_s, result.versions, result.judgement, result.people)
        messages.put((number, done))
