"""Backups of PostgreSQL restored into a scratch server: counted, timed, and red where they restore too little."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from in_loop import in_loop
from postgres_pair import EXAMPLE, PostgresPair, postgres_pair

from secondsite.cli.__main__ import app
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.postgres_files import TABLE, own, prefix
from secondsite.model.errors import MachineError
from secondsite.stores.postgres_scratch import ScratchPostgres, lacking

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

        whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(MachineError, match="pg_restore"):
            await _scratch(pair).dump(whole)


def test_an_empty_table_accuses_nobody_and_a_lacking_one_is_named() -> None:
    assert lacking({"d.s.t": 3}, {"d.s.t": 5, "d.s.empty": 0}) == ()
    assert lacking({"d.s.t": 0}, {"d.s.t": 5, "d.s.u": 1}) == (
        "d.s.t: 5 rows live, none restored",
        "d.s.u: 1 rows live, no such table restored",
    )
