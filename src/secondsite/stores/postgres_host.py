"""A stopped server's files, where this runs beside them: made to follow the new primary, the quickest way that works.

``pg_rewind`` brings back only what differs. Where it cannot (its WAL is gone, its pages have no checksums), the whole
is copied anew by ``pg_basebackup``, and the old files are moved aside: nothing is deleted here.

Before PostgreSQL 16 ``pg_rewind`` reads the new primary's timeline from its control file, which shows the old one until
the first checkpoint after the promotion: it would find nothing to rewind, and the old server would not follow. So that
checkpoint is asked for here (PostgreSQL 15 documentation, pg_rewind, Notes).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres_place import PostgresPlace

_KNOWS_A_PROMOTION = 16
"""The first major version whose pg_rewind sees a promotion that no checkpoint has followed yet."""
_BEFORE_ITS_CHECKPOINT = """
SELECT timeline_id <> ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int FROM pg_control_checkpoint()
"""
_SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
_CHECKPOINT_WITHIN_S = 600.0
REWIND, COPY = "pg_rewind", "pg_basebackup"
_SIGNAL = "standby.signal"
_PARTED = re.compile(r"[0-9A-F]+/[0-9A-F]+\b.*\b\d+$")


@frozen
class Followed:
    """``how`` it was done, ``why`` not by a rewind, and where the files from before are, if they were moved.

    ``parted``: where the two histories parted, in pg_rewind's own words; empty where it found nothing to rewind.
    """

    how: str
    seconds: float
    why: str = ""
    kept: Path | None = None
    parted: str = ""


@frozen
class PostgresHost:
    """``tools`` is the folder of the server's programs, ``prefix`` what they run under; ``config`` is the server's
    postgresql.conf where that does not lie in ``data``."""

    data: Path
    tools: Path
    prefix: tuple[str, ...] = ()
    config: Path | None = None

    async def follow(self, primary: PostgresPlace, slot: str = "") -> Followed:
        """Raises InputError where the server runs still or is no copy, MachineError where neither way works."""
        self._refuse_running()
        await self._refuse_strange(primary)
        begin = time.monotonic()
        if self._major < _KNOWS_A_PROMOTION:
            await _with_its_timeline_on_disk(primary)
        plain = _without_password(primary)
        config = ("--config-file", str(self.config)) if self.config else ()
        rewind = ("--target-pgdata", str(self.data), "--source-server", plain, *config)
        why, output = await self._ended(primary, REWIND, *rewind)
        if not why:
            self._write_standby(primary, slot)
            return Followed(REWIND, time.monotonic() - begin, parted=_parted(output))
        kept = self.data.with_name(f"{self.data.name}.before-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
        self.data.rename(kept)
        made = ("--slot", slot) if slot else ()
        failed, _ = await self._ended(primary, COPY, "-D", str(self.data), "-d", plain, "--checkpoint=fast", *made)
        if failed:
            raise MachineError.at(str(self.data), f"{COPY}: {failed}", f"the old files are in {kept}; copy again")
        self._write_standby(primary, slot)
        return Followed(COPY, time.monotonic() - begin, why, kept)

    @property
    def _major(self) -> int:
        """Of the files; the newest where they do not say."""
        file = self.data / "PG_VERSION"
        return int(file.read_text(encoding="utf-8").split(".")[0]) if file.exists() else _KNOWS_A_PROMOTION

    def _refuse_running(self) -> None:
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        try:
            os.kill(int(pid_file.read_text(encoding="utf-8").split()[0]), 0)
        except ProcessLookupError:
            return
        except PermissionError:
            pass
        raise InputError.at(str(self.data), "a server runs on these files", "stop it first: pg_ctl stop -D FOLDER")

    async def _refuse_strange(self, primary: PostgresPlace) -> None:
        """Files of another system are no old copy of this primary: nothing moves them aside to put its copy there."""
        if not self.data.is_dir():
            raise InputError.at(str(self.data), "no such folder", "give the folder of the old server")
        mine = self._system_identifier
        if not mine:
            return
        async with primary.open() as session:
            theirs = str(await session.value(_SYSTEM))
        if mine != theirs:
            what = f"its files are of system {mine}, and {primary.shown} is system {theirs}"
            raise InputError.at(str(self.data), what, "give the folder of this primary's old copy")

    @property
    def _system_identifier(self) -> str:
        """Where a server's control file begins; empty where there is none."""
        try:
            with (self.data / "global" / "pg_control").open("rb") as file:
                return str(int.from_bytes(file.read(8), sys.byteorder))
        except OSError:
            return ""

    def _write_standby(self, primary: PostgresPlace, slot: str) -> None:
        """Both files belong to whoever owns the folder."""
        owner = self.data.stat()
        lines = [f"primary_conninfo = {_quoted(_named(primary, slot))}"]
        lines += [f"primary_slot_name = {_quoted(slot)}"] if slot else []
        settings = self.data / "postgresql.auto.conf"
        settings.touch()
        settings.chmod(0o600)  # a password may stand in it
        with settings.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        (self.data / _SIGNAL).touch(mode=0o600)
        for path in (settings, self.data / _SIGNAL):
            os.chown(path, owner.st_uid, owner.st_gid)

    async def _ended(self, primary: PostgresPlace, tool: str, *arguments: str) -> tuple[str, str]:
        """Why it failed, empty where it worked, and what it output. A password goes through the environment alone."""
        command = (*self.prefix, str(self.tools / tool), *arguments)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **_password(primary)},
            )
        except OSError as error:
            raise MachineError.at(
                command[0], f"cannot be run: {error.strerror}", "give the folder of the tools"
            ) from None
        output = (await process.communicate())[0].decode(errors="replace").strip()
        if process.returncode == 0:
            return "", output
        return (output.splitlines() or [f"exit code {process.returncode}"])[-1], output


async def _with_its_timeline_on_disk(primary: PostgresPlace) -> None:
    """A checkpoint where none has followed its promotion; raises MachineError."""
    async with primary.open() as session:
        if await session.value(_BEFORE_ITS_CHECKPOINT):
            await session.rows("CHECKPOINT", within_s=_CHECKPOINT_WITHIN_S)


def _parted(output: str) -> str:
    """Of what pg_rewind reports, in English or not: the line that names the position and the timeline.

    Lines of a server that it started to recover the files first are not its own.
    """
    own = f"{REWIND}: "
    lines = (line.removeprefix(own).strip() for line in output.splitlines() if line.startswith(own))
    return next((line for line in lines if _PARTED.search(line)), "")


def as_owner(data: Path) -> tuple[str, ...]:
    """What the tools run under so that what they write belongs to the server; nothing where this is no root."""
    owner = (data if data.exists() else data.parent).stat()
    return () if os.geteuid() != 0 or owner.st_uid == 0 else as_user(owner.st_uid, owner.st_gid)


def as_user(user: int, group: int) -> tuple[str, ...]:
    """PostgreSQL's programs refuse to run as root. The one capability lets them reach their files wherever those lie.

    Raises MachineError.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        remedy = "install util-linux, or run it as another user"
        raise MachineError.at("postgres", "its programs refuse to run as root, and setpriv is not installed", remedy)
    who = (f"--reuid={user}", f"--regid={group}", "--clear-groups")
    return (setpriv, *who, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")


def _without_password(place: PostgresPlace) -> str:
    """What every user of the machine may see in its list of processes."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parts = conninfo_to_dict(place.conninfo)
    return str(make_conninfo("", **{name: value for name, value in parts.items() if name != "password"}))


def _password(place: PostgresPlace) -> dict[str, str]:
    from psycopg.conninfo import conninfo_to_dict

    password = conninfo_to_dict(place.conninfo).get("password")
    return {"PGPASSWORD": str(password)} if password else {}


def _named(place: PostgresPlace, slot: str) -> str:
    """A standby is called like its slot: a primary whose commits wait for it knows it by that."""
    from psycopg.conninfo import make_conninfo

    return str(make_conninfo(place.conninfo, application_name=slot)) if slot else place.conninfo


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
