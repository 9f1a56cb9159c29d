"""Backups of PostgreSQL restored into a scratch server: counted, timed, and red where they restore too little."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from in_loop import in_loop
from postgres_pair import EXAMPLE, PostgresPair, postgres_pair

from secondsite.cli.__main__ import app
from secondsite.discover.system_file.reading import load_system
from secondsite.discover.system_file.updating import check_recordable
from secondsite.lab.postgres_files import TABLE, own, prefix
from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_scratch import ScratchPostgres, lacking, reader, reason

pytestmark = pytest.mark.slow
WRITES = f"postgres.public.{TABLE}"


def _tool(pair: PostgresPair, name: str, *words: str) -> None:
    folder, at = pair.tools, pair.lab.databases.endpoint(pair.lab.databases.find("postgres", pair.home))
    to = ("-h", at.host, "-p", str(at.port), "-U", "postgres")
    subprocess.run([*prefix(), str(folder / name), *to, *words], check=True, capture_output=True)


def _scratch(pair: PostgresPair) -> ScratchPostgres:
    return ScratchPostgres(pair.tools, prefix(), own, within_s=60.0)


async def _until_archived(pair: PostgresPair, archive: Path) -> None:
    async with pair.server(pair.home).place.open() as session:
        name = await session.value("SELECT pg_walfile_name(pg_current_wal_lsn())")
        await session.rows("SELECT pg_switch_wal()")
    async with asyncio.timeout(60):
        while not (archive / str(name)).exists():  # noqa: ASYNC110 - the server archives
            await asyncio.sleep(0.05)


@in_loop
async def test_a_moment_comes_back_from_a_base_backup_and_its_wal_and_no_moment_that_the_wal_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, base = tmp_path / "wal", tmp_path / "base"
    own(tmp_path)
    archive.mkdir()
    own(archive)
    async with postgres_pair() as pair:
        async with pair.server(pair.home).place.open() as session:
            await session.rows("ALTER SYSTEM SET archive_mode = on")
            await session.rows(f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'")
        pair.lab.kill(pair.name(pair.home))
        await pair.lab.restart(pair.name(pair.home))
        await pair.write(pair.home, "before the base")
        await asyncio.to_thread(_tool, pair, "pg_basebackup", "-D", str(base), "--checkpoint=fast", "--wal-method=none")
        await pair.write(pair.home, "after the base")
        async with pair.server(pair.home).place.open() as session:
            until = str(await session.value("SELECT clock_timestamp()::text"))
        await pair.write(pair.home, "the wrong write")
        await _until_archived(pair, archive)

        all_of_it = await _scratch(pair).moment(base, str(archive))
        assert all_of_it.rows[WRITES] == 3
        to_the_moment = await _scratch(pair).moment(base, str(archive), until)
        assert to_the_moment.rows[WRITES] == 2
        assert to_the_moment.reached < until
        assert to_the_moment.seconds > 0
        assert to_the_moment.size_bytes > 1_000_000

        with pytest.raises(MachineError, match="recovery target"):  # a moment that it does not reach is no restore
            await _scratch(pair).moment(base, str(archive), "2999-01-01 00:00:00+00")
        newest = max(each for each in archive.iterdir() if len(each.name) == 24)
        gone = shutil.move(newest, tmp_path / "kept")
        with pytest.raises(MachineError):  # control: the archive lacks what was written after the base
            await _scratch(pair).moment(base, str(archive), until)
        shutil.move(gone, newest)

        monkeypatch.setenv("DR_PG", pair.server(pair.home).place.conninfo)
        words = [
            "postgres",
            "prove",
            str(base),
            "--wal",
            str(archive),
            "--tools",
            str(pair.tools),
            "--live",
            "env:DR_PG",
        ]
        assert await asyncio.to_thread(app, words, result_action="return_value") == 0
        assert "restored by base backup and WAL" in capsys.readouterr().out


@in_loop
async def test_a_dump_is_restored_recorded_and_red_where_it_lacks_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own(tmp_path)
    file = tmp_path / "secondsite.yaml"
    shutil.copy(EXAMPLE, file)
    whole, partial = tmp_path / "whole.dump", tmp_path / "partial.sql"
    async with postgres_pair() as pair:
        await pair.write(pair.home, "a", "b")
        await asyncio.to_thread(_tool, pair, "pg_dump", "-Fc", "-f", str(whole), "postgres")
        await asyncio.to_thread(_tool, pair, "pg_dump", "--exclude-table", TABLE, "-f", str(partial), "postgres")
        monkeypatch.setenv("DR_PG", pair.server(pair.home).place.conninfo)

        async def prove(dump: Path) -> tuple[int, str]:
            given = [
                "--tools",
                str(pair.tools),
                "--live",
                "env:DR_PG",
                "--record",
                "cluster-state",
                "--file",
                str(file),
            ]
            code = await asyncio.to_thread(app, ["postgres", "prove", str(dump), *given], result_action="return_value")
            return code, capsys.readouterr().out

        code, said = await prove(partial)
        assert code == 1
        assert f"missing: {WRITES}: 2 rows live, no such table restored" in said
        assert not any(backup.restore_tested for backup in load_system(file).backups)

        code, said = await prove(whole)
        assert code == 0
        assert "2 rows in 1 tables" in said
        (recorded,) = [backup for backup in load_system(file).backups if backup.restore_tested]
        assert recorded.name == "cluster-state"
        assert (recorded.restore_bytes_per_s or 0) > 1000

        folder = tmp_path / "folder"
        await asyncio.to_thread(_tool, pair, "pg_dump", "-Fd", "-f", str(folder), "postgres")
        _ours(folder)
        proven = await _scratch(pair).dump(folder)
        assert proven.rows[WRITES] == 2
        assert proven.size_bytes < 5_000_000, "what it restored, without what an empty server has"

        whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(MachineError, match="pg_restore"):
            await _scratch(pair).dump(whole)


def _ours(path: Path) -> None:
    """As pg_dump leaves it for whoever ran it: a folder that nobody else may enter."""
    for each in (path, *path.rglob("*")):
        os.chown(each, os.geteuid(), os.getegid())


def test_what_cannot_be_proven_is_told_before_anything_is_restored(tmp_path: Path) -> None:
    packed, file = tmp_path / "orders.sql.gz", tmp_path / "secondsite.yaml"
    packed.write_bytes(gzip.compress(b"SELECT 1;"))
    with pytest.raises(InputError, match="packed with gzip"):
        asyncio.run(ScratchPostgres(tmp_path / "no tools").dump(packed))
    shutil.copy(EXAMPLE, file)
    with pytest.raises(InputError, match="no backup typo"):
        check_recordable(file, "typo")
    words = ["postgres", "prove", str(packed), "--tools", "none", "--record", "typo", "--file", str(file)]
    with pytest.raises(InputError, match="no backup typo"):
        app(words, result_action="return_value")


def test_a_dump_is_read_by_what_it_is_and_a_failure_told_by_the_line_that_says_why(tmp_path: Path) -> None:
    archive, script = tmp_path / "orders", tmp_path / "orders.tar.sql"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("toc.dat"))
    script.write_text("SELECT 1;")
    assert (reader(archive), reader(script), reader(tmp_path)) == ("pg_restore", "psql", "pg_restore")
    said = (
        'psql:orders.sql:3: ERROR:  syntax error at or near ")"\nLINE 1: CREATE TABLE t ()\n                        ^\n'
    )
    assert reason(said) == 'psql:orders.sql:3: ERROR:  syntax error at or near ")"'


def test_an_empty_table_accuses_nobody_and_a_lacking_one_is_named() -> None:
    assert lacking({"d.s.t": 3}, {"d.s.t": 5, "d.s.empty": 0}) == ()
    assert lacking({"d.s.t": 0}, {"d.s.t": 5, "d.s.u": 1}) == (
        "d.s.t: 5 rows live, none restored",
        "d.s.u: 1 rows live, no such table restored",
    )
