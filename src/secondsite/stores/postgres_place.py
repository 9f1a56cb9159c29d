"""Where a PostgreSQL server is and who we are to it; one session at a time, and three answers: silence, no, an answer.

The login is a reference (``env:NAME``, ``file:PATH``, ``service:NAME``) or a connection string without a password:
what stands on a command line is read by every user of the machine.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from secondsite.model.errors import InputError, MachineError

APPLICATION = "secondsite"
_LATER = re.compile("starting up|shutting down|not yet accepting|recovery mode")
_ANSWERED = re.compile("FATAL|fe_sendauth|authentication|certificate|SSL(?! SYSCALL)")
_NETWORK = (
    *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT),
    *(errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN),
)
_WITHOUT_ANSWER = ("timeout expired", "Is the server running", "closed the connection unexpectedly", "EOF detected")
_SILENT = re.compile("|".join((*_WITHOUT_ANSWER, *(re.escape(os.strerror(each)) for each in _NETWORK))))
_REMEDIES = {
    "no password supplied": "set PGPASSWORD or PGPASSFILE, or have the password in what env:NAME or file:PATH holds",
    "(resolve|translate) host": "check the host name",
    "definition of service": "write it into the service file (PGSERVICEFILE, ~/.pg_service.conf)",
    "SSL|certificate": "check sslmode, sslrootcert and the server's certificate",
}


class StoreRefusedError(MachineError):
    """Nothing that may be taken for silence: a server answered and would not, or nobody was asked at all (no such
    name, no password to give). That is no lost region, and asking again does not help."""


@frozen
class PostgresSession:
    """``within_s`` bounds each statement."""

    connection: Any = field(repr=False)
    shown: str
    within_s: float

    async def rows(
        self, statement: object, values: Sequence[object] = (), within_s: float | None = None
    ) -> list[tuple[Any, ...]]:
        """None of them where the statement yields nothing; raises MachineError."""
        import psycopg

        try:
            async with asyncio.timeout(within_s or self.within_s):
                cursor = await self.connection.execute(statement, values or None)
                rows: list[tuple[Any, ...]] = await cursor.fetchall() if cursor.description else []
        except TimeoutError:
            raise MachineError.at(self.shown, "does not answer", "check that the server is running") from None
        except psycopg.OperationalError as error:
            raise MachineError.at(self.shown, _words(error), "ask again") from None
        except psycopg.Error as error:
            raise StoreRefusedError.at(self.shown, _words(error), "docs/stores.md lists what the login needs") from None
        return rows

    async def value(self, statement: object, values: Sequence[object] = (), within_s: float | None = None) -> Any:
        rows = await self.rows(statement, values, within_s)
        return rows[0][0] if rows else None

    async def copied(self, statement: object) -> bytes:
        """What a COPY … TO STDOUT gives."""
        import psycopg

        try:
            async with self.connection.cursor().copy(statement) as copy:
                return b"".join([bytes(block) async for block in copy])
        except psycopg.Error as error:
            raise MachineError.at(self.shown, _words(error), "ask again") from None


@frozen
class PostgresPlace:
    """``conninfo`` is libpq's, password included, and shown to nobody."""

    conninfo: str = field(repr=False)
    within_s: float = 2.0

    @property
    def shown(self) -> str:
        from psycopg.conninfo import conninfo_to_dict

        parts = conninfo_to_dict(self.conninfo)
        if "service" in parts:
            return f"service {parts['service']}"
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"

    def database(self, name: str) -> PostgresPlace:
        """Another database of the same server."""
        from psycopg.conninfo import make_conninfo

        return evolve(self, conninfo=make_conninfo(self.conninfo, dbname=name))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[PostgresSession]:
        """Raises MachineError where nobody answers in time, StoreRefusedError where somebody does and will not."""
        import psycopg

        try:
            async with asyncio.timeout(self.within_s):
                connection = await psycopg.AsyncConnection.connect(
                    self.conninfo, autocommit=True, application_name=APPLICATION
                )
        except TimeoutError:
            raise MachineError.at(self.shown, "does not answer", "check that the server is running") from None
        except psycopg.Error as error:
            raise self._unopened(error) from None
        async with connection:
            yield PostgresSession(connection, self.shown, self.within_s)

    def _unopened(self, error: Exception) -> MachineError:
        what = _words(error)
        if _LATER.search(what) or (_SILENT.search(what) and not _ANSWERED.search(what)):
            return MachineError.at(self.shown, what, "check that the server is running")
        known = (remedy for words, remedy in _REMEDIES.items() if re.search(words, what))
        return StoreRefusedError.at(self.shown, what, next(known, "check the login, and pg_hba.conf for a fence"))


def postgres_place(reference: str, option: str, within_s: float = 2.0) -> PostgresPlace:
    """Raises InputError for a reference that leads nowhere, and for a password in the open."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    kind, _, name = reference.partition(":")
    try:
        if kind == "service":
            return PostgresPlace(make_conninfo(service=name), within_s)
        conninfo = referred(kind, name, option) if kind in ("env", "file") else reference
        parts = conninfo_to_dict(conninfo)
    except ProgrammingError:
        remedy = "write postgresql://user@host:5432/database"
        raise InputError.at(option, "not a PostgreSQL connection string", remedy) from None
    if conninfo is reference and (parts.get("password") or parts.get("sslpassword")):
        what = "a password on the command line is visible to every user of this machine"
        remedy = "give env:NAME, file:PATH or service:NAME, or leave the password to PGPASSFILE or PGPASSWORD"
        raise InputError.at(option, what, remedy)
    return PostgresPlace(conninfo, within_s)


def referred(kind: str, name: str, option: str) -> str:
    if kind == "env":
        if not name:
            raise InputError.at(option, "env: names no variable", "write env:NAME")
        if name not in os.environ:
            raise InputError.at(option, f"the environment has no {name}", f"set {name} to the connection string")
        return os.environ[name]
    try:
        return Path(name).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:  # no file, no text, no home
        why = getattr(error, "strerror", None) or "it is not text"
        raise InputError.at(option, f"{name} cannot be read: {why}", "give a readable file") from None


def _words(error: Exception) -> str:
    """The server's own, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
