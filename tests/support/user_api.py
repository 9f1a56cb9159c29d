"""A service of some user, as a pod of a small kubelet: its own request, its own answer, over HTTPS.

``POST /orders {"order": {"number": ID, "item": KEY, "text": DATA}}`` is answered with 201 and ``{"accepted": true}``
once the stream of its region has it. ``GET /health`` says that it lives.
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

from nats import errors

_FAILED = (errors.Error, OSError, TimeoutError, APIError, NoStreamResponseError)


class UserApi:
    def __init__(self, nats: str, user: str) -> None:
        self._nats, self._user = nats, user
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
    for name in ("--host", "--port", "--cert", "--key", "--nats", "--user"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    api = UserApi(options.nats, options.user)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.cert, options.key)
    server = await asyncio.start_server(api.serve, options.host, int(options.port), ssl=tls, reuse_port=True)
    await api.connected()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
