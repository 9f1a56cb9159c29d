"""A service of some user, as a pod of a small kubelet: its own request, its own answer, over HTTPS.

``POST /orders {"order": {"number": ID, "item": KEY, "text": DATA}}`` is answered with 201 and ``{"accepted": true}``
once the database of its region has committed it and then the stream has it. ``GET /health`` says that it lives.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError
from psycopg import AsyncConnection, Error

from nats import errors

_INSERT = "INSERT INTO secondsite_writes (id, key, data) VALUES (%s, 0, %s) ON CONFLICT DO NOTHING"
_FAILED = (errors.Error, OSError, TimeoutError, APIError, NoStreamResponseError)


class Orders:
    """The table of a region's own database, by one connection."""

    def __init__(self, login: str) -> None:
        self._login = login
        self._connection: AsyncConnection | None = None
        self._turn = asyncio.Lock()

    async def commit(self, number: str, text: str) -> bool:
        """Whether COMMIT was answered; a retry finds its row."""
        async with self._turn:
            try:
                async with asyncio.timeout(1.0):
                    if self._connection is None:
                        self._connection = await AsyncConnection.connect(self._login, autocommit=True)
                    await self._connection.execute(_INSERT, (number, text))
            except (Error, TimeoutError):
                if self._connection is not None:
                    await self._connection.close()
                self._connection = None
                return False
        return True


class UserApi:
    def __init__(self, nats: str, user: str, orders: Orders) -> None:
        self._nats, self._user, self._orders = nats, user, orders
        self._client = Client()

    async def connected(self) -> None:
        while not self._client.is_connected:
            with suppress(*_FAILED):
                await self._client.connect(
                    self._nats, user=self._user, password=self._user, max_reconnect_attempts=-1, reconnect_time_wait=1
                )
                return
            self._client = Client()
            await asyncio.sleep(0.2)

    async def order(self, body: bytes) -> int:
        order = json.loads(body)["order"]
        if not await self._orders.commit(order["number"], order["text"]):
            return 503
        headers, stored = {"Nats-Msg-Id": order["number"]}, json.dumps({"n": order["number"], "t": order["text"]})
        try:
            await self._client.jetstream().publish(
                f"e.A.{order['item']}", stored.encode(), timeout=1.0, headers=headers
            )
        except _FAILED:
            return 503
        return 201

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, answer = await self._answer(first, body)
                text = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()
        writer.close()

    async def _answer(self, first: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if first.startswith("GET /health "):
            return 200, {"lives": True}
        if not first.startswith("POST /orders "):
            return 404, {}
        status = await self.order(body)
        return status, {"accepted": status == 201}


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--host", "--port", "--cert", "--key", "--nats", "--user", "--postgres"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    api = UserApi(options.nats, options.user, Orders(options.postgres))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.cert, options.key)
    server = await asyncio.start_server(api.serve, options.host, int(options.port), ssl=tls, reuse_port=True)
    await api.connected()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
