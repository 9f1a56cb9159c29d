"""Transactions into a database, as the pods of the service write them: one INSERT, acknowledged by COMMIT's answer.

Pods use the database of their own region, and clients use the pods of the region to which the service's name leads. So
the name decides here too: a connection is left when the name no longer leads to its region.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from secondsite.dns.lookup import Resolved, look_up
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import PostgresTarget
from secondsite.drill.load.sending import Attempt, Write
from secondsite.drill.load.service_name import ServiceName
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

_CONNECTIONS = 20
_INSERT = (
    "INSERT INTO {table} (id, key, data) VALUES (%s, %s, %s) ON CONFLICT (id) DO UPDATE SET id = excluded.id"
    " RETURNING position"
)


class PostgresSender:
    """``idle``: connections by the host that they lead to."""

    def __init__(self, target: PostgresTarget, timeout_s: float) -> None:
        from psycopg import sql

        self._target = target
        self._timeout_s = timeout_s
        self._name = ServiceName(self._look_up, ignoring_ttl=False)
        self._idle: dict[str, list[Any]] = {}
        self._room = asyncio.Semaphore(_CONNECTIONS)
        self._statement = sql.SQL(_INSERT).format(table=sql.Identifier(target.table))

    async def open(self) -> None:
        with suppress(MachineError):
            await self._name.addresses()

    async def send(self, message: Write, _user: int, /) -> Attempt:
        """One transaction; a refusal is the server's word, everything that broke after it was sent is unknown."""
        import psycopg

        host, sent, connection = "", False, None
        try:
            async with asyncio.timeout(self._timeout_s), self._room:
                host = await self._led_to()
                if not host:
                    return Attempt(Status.ERROR)
                connection = await self._connection(host)
                sent = True
                cursor = await connection.execute(self._statement, (message.id, int(message.key), message.data))
                row = await cursor.fetchone()
        except MachineError:
            return Attempt(Status.ERROR)
        except (TimeoutError, psycopg.OperationalError, OSError):
            if connection is not None:
                await connection.close()
            return Attempt(Status.UNKNOWN if sent else Status.ERROR, address=host)
        except psycopg.Error as error:
            self._keep(host, connection)
            return Attempt(Status.REFUSED, address=host, why=" ".join(str(error).split()))
        self._keep(host, connection)
        return Attempt(Status.STORED, int(row[0]) if row else 0, host)

    async def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                await connection.close()

    def _keep(self, host: str, connection: Any) -> None:
        if connection is not None:
            self._idle.setdefault(host, []).append(connection)

    async def _led_to(self) -> str:
        """The host of the database that the region's pods use; empty where the name leads nowhere."""
        addresses = await self._name.addresses()
        hosts = [self._target.databases[each] for each in addresses if each in self._target.databases]
        return hosts[0] if hosts else ""

    async def _connection(self, host: str) -> Any:
        import psycopg

        for other in [each for each in self._idle if each != host]:
            for connection in self._idle.pop(other):
                await connection.close()
        idle = self._idle.get(host, [])
        while idle:
            connection = idle.pop()
            if not connection.broken and not connection.closed:
                return connection
        at, port = self._target.ends.get(host, (host, self._target.port))
        return await psycopg.AsyncConnection.connect(
            host=at, port=port, user=self._target.user, dbname=self._target.dbname, autocommit=True
        )

    async def _look_up(self) -> Resolved | None:
        return await look_up(Endpoint(*self._target.resolver), self._target.host)
