"""Users of the API: each resolves the service's name for itself and keeps its own connections alive.

A user that honours TTLs leaves an address when the name no longer leads there; one that ignores them stays.
"""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import suppress

from attrs import define, field

from secondsite.dns.lookup import Resolved, look_up
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import HttpTarget
from secondsite.drill.load.http_connection import HttpConnection, Response
from secondsite.drill.load.sending import Attempt, Write
from secondsite.drill.load.service_name import ServiceName
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

_STATUS = {200: Status.STORED, 202: Status.BUFFERED, 500: Status.UNKNOWN, 502: Status.UNKNOWN, 504: Status.UNKNOWN}
_FOR_EVER_S = 1e9


@define
class _User:
    name: ServiceName
    idle: list[HttpConnection] = field(factory=list)


class UserSender:
    """What users do, whatever they send: `connected`, `written` and `answered` are a service's own."""

    def __init__(self, users: int, first_user: int, timeout_s: float, ignoring_ttl: float = 0.0) -> None:
        """``first_user``: how many users the processes before this one have, so that shares hold over all."""
        self._timeout_s = timeout_s
        self._users = [self._user(first_user + number, ignoring_ttl) for number in range(users)]

    async def open(self) -> None:
        """Every user resolves the name: what loading a DNS library takes is not the first requests' time."""
        for user in self._users:
            with suppress(MachineError):
                await user.name.addresses()

    async def send(self, message: Write, user: int) -> Attempt:
        mine = self._users[user % len(self._users)]
        reached = ""
        sent = False
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connection(mine)
                if connection is None or not connection.usable:
                    return Attempt(Status.ERROR)
                reached, sent = connection.address, True
                response = await connection.request(self.written(message))
        except MachineError:
            return Attempt(Status.ERROR)
        except (TimeoutError, OSError):
            return Attempt(Status.UNKNOWN if sent else Status.ERROR, address=reached)
        if connection.usable:
            mine.idle.append(connection)
        return self.answered(response, reached)

    async def close(self) -> None:
        for user in self._users:
            for connection in user.idle:
                connection.close()

    async def _connection(self, user: _User) -> HttpConnection | None:
        """An idle one to where the name leads, else a new one to the first address that takes it."""
        addresses = await user.name.addresses()
        while user.idle:
            connection = user.idle.pop()
            if connection.usable and connection.address in addresses:
                return connection
            connection.close()
        for address in addresses:
            try:
                return await self.connected(address)
            except OSError:
                continue
        return None

    def _user(self, number: int, ignoring_ttl: float) -> _User:
        return _User(ServiceName(self.looked_up, ignoring_ttl=ignores_ttl(ignoring_ttl, number)))

    async def looked_up(self) -> Resolved | None:
        raise NotImplementedError

    async def connected(self, address: str) -> HttpConnection:
        """Raises OSError."""
        raise NotImplementedError

    def written(self, message: Write) -> bytes:
        raise NotImplementedError

    def answered(self, response: Response, address: str) -> Attempt:
        raise NotImplementedError


class HttpSender(UserSender):
    """To the API of a lab."""

    def __init__(self, target: HttpTarget, first_user: int, timeout_s: float) -> None:
        super().__init__(target.users, first_user, timeout_s, target.ignoring_ttl)
        self._target = target
        self._head = (
            f"POST {target.path} HTTP/1.1\r\nHost: {target.host}\r\napikey: {target.api_key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    async def connected(self, address: str) -> HttpConnection:
        host, port = self._target.ends.get(address, (address, self._target.port))
        connection = await HttpConnection.connect(host, port)
        connection.address = address
        return connection

    def written(self, message: Write) -> bytes:
        body = {"id": message.id, "subject": message.subject, "key": message.key, "data": message.data}
        data = json.dumps(body).encode()
        return f"{self._head}{len(data)}\r\n\r\n".encode() + data

    def answered(self, response: Response, address: str) -> Attempt:
        return _answer(response, address)

    async def looked_up(self) -> Resolved | None:
        if self._target.resolver is None:
            return Resolved(self._target.addresses, _FOR_EVER_S)
        return await look_up(Endpoint(*self._target.resolver), self._target.host)


def ignores_ttl(share: float, user: int) -> bool:
    """Of the first n users, whatever n is, the share of n."""
    return math.floor((user + 1) * share + 1e-9) > math.floor(user * share + 1e-9)


def _answer(response: Response, address: str) -> Attempt:
    """Only 200 and 202 promise anything; what a proxy says about a server it lost is not knowledge."""
    status = _STATUS.get(response.status, Status.REFUSED)
    if status is not Status.STORED:
        return Attempt(status, address=address, why=_why(response) if status is Status.REFUSED else "")
    try:
        return Attempt(status, int(json.loads(response.body).get("sequence") or 0), address)
    except (ValueError, AttributeError, TypeError):
        return Attempt(status, address=address)


def _why(response: Response) -> str:
    """What the service says of it, else its status alone."""
    try:
        document = json.loads(response.body)
        return str(document.get("why") or document["error"])
    except (ValueError, AttributeError, TypeError, KeyError):
        return f"HTTP {response.status}"
