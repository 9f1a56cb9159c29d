"""A long transaction reads on the standby of a database while the primary changes the table, then the region is lost.

What the primary commits from then on arrives and is not replayed: it waits for the reader. So nothing of it may be
lost, and the promotion may not wait as long as the reader likes.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from secondsite.drill.faults import region_loss
from secondsite.drill.faults.split_brain import fits
from secondsite.drill.faults.spoiled_stores import leave_behind
from secondsite.drill.play.saved_rows import observe_received
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.postgres_files import TABLE
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.procedure import Verb

_HELD_S = 4.0
_LONG_S = 3600
_PROMOTED_WITHIN_S = 20.0
"""A reader is given 30 s by default (max_standby_streaming_delay) before PostgreSQL itself ends it."""
_BEGUN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    f"SELECT count(*) FROM {TABLE}",  # noqa: S608 - our own table
)
_CHANGED = f"ALTER TABLE {TABLE} ADD COLUMN seen text"


async def play(stage: Stage, *, received: bool = True) -> None:
    """``received``: the standby gets what it cannot replay."""
    databases = stage.lab.databases
    begun = asyncio.Event()
    stage.background(_report(stage, begun))
    await begun.wait()
    for store in databases.stores:
        async with databases.server(store, stage.home).place.open() as session:
            await session.rows(_CHANGED)
    if not received:
        await leave_behind(stage)
    await stage.pass_time(_HELD_S, "a report holds up what the standby replays")
    for store in databases.stores:
        look = await databases.server(store, stage.away).look()
        held = look.position - look.replayed
        stage.observe(f"{store} in {stage.away} has {held:,} bytes of WAL that it has not replayed", held > 0)
    gap_ns = time.monotonic_ns()
    await region_loss.play(stage)
    took_s = stage.took_s.get(str(Verb.PROMOTE_STORES), 0.0)
    what = f"promoting the databases took {took_s:.1f} s, beside a report that would go on for an hour"
    stage.observe(what, stage.stores_back() and took_s < _PROMOTED_WITHIN_S)
    await observe_received(stage, gap_ns, "while the report ran")


async def _report(stage: Stage, begun: asyncio.Event) -> None:
    """In each database of the standby, until somebody ends it."""
    for store in stage.lab.databases.stores:
        try:
            async with stage.lab.databases.server(store, stage.away).place.open() as session:
                for statement in _BEGUN:
                    await session.rows(statement)
                begun.set()
                await session.rows(f"SELECT pg_sleep({_LONG_S})", within_s=float(_LONG_S))
        except MachineError as error:
            begun.set()
            stage.note("report-ended", why=error.problems[0].what)


not_received = partial(play, received=False)
DRILL = Drill(
    "long-report",
    "a long transaction reads on the standby, then the region is lost",
    Fault.REGION,
    play,
    fits,
    subjects=(),
    databases=True,
)
