"""The door to PostgreSQL against real servers: what it says, what its fence holds, what a rewind may not lose."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from in_loop import in_loop
from needed import missing
from postgres_conformance import (
    copies_anew_what_cannot_be_rewound,
    fences_whoever_lifts_what_a_session_can,
    has_one_identity_and_a_timeline_a_promotion,
    saves_what_only_the_old_primary_committed_and_rewinds_it,
)
from postgres_pair import postgres_pair

from secondsite.cli.__main__ import app
from secondsite.lab.postgres_files import tools
from secondsite.model.errors import InputError
from secondsite.stores.postgres_host import REWIND, PostgresHost
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError, postgres_place

pytestmark = pytest.mark.slow


@in_loop
async def test_a_standby_has_its_primary_s_identity_and_a_promotion_begins_a_timeline() -> None:
    async with postgres_pair() as pair:
        await has_one_identity_and_a_timeline_a_promotion(pair)


@in_loop
async def test_the_fence_holds_against_a_writer_that_lifts_what_a_session_can() -> None:
    async with postgres_pair() as pair:
        await fences_whoever_lifts_what_a_session_can(pair)


@in_loop
async def test_what_only_the_old_primary_committed_is_found_and_saved_before_it_is_rewound(tmp_path: Path) -> None:
    async with postgres_pair() as pair:
        await saves_what_only_the_old_primary_committed_and_rewinds_it(pair, tmp_path)


@in_loop
async def test_what_cannot_be_rewound_is_copied_anew_and_the_old_files_stay() -> None:
    async with postgres_pair() as pair:
        await copies_anew_what_cannot_be_rewound(pair)


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
async def test_files_of_another_system_are_left_where_they_are(tmp_path: Path) -> None:
    async with postgres_pair() as pair:
        place = pair.server(pair.away).place
        mine = int((await pair.server(pair.away).look()).system_identifier)
        data = tmp_path / "data"
        (data / "global").mkdir(parents=True)
        (data / "global" / "pg_control").write_bytes((mine + 1).to_bytes(8, sys.byteorder))
        with pytest.raises(InputError, match=f"of system {mine + 1}, and .* is system {mine}"):
            await PostgresHost(data, pair.tools).follow(place)
        assert (data / "global" / "pg_control").exists()
        with pytest.raises(InputError, match="no such folder"):
            await PostgresHost(tmp_path / "nothing", pair.tools).follow(place)


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
