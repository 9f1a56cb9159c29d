"""What a failback did with commits that only the old primary had: each is in a file, or back in the table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from secondsite.drill.ledger.history import History
from secondsite.drill.ledger.ledger import store_stream
from secondsite.drill.play.keys import ids_in, saved_key_ids
from secondsite.drill.play.lab_world import ROWS
from secondsite.drill.play.stage import Stage
from secondsite.lab.postgres_files import TABLE
from secondsite.model.wording import counted

_ON_ITS_WAY_NS = 1_000_000_000
"""What was acknowledged less than this before the moment may not have crossed the link."""
_IDS = f"SELECT id FROM {TABLE}"  # noqa: S608 - our own table


async def observe_saved_rows(stage: Stage, before_ns: int) -> None:
    """Of commits that were acknowledged before the moment, while the load goes on."""
    history = stage.history()
    for store in stage.lab.databases.stores:
        async with stage.lab.databases.server(store, stage.home).place.open() as session:
            there = {str(row[0]) for row in await session.rows(_IDS, within_s=30.0)}
        _observe(stage, store, not_across(history, store, before_ns, there), saved_ids(stage.lab.folder / ROWS))
    for store in stage.lab.stores.redis.stores:
        missing = not_across(history, store, before_ns, await ids_in(stage.lab, store, stage.home))
        _observe(stage, store, missing, saved_key_ids(stage.lab.folder / ROWS))


async def observe_received(stage: Stage, before_ns: int, when: str) -> None:
    """Of commits that were acknowledged before the moment: whether the region that serves now has them."""
    history = stage.history()
    for store in stage.lab.databases.stores:
        async with stage.lab.databases.server(store, stage.away).place.open() as session:
            there = {str(row[0]) for row in await session.rows(_IDS, within_s=30.0)}
        gone = not_across(history, store, before_ns - _ON_ITS_WAY_NS, there)
        stage.observe(f"{counted(len(gone), 'commits')} of {store} from {when} are gone", not gone)


def _observe(stage: Stage, store: str, missing: set[str], saved: set[str]) -> None:
    what = f"{counted(len(missing), 'commits')} of {store} did not get across before the loss"
    stage.note("rows-saved", store=store, missing=len(missing), saved=len(saved))
    stage.observe(f"{what}, and each was saved before {stage.home} was rewound", missing <= saved)


def not_across(history: History, store: str, before_ns: int, there: set[str]) -> set[str]:
    """Commits that were acknowledged before the moment and are not among those that are ``there``."""
    numbers = [number for number, each in enumerate(history.streams) if each.name == store_stream(store)]
    asked = np.isin(history.stream, numbers) & history.acknowledged & (history.ack_ns < before_ns)
    return set(history.message_ids(np.flatnonzero(asked))) - there


def saved_ids(folder: Path) -> set[str]:
    """In all files that rows of the table were saved to."""
    saved: set[str] = set()
    for path in folder.rglob(f"*.{TABLE}.only-there.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            saved |= {row["id"] for row in csv.DictReader(file)}
    return saved
