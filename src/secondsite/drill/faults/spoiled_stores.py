"""What the count of lost commits is worth: a standby that stops following some seconds before its region is needed.

Nothing tells at the failover: it is promoted as any other, on a new timeline, and takes writes.
"""

from __future__ import annotations

from functools import partial

from attrs import evolve

from secondsite.drill.faults import region_loss
from secondsite.drill.faults.spoiled_kinds import of_system
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.stage import Stage
from secondsite.model.errors import MachineError
from secondsite.model.store import Loss
from secondsite.strategies.store_servers import FOLLOWER, SLOT
from secondsite.strategies.stores import REDIS

LEFT_BEHIND_S = 5.0
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"
_NO_LOGIN = f"ALTER ROLE {FOLLOWER} NOLOGIN"
NO_SLOT = f"SELECT pg_drop_replication_slot('{SLOT}')"
_TRIES = 50


async def _left_behind(stage: Stage, spoil: str) -> None:
    await leave_behind(stage, spoil)
    await region_loss.play(stage)


async def leave_behind(stage: Stage, spoil: str = _NO_LOGIN) -> None:
    """Some seconds of commits do not get across any more."""
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
    await stage.pass_time(LEFT_BEHIND_S, "the standby of each database stops replicating")


async def keys_left_behind(stage: Stage) -> None:
    for store in stage.lab.stores.redis.stores:
        async with stage.lab.stores.redis.server(store, stage.home).place.open() as session:
            await session.ask("ACL", "SETUSER", FOLLOWER, "off")
            await session.ask("CLIENT", "KILL", "TYPE", "replica")
    stage.note("left-behind", by="the replica's user is disabled")
    await stage.pass_time(LEFT_BEHIND_S, "the replica of each Redis stops replicating")
    await region_loss.play(stage)


def as_it_is(setup: Setup) -> Setup:
    return setup


def with_keys(setup: Setup) -> Setup:
    """Its caches hold data: each has a replica in the other region."""
    stores = tuple(evolve(each, loss=Loss.DATA) if each.engine in REDIS else each for each in setup.system.stores)
    return of_system(setup, evolve(setup.system, stores=stores))


SPOILED = (
    (
        "standby-that-replicates-nothing",
        "the database's standby can no longer log in",
        partial(_left_behind, spoil=_NO_LOGIN),
        as_it_is,
    ),
    (
        "replica-that-receives-nothing",
        "the user of the Redis replica is disabled",
        keys_left_behind,
        with_keys,
    ),
)
