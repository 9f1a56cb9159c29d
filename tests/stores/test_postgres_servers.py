"""The door to PostgreSQL against real servers: what it says, what its fence holds, what a rewind may not lose."""

from __future__ import annotations

import asyncio
import csv
from contextlib import suppress
from pathlib import Path

import pytest
from in_loop import in_loop
from needed import missing
from postgres_pair import PostgresPair, postgres_pair

from secondsite.cli.__main__ import app
from secondsite.lab.postgres_files import TABLE, tools
from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_host import COPY, REWIND, PostgresHost
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError, postgres_place
from secondsite.stores.postgres_rows import salvage_rows

pytestmark = pytest.mark.slow


@in_loop
async def test_a_standby_has_its_primary_s_identity_and_a_promotion_begins_a_timeline() -> None:
    async with postgres_pair() as pair:
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


@in_loop
async def test_the_fence_holds_against_a_writer_that_lifts_what_a_session_can() -> None:
    async with postgres_pair() as pair:
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


@in_loop
async def test_a_fence_is_refused_where_no_rule_could_tell_writers_from_us() -> None:
    async with postgres_pair() as pair:
        mine = pair.server(pair.home).place.conninfo
        import psycopg

        async with await psycopg.AsyncConnection.connect(mine, application_name="the app"):
            with pytest.raises(StoreRefusedError, match="the app"):
                await pair.server(pair.home).fence()
        assert not (await pair.server(pair.home).look()).fenced
        with pytest.raises(StoreRefusedError, match="standby"):
            await pair.server(pair.away).fence()


@in_loop
async def test_what_only_the_old_primary_committed_is_found_and_saved_before_it_is_rewound(tmp_path: Path) -> None:
    async with postgres_pair() as pair:
        await pair.write(pair.home, "a", "b")
        await pair.caught_up()
        await pair.lab.wan.cut(pair.home, pair.away)
        await pair.write(pair.home, "only there", "and there")
        await pair.lab.kill_region(pair.home)
        await pair.server(pair.away).promote()
        await pair.write(pair.away, "c")
        await pair.lab.restart_region(pair.home, isolated=True)
        tables = await salvage_rows(pair.server(pair.home).place, pair.server(pair.away).place, tmp_path)
        found = {table.name: table for table in tables}[f"postgres.public.{TABLE}"]
        assert found.keys == ("and there", "only there")
        assert found.file is not None
        with found.file.open(encoding="utf-8", newline="") as file:
            assert {row["id"] for row in csv.DictReader(file)} == {"and there", "only there"}
        with pytest.raises(InputError, match="earlier salvage"):
            await salvage_rows(pair.server(pair.home).place, pair.server(pair.away).place, tmp_path)
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


@in_loop
async def test_what_cannot_be_rewound_is_copied_anew_and_the_old_files_stay() -> None:
    async with postgres_pair() as pair:
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


@in_loop
async def test_the_verbs_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with postgres_pair() as pair:
        await pair.write(pair.home, "a")
        await pair.caught_up()
        old, new = pair.server(pair.home).place.conninfo, pair.server(pair.away).place.conninfo

        def told(*words: str) -> tuple[int, str]:
            code = app([*words], result_action="return_value")
            return code, capsys.readouterr().out

        run = asyncio.to_thread
        assert "primary: PostgreSQL" in (await run(told, "postgres", "status", old))[1]
        assert (await run(told, "postgres", "caught-up", new, old))[0] == 0
        assert "sessions ended" in (await run(told, "postgres", "fence", old))[1]
        assert "primary on timeline 2" in (await run(told, "postgres", "promote", new))[1]
        assert (await run(told, "postgres", "salvage", old, new, "--folder", str(tmp_path)))[0] == 0
        assert "fence removed" in (await run(told, "postgres", "unfence", old))[1]


def test_a_password_on_the_command_line_is_refused_and_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    if tools() is None:
        missing("psycopg is not installed: pip install 'secondsite[lab]'")
    secret = "postgresql://app:s3cret@127.0.0.9:1/app"
    with pytest.raises(InputError, match="every user") as refused:
        postgres_place(secret, "DSN")
    monkeypatch.setenv("DR_PG", secret)
    place = postgres_place("env:DR_PG", "DSN")
    assert "s3cret" not in f"{refused.value} {place!r} {place.shown}"
    with pytest.raises(InputError, match="no DR_NONE"):
        postgres_place("env:DR_NONE", "DSN")
    with pytest.raises(InputError, match="connection string"):
        postgres_place("neither=this nor that", "DSN")


@in_loop
async def test_no_password_is_in_the_list_of_processes(tmp_path: Path) -> None:
    """The tools get it through the environment, and the standby's settings are its owner's alone."""
    if tools() is None:
        missing("psycopg is not installed: pip install 'secondsite[lab]'")
    told, data = tmp_path / "told", tmp_path / "data"
    data.mkdir()
    rewind = tmp_path / "pg_rewind"
    rewind.write_text(f'#!/bin/sh\necho "$@" > {told}\necho "$PGPASSWORD" >> {told}\n', encoding="utf-8")
    rewind.chmod(0o755)
    place = PostgresPlace("host=127.0.0.1 user=op password=s3cret")
    assert (await PostgresHost(data, tmp_path).follow(place, "standby")).how == REWIND
    arguments, environment = told.read_text(encoding="utf-8").splitlines()
    assert "s3cret" not in arguments
    assert environment == "s3cret"
    settings = data / "postgresql.auto.conf"
    assert "primary_slot_name = 'standby'" in settings.read_text(encoding="utf-8")
    assert settings.stat().st_mode & 0o077 == 0
