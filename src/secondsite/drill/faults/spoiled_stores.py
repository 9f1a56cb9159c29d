"""What the count of lost commits is worth: a standby that stops following some seconds before its region is needed.

Nothing tells at the failover: it is promoted as any other, on a new timeline, and takes writes.
"""

from __future__ import annotations

from functools import partial

from secondsite.drill.faults import region_loss
from secondsite.drill.play.stage import Stage
from secondsite.lab.postgres_files import FOLLOWER, SLOT
from secondsite.model.errors import MachineError

LEFT_BEHIND_S = 5.0
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"
_NO_LOGIN = f"ALTER ROLE {FOLLOWER} NOLOGIN"
_NO_SLOT = f"SELECT pg_drop_replication_slot('{SLOT}')"
_TRIES = 50


async def _left_behind(stage: Stage, spoil: str) -> None:
    for store in stage.lab.databases.stores:
        async with stage.lab.databases.server(store, stage.home).place.open() as session:
            for _ in range(_TRIES):  # its standby comes back at once, and a slot in use cannot be dropped
                try:
                    await session.rows(_CUT)
                    await session.rows(spoil)
                    break
                except MachineError:
                    continue
            await session.rows(_CUT)
    stage.note("left-behind", by=spoil)
    await stage.pass_time(LEFT_BEHIND_S, "the standby of each database follows no more")
    await region_loss.play(stage)


SPOILED = (
    (
        "standby-that-replicates-nothing",
        "the database's standby is let in no more",
        partial(_left_behind, spoil=_NO_LOGIN),
    ),
    (
        "replication-slot-gone",
        "the slot that the database's standby follows from is dropped",
        partial(_left_behind, spoil=_NO_SLOT),
    ),
)
