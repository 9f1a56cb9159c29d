"""What the door to PostgreSQL owes its callers, whichever major version serves: each is tried on a pair of servers."""

from __future__ import annotations

import asyncio
import csv
from contextlib import suppress
from pathlib import Path

import pytest
from postgres_pair import PostgresPair

from secondsite.lab.postgres_files import TABLE
from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_host import COPY, REWIND
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError
from secondsite.stores.postgres_rows import salvage_rows


async def has_one_identity_and_a_timeline_a_promotion(pair: PostgresPair) -> None:
    """A standby has its primary's identity, and a promotion begins a timeline."""
    await pair.write(pair.home, "a", "b")
    await pair.caught_up()
    primary, standby = await pair.server(pair.home).look(), await pair.server(pair.away).look()
    assert (primary.role, standby.role) == ("primary", "standby")
    assert primary.system_identifier == standby.system_identifier
    assert standby.receiving
    assert standby.replayed_at is not None
    assert [each.state for each in primary.followers] == ["streaming"]
    assert [(each.active, each.wal_status) for each in primary.slots] == [(True, "reserved")]
    pair.lab.kill(pair.name(pair.home))
    promoted = await pair.server(pair.away).promote()
    assert (promoted.role, promoted.timeline) == ("primary", primary.timeline + 1)
    assert promoted.system_identifier == primary.system_identifier
    assert await pair.server(pair.away).promote() == await pair.server(pair.away).look()  # again: no more
    await pair.write(pair.away, "c")
    assert await pair.ids(pair.away) == ["a", "b", "c"]
    with pytest.raises(MachineError) as silent:
        await pair.server(pair.home).look()
    assert not isinstance(silent.value, StoreRefusedError)


async def _keep_writing(place: PostgresPlace, stored: list[str], stop: asyncio.Event, why: str) -> None:
    """Lifts whatever a session can lift, and comes back whenever it is thrown out."""
    while not stop.is_set():
        with suppress(MachineError):
            async with place.open() as session:
                await session.rows("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
                await session.rows("SET default_transaction_read_only = off")
                while not stop.is_set():
                    name = f"{why} {len(stored)}"
                    await session.rows(f"INSERT INTO {TABLE} (id, key, data) VALUES (%s, 0, '')", [name])  # noqa: S608
                    stored.append(name)
        await asyncio.sleep(0.005)


async def _writes_after(pair: PostgresPair, stop_it: str) -> int:
    """How many writes a stubborn writer gets in once ``stop_it`` has returned."""
    stored: list[str] = []
    stop = asyncio.Event()
    writer = asyncio.ensure_future(_keep_writing(pair.writer(pair.home), stored, stop, stop_it))
    while len(stored) < 20:  # noqa: ASYNC110 - what it writes is what is waited for
        await asyncio.sleep(0.01)
    if stop_it == "fence":
        assert await pair.server(pair.home).fence() >= 1
    else:
        async with pair.server(pair.home).place.open() as session:
            await session.rows("ALTER SYSTEM SET default_transaction_read_only = on")
            await session.rows("SELECT pg_reload_conf()")
    before = len(stored)
    await asyncio.sleep(0.5)
    stop.set()
    await writer
    return len(stored) - before


async def fences_whoever_lifts_what_a_session_can(pair: PostgresPair) -> None:
    """Where a session's own setting holds nobody."""
    assert await _writes_after(pair, "read only") > 0  # which is why that is no fence
    assert await _writes_after(pair, "fence") == 0
    await pair.caught_up()  # replication goes on
    pair.lab.kill(pair.name(pair.home))
    await pair.lab.restart(pair.name(pair.home))
    with pytest.raises(StoreRefusedError, match="pg_hba"):
        await pair.write(pair.home, "after a restart")
    server = pair.server(pair.home)
    assert (await server.look()).fenced
    await server.fence()
    await server.unfence()
    assert not (await server.look()).fenced
    async with pair.server(pair.home).place.open() as session:
        await session.rows("ALTER SYSTEM RESET default_transaction_read_only")
        await session.rows("SELECT pg_reload_conf()")
    await pair.write(pair.home, "again")


async def saves_what_only_the_old_primary_committed_and_rewinds_it(pair: PostgresPair, folder: Path) -> None:
    """The old primary follows, right after the promotion, and has what the new one has."""
    await pair.write(pair.home, "a", "b")
    await pair.caught_up()
    await pair.lab.wan.cut(pair.home, pair.away)
    await pair.write(pair.home, "only there", "and there")
    await pair.lab.kill_region(pair.home)
    await pair.server(pair.away).promote()
    await pair.write(pair.away, "c")
    await pair.lab.restart_region(pair.home, isolated=True)
    tables = await salvage_rows(pair.server(pair.home).place, pair.server(pair.away).place, folder)
    found = {table.name: table for table in tables}[f"postgres.public.{TABLE}"]
    assert found.keys == ("and there", "only there")
    assert found.file is not None
    with found.file.open(encoding="utf-8", newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == {"and there", "only there"}
    with pytest.raises(InputError, match="earlier salvage"):
        await salvage_rows(pair.server(pair.home).place, pair.server(pair.away).place, folder)
    with pytest.raises(InputError, match="a server runs"):
        await pair.host(pair.home).follow(pair.server(pair.away).place)
    pair.lab.kill(pair.name(pair.home))
    followed = await pair.host(pair.home).follow(pair.server(pair.away).place)
    assert (followed.how, followed.why) == (REWIND, "")
    await pair.lab.restart(pair.name(pair.home))
    assert (await pair.server(pair.home).look()).standby
    position = (await pair.server(pair.away).look()).position
    assert await pair.server(pair.home).replayed_up_to(position, 10.0)
    assert await pair.ids(pair.home) == ["a", "b", "c"]


async def copies_anew_what_cannot_be_rewound(pair: PostgresPair) -> None:
    """The old files stay."""
    await pair.write(pair.home, "a")
    await pair.caught_up()
    pair.lab.kill(pair.name(pair.home))
    await pair.server(pair.away).promote()
    host = pair.host(pair.home)
    for history in (host.data / "pg_wal").glob("0000*"):  # nothing tells any more where the two parted
        history.unlink()
    followed = await host.follow(pair.server(pair.away).place)
    assert followed.how == COPY
    assert followed.why
    assert followed.kept is not None
    assert (followed.kept / "PG_VERSION").exists()
    await pair.lab.restart(pair.name(pair.home))
    assert await pair.ids(pair.home) == ["a"]
