"""SIGKILL to a database that serves: its container starts again on the same volume, and every commit is there."""

from __future__ import annotations

import asyncio
import shutil
import time

import numpy as np

from secondsite.drill.check.checker import check
from secondsite.drill.check.findings import Fate
from secondsite.drill.faults.pods import without_decision
from secondsite.drill.faults.split_brain import fits
from secondsite.drill.ledger.finals import Finals
from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.ledger import store_stream
from secondsite.drill.play.databases import read_tables
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.model.fault import Fault

_RESTARTED_S = 1.0
_WITHIN_S = 30.0


async def play(stage: Stage, *, volume: bool = True) -> None:
    """``volume``: whether its files outlive the container."""
    for store in stage.lab.databases.stores:
        database = stage.lab.databases.find(store, stage.home)
        await stage.strike()
        stage.struck(stage.lab.kill(database.name), f"{database.name} is killed")
        without_decision(stage)
        await asyncio.sleep(_RESTARTED_S)
        if not volume:
            await asyncio.to_thread(shutil.rmtree, stage.lab.databases.data(database))
        await stage.lab.restart(database.name)
        restarted_ns = time.monotonic_ns()
        again_s = await _committing(stage, store, restarted_ns)
        how = "never" if again_s is None else f"{again_s:.1f} s after its server was"
        stage.observe(f"{store} takes commits again: {how}", again_s is not None)
        lost, commits = await _lost(stage, store)
        stage.observe(f"{lost} of {commits} commits that {store} had acknowledged are gone", lost == 0)


async def _committing(stage: Stage, store: str, since_ns: int) -> float | None:
    end = time.monotonic() + _WITHIN_S
    while time.monotonic() < end:
        stage.load.check()
        mine = _history(stage, store)
        after = mine.ack_ns[mine.acknowledged & (mine.ack_ns > since_ns)]
        if len(after):
            return (int(after.min()) - since_ns) / 1e9
        await asyncio.sleep(0.5)
    return None


async def _lost(stage: Stage, store: str) -> tuple[int, int]:
    """Of what was acknowledged before the table was read: what is not in it, and how much that was."""
    history = stage.history()
    copies = await read_tables(stage.lab, stage.load.clients[0].run, stage.home)
    mine = history.acknowledged & np.isin(history.stream, _numbers(history, store))
    fate = check(history, Finals(list(copies))).marks.fate
    return int((mine & (fate == Fate.ACKNOWLEDGED_LOST)).sum()), int(mine.sum())


def _numbers(history: History, store: str) -> list[int]:
    return [number for number, each in enumerate(history.streams) if each.name == store_stream(store)]


def _history(stage: Stage, store: str) -> History:
    whole = stage.history()
    return whole.only(*_numbers(whole, store))


async def without_volume(stage: Stage) -> None:
    await play(stage, volume=False)


DRILL = Drill(
    "database-killed",
    "the process of a database is killed",
    Fault.PROCESS,
    play,
    fits,
    moves=False,
    subjects=(),
    databases=True,
)
