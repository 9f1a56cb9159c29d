"""A backup of PostgreSQL proven: restored into a scratch server that nobody else reaches, counted, timed, thrown away.

The scratch server listens on a socket in a folder of its own and on no network. It archives nothing and has no primary,
so that a proof cannot write into the archive that it proves. A restore that stops early is an error, never a count.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import evolve, field, frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import PostgresPlace, StoreRefusedError
from secondsite.stores.postgres_rows import counted_rows

DUMP, MOMENT = "pg_restore", "base backup and WAL"
_USER, _PORT = "postgres", 5432
_ENCODED = ("-E", "UTF8", "--no-locale")
_PAUSE_S = 0.1
_TAR_AT, _TAR = 257, b"ustar"
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
_QUIET = {
    "listen_addresses": "",
    "archive_mode": "off",
    "primary_conninfo": "",
    "primary_slot_name": "",
    "synchronous_standby_names": "",
    "ssl": "off",
    "hot_standby": "on",
    "logging_collector": "off",
    "log_min_messages": "log",
    "fsync": "off",
}
"""Over whatever the files say; without fsync, as a scratch server that dies is restored again."""


@frozen
class Proven:
    """``rows`` by ``database.schema.table``; ``reached``: when the newest transaction in it was committed, in the
    server's words, where it tells. ``size_bytes`` is what the restore put there, and ``seconds`` are of the restore
    alone, until it takes writes."""

    how: str
    seconds: float
    size_bytes: int
    rows: Mapping[str, int]
    reached: str = ""

    @property
    def bytes_per_s(self) -> float:
        return self.size_bytes / self.seconds if self.seconds > 0 else 0.0


@frozen
class ScratchPostgres:
    """``tools``: the folder of the server's programs, of the major version that made the backup; ``prefix``: what they
    run under, and ``own`` gives a folder to whoever that is. ``within_s`` bounds the whole restore.
    """

    tools: Path
    prefix: tuple[str, ...] = ()
    own: Callable[[Path], None] = field(default=lambda path: None)
    within_s: float = 6 * 3600.0
    below: Path | None = None

    async def dump(self, file: Path) -> Proven:
        """What `pg_dump` wrote: a folder or file that `pg_restore` reads, or SQL. Raises MachineError, InputError."""
        program = reader(file)
        async with self._folder() as folder:
            data = folder / "data"
            await self._run("initdb", "-D", str(data), "-U", _USER, "--auth=trust", "--no-sync", *_ENCODED)
            async with self._server(folder, {}) as place:
                empty, begin = await _size_bytes(place), time.monotonic()
                await self._load(folder, file, program)
                seconds = time.monotonic() - begin
                proven = await _proven(DUMP, seconds, place, "")
                return evolve(proven, size_bytes=max(0, proven.size_bytes - empty))

    async def moment(self, base: Path, wal: str, until: str = "") -> Proven:
        """A base backup (the folder of `pg_basebackup`), and the WAL after it: up to a moment, or all that there is.

        ``wal`` is a folder of WAL files, or a command with %f and %p as in restore_command. A moment that the WAL does
        not reach is an error. Raises MachineError, InputError.
        """
        target = {"recovery_target_action": "promote", "recovery_target_timeline": "latest"}
        settings = {"restore_command": _fetching(base, wal), **target}
        if until:
            settings["recovery_target_time"] = until
        async with self._folder() as folder:
            begin = time.monotonic()
            await self._run("cp", "-R", str(base), str(folder / "data"))
            self._recovers(folder / "data")
            async with self._server(folder, settings) as place:
                reached = await _promoted(place, self.within_s)
                return await _proven(MOMENT, time.monotonic() - begin, place, reached)

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="proof-", dir=self.below))
        self.own(folder)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    @asynccontextmanager
    async def _server(self, folder: Path, more: Mapping[str, str]) -> AsyncIterator[PostgresPlace]:
        server, log = self._begun(folder, more), folder / "log"
        try:
            place = PostgresPlace(f"host={folder} port={_PORT} user={_USER} dbname=postgres")
            await self._answers(place, server)
            yield place
        except MachineError as error:
            with suppress(subprocess.TimeoutExpired):  # it may be on its way out
                await asyncio.to_thread(server.wait, 2.0)
            if server.poll() is None:
                raise
            remedy = "fix the backup; what it has now restores nothing"
            raise MachineError.at("the scratch server", f"ended: {_why(log)}", remedy) from error
        finally:
            server.terminate()
            try:
                await asyncio.to_thread(server.wait, 10.0)
            except subprocess.TimeoutExpired:
                server.kill()
                await asyncio.to_thread(server.wait)

    async def _answers(self, place: PostgresPlace, server: subprocess.Popen[bytes]) -> None:
        """Until it answers, or has ended."""
        end = time.monotonic() + self.within_s
        while True:
            try:
                async with place.open():
                    return
            except StoreRefusedError:
                raise
            except MachineError:
                if time.monotonic() > end or server.poll() is not None:
                    raise
            await asyncio.sleep(_PAUSE_S)

    def _recovers(self, data: Path) -> None:
        for name in ("postmaster.pid", "standby.signal"):
            (data / name).unlink(missing_ok=True)
        data.chmod(0o700)
        (data / "recovery.signal").touch()
        self.own(data / "recovery.signal")

    def _begun(self, folder: Path, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        rules = folder / "hba"
        rules.write_text("local all all trust\n", encoding="utf-8")
        self.own(rules)
        given = {**_QUIET, **more, "hba_file": str(rules), "unix_socket_directories": str(folder)}
        settings = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        command = (*self.prefix, str(self.tools / "postgres"), "-D", str(folder / "data"), "-p", str(_PORT))
        with (folder / "log").open("wb") as log:
            return subprocess.Popen((*command, *settings), stdout=log, stderr=log)  # noqa: S603 - of the folder that the user named

    async def _load(self, folder: Path, file: Path, program: str) -> None:
        to = ("-h", str(folder), "-p", str(_PORT), "-U", _USER, "-d", "postgres")
        if program == "pg_restore":  # as who we are: a folder of pg_dump's is its owner's alone
            await self._run(program, *to, "--no-owner", "--no-privileges", "--exit-on-error", str(file), under=())
        else:
            await self._run(program, *to, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file))

    async def _run(self, program: str, *words: str, under: tuple[str, ...] | None = None) -> None:
        path = str(self.tools / program) if (self.tools / program).exists() else program
        environment = {**os.environ, "LC_ALL": "C"}
        ran = await asyncio.create_subprocess_exec(
            *(*(self.prefix if under is None else under), path, *words),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        _, output = await ran.communicate()
        if ran.returncode:
            what = f"exited with code {ran.returncode}: {reason(output.decode(errors='replace'))}"
            raise MachineError.at(program, what, "fix the backup, then prove it")


async def _promoted(place: PostgresPlace, within_s: float) -> str:
    """Waits for the end of recovery; the moment of the last transaction that was replayed."""
    end = time.monotonic() + within_s
    while True:
        async with place.open() as session:  # raises where it ended
            recovering, reached = (
                await session.rows("SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp()::text")
            )[0]
        if not recovering:
            return str(reached or "")
        if time.monotonic() > end:
            raise MachineError.at("the scratch server", f"still replays WAL after {within_s:g} s", "give it more time")
        await asyncio.sleep(_PAUSE_S)


async def _proven(how: str, seconds: float, place: PostgresPlace, reached: str) -> Proven:
    rows = await counted_rows(place)
    return Proven(how, seconds, await _size_bytes(place), rows, reached)


async def _size_bytes(place: PostgresPlace) -> int:
    """Of all its databases."""
    async with place.open() as session:
        return int(await session.value("SELECT sum(pg_database_size(datname))::bigint FROM pg_database"))


def reader(file: Path) -> str:
    """The program that reads such a dump."""
    if not file.exists():
        raise InputError.at(str(file), "no such dump", "give the file or folder that pg_dump wrote")
    if file.is_dir():
        return "pg_restore"
    with file.open("rb") as dump:
        begin = dump.read(_TAR_AT + len(_TAR))
    if packed := next((name for magic, name in _PACKED.items() if begin.startswith(magic)), ""):
        raise InputError.at(str(file), f"is packed with {packed}", "unpack it, then prove it")
    return "pg_restore" if begin.startswith(b"PGDMP") or begin[_TAR_AT:] == _TAR else "psql"


def _fetching(base: Path, wal: str) -> str:
    """The restore_command."""
    if not (base / "PG_VERSION").is_file():
        raise InputError.at(str(base), "is not a base backup", "give the folder that pg_basebackup wrote")
    if "%f" in wal:
        return wal
    if not Path(wal).is_dir():
        raise InputError.at(wal, "no such folder of WAL", "give the archive's folder, or a command with %f and %p")
    return f'cp "{Path(wal).resolve()}/%f" "%p"'


def _why(log: Path) -> str:
    return reason(log.read_text(encoding="utf-8", errors="replace"))


def reason(output: str) -> str:
    """A program's own words: the last line that says what is wrong, else the last of all."""
    lines = output.strip().splitlines() or ["it said nothing"]
    telling = [line for words in ("FATAL", "ERROR:", "error:") for line in reversed(lines) if words in line]
    return (telling or lines[-1:])[0].strip()


def lacking(proven: Mapping[str, int], live: Mapping[str, int]) -> tuple[str, ...]:
    """Tables with rows in the live server of which the restore has none, in words."""
    return tuple(
        f"{table}: {count:,} rows live, {'no such table' if table not in proven else 'none'} restored"
        for table, count in sorted(live.items())
        if count and not proven.get(table)
    )
