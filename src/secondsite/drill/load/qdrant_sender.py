"""Points into Qdrant, as the pods of the service write them: one upsert each, acknowledged with ``wait=true``.

A point is called after the write, so that one that is sent again is stored once. Which server: see `postgres_sender`.
The vector follows from the write's id, so that every number of it can be told again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from contextlib import suppress
from typing import Any

from secondsite.dns.lookup import Resolved, look_up
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import QdrantTarget
from secondsite.drill.load.sending import Attempt, Write
from secondsite.drill.load.service_name import ServiceName
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError


class QdrantSender:
    """``client``: of the host that it leads to."""

    def __init__(self, target: QdrantTarget, timeout_s: float) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._name = ServiceName(self._look_up, ignoring_ttl=False)
        self._client: Any = None

    async def open(self) -> None:
        import httpx2

        self._client = httpx2.AsyncClient(timeout=self._timeout_s, trust_env=False, verify=False)
        with suppress(MachineError):
            await self._name.addresses()

    async def send(self, message: Write, _user: int, /) -> Attempt:
        """A refusal is the server's word, everything that broke after it was sent is unknown."""
        import httpx2

        server = ""
        try:
            server = await self._led_to()
            if not server:
                return Attempt(Status.ERROR)
            at, port = self._target.ends.get(server, (server, self._target.port))
            url = f"http://{at}:{port}/collections/{self._target.collection}/points?wait=true"
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.put(url, json={"points": [self._point(message)]})
        except (MachineError, httpx2.ConnectError, httpx2.ConnectTimeout):
            return Attempt(Status.ERROR, address=server)
        except (TimeoutError, httpx2.HTTPError):
            return Attempt(Status.UNKNOWN, address=server)
        if answer.status_code != 200:
            return Attempt(Status.REFUSED, address=server, why=_why(answer.text, answer.status_code))
        return Attempt(Status.STORED, address=server)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _point(self, message: Write) -> dict[str, object]:
        payload = {"id": message.id, "key": int(message.key), "data": message.data, "written_ns": time.time_ns()}
        return {
            "id": point_id(message.id),
            "vector": vector_of(message.id, self._target.dimensions),
            "payload": payload,
        }

    async def _led_to(self) -> str:
        """The host of the server that the region's pods use; empty where the name leads nowhere."""
        addresses = await self._name.addresses()
        hosts = [self._target.databases[each] for each in addresses if each in self._target.databases]
        return hosts[0] if hosts else ""

    async def _look_up(self) -> Resolved | None:
        return await look_up(Endpoint(*self._target.resolver), self._target.host)


def point_id(message_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, message_id))


def vector_of(message_id: str, dimensions: int) -> list[float]:
    """Of length 1, as Qdrant keeps vectors that are compared by their cosine."""
    numbers = [byte + 1.0 for byte in hashlib.blake2b(message_id.encode(), digest_size=dimensions).digest()]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def _why(text: str, status: int) -> str:
    return f"{status}: {' '.join(text.split())[:200]}"
