"""The region is lost in the middle of a schema migration: its first half is on the standby, where old clients write.

A migration that can stop anywhere adds before it demands (expand, then contract): its first half takes writes of both
versions. The other half is applied once the standby serves.
"""

from __future__ import annotations

from functools import partial

from secondsite.drill.faults import region_loss
from secondsite.drill.faults.split_brain import fits
from secondsite.drill.play.script import Drill
from secondsite.drill.play.stage import Stage
from secondsite.lab.postgres_files import TABLE
from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault

_EXPAND = (f"ALTER TABLE {TABLE} ADD COLUMN note text",)
_DEMAND = (
    f"ALTER TABLE {TABLE} ADD COLUMN note text NOT NULL DEFAULT ''",
    f"ALTER TABLE {TABLE} ALTER COLUMN note DROP DEFAULT",
)
_CONTRACT = (
    f"ALTER TABLE {TABLE} ALTER COLUMN note SET DEFAULT ''",
    f"UPDATE {TABLE} SET note = '' WHERE note IS NULL",  # noqa: S608 - our own table
    f"ALTER TABLE {TABLE} ALTER COLUMN note SET NOT NULL",
)
_ACROSS_S = 10.0


async def play(stage: Stage, first: tuple[str, ...] = _EXPAND) -> None:
    databases = stage.lab.databases
    for store in databases.stores:
        await _apply(stage, store, stage.home, first)
        position = (await databases.server(store, stage.home).look()).position
        await databases.server(store, stage.away).replayed_up_to(position, _ACROSS_S)
    stage.note("half-migrated", statements=list(first))
    await region_loss.play(stage)
    for store in databases.stores:
        written = stage.stores_back()
        stage.observe(f"with half of the migration {store} accepts writes of clients that do not know it", written)
        try:
            await _apply(stage, store, stage.away, _CONTRACT)
        except MachineError as error:
            stage.observe(f"the other half cannot be applied to {store}: {error.problems[0].what}", False)
        else:
            stage.observe(f"the other half of the migration is applied to {store}", True)


async def _apply(stage: Stage, store: str, region: str, statements: tuple[str, ...]) -> None:
    async with stage.lab.databases.server(store, region).place.open() as session:
        for statement in statements:
            await session.rows(statement)


demanding = partial(play, first=_DEMAND)
DRILL = Drill(
    "half-migrated",
    "the region is lost in the middle of a migration",
    Fault.REGION,
    play,
    fits,
    subjects=(),
    databases=True,
)
