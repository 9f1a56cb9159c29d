"""Writes into Redis as the pods of the service make them: one key each, acknowledged by the server's answer.

A script stores the key with the number of the write once, so that a write that is sent again is stored once. Which
server: see `postgres_sender`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from secondsite.dns.lookup import Resolved, look_up
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import RedisTarget
from secondsite.drill.load.sending import Attempt, Write
from secondsite.drill.load.service_name import ServiceName
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

_STORE = """
local known = redis.call('GET', KEYS[1])
if known then return tonumber(string.match(known, '^%d+')) end
local position = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], position .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
return position
"""


class RedisSender:
    """``clients``: by the host that they lead to."""

    def __init__(self, target: RedisTarget, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._name = ServiceName(self._look_up, ignoring_ttl=False)
        self._clients: dict[str, Any] = {}

    async def open(self) -> None:
        with suppress(MachineError):
            await self._name.addresses()

    async def send(self, message: Write, _user: int, /) -> Attempt:
        """A refusal is the server's word, everything that broke after it was sent is unknown."""
        import valkey.exceptions as failures

        host, sent = "", False
        try:
            async with asyncio.timeout(self._timeout_s):
                host = await self._led_to()
                if not host:
                    return Attempt(Status.ERROR)
                client = await self._client(host)
                sent = True
                keys = (self._target.prefix + message.id, self._target.counter)
                position = await client.eval(_STORE, len(keys), *keys, message.key, message.data)
        except MachineError:
            return Attempt(Status.ERROR)
        except (failures.AuthenticationError, failures.ResponseError) as error:
            return Attempt(Status.REFUSED, address=host, why=" ".join(str(error).split()))
        except (TimeoutError, failures.ValkeyError, OSError):
            await self._leave(host)
            return Attempt(Status.UNKNOWN if sent else Status.ERROR, address=host)
        return Attempt(Status.STORED, int(position), host)

    async def close(self) -> None:
        for host in list(self._clients):
            await self._leave(host)

    async def _led_to(self) -> str:
        """The host of the server that the region's pods use; empty where the name leads nowhere."""
        addresses = await self._name.addresses()
        hosts = [self._target.databases[each] for each in addresses if each in self._target.databases]
        return hosts[0] if hosts else ""

    async def _client(self, host: str) -> Any:
        """One that has been answered; others are left, as pods of their region are."""
        from valkey.asyncio import Valkey

        for other in [each for each in self._clients if each != host]:
            await self._leave(other)
        if host not in self._clients:
            at, port = self._target.ends.get(host, (host, self._target.port))
            client = Valkey(host=at, port=port, username=self._target.user, password="anything")  # noqa: S106 - any does
            try:
                await client.ping()
            except BaseException:
                await client.aclose()
                raise
            if host in self._clients:  # another write was quicker
                await client.aclose()
            else:
                self._clients[host] = client
        return self._clients[host]

    async def _leave(self, host: str) -> None:
        if client := self._clients.pop(host, None):
            with suppress(Exception):
                await client.aclose()

    async def _look_up(self) -> Resolved | None:
        return await look_up(Endpoint(*self._target.resolver), self._target.host)
