"""Users of the user's own service: its own request and its own answer, over HTTP or HTTPS.

An answer is an acknowledgement where its code is one of those that `operate: path:` names; a 202 that is not among them
is a promise of what is not stored yet. The names of streams and sequences in an answer are believed as numbers alone.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from secondsite.dns.lookup import Resolved, addresses_of, look_up
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import PathTarget
from secondsite.drill.load.http_connection import HttpConnection, Response
from secondsite.drill.load.http_sender import UserSender
from secondsite.drill.load.sending import Attempt, Write
from secondsite.model.endpoint import Endpoint

_UNKNOWN = (500, 502, 504)
_BUFFERED = 202
_ASKED_AGAIN_S = 1.0
"""How long this machine's own resolver is believed, which does not say for how long an answer is good."""


class PathSender(UserSender):
    def __init__(self, target: PathTarget, first_user: int, timeout_s: float, headers: Mapping[str, str]) -> None:
        super().__init__(target.users, first_user, timeout_s)
        self._target, self._headers = target, headers
        url = urlsplit(target.url)
        self._host, self._tls = url.hostname or "", context_of(target)
        self._port = url.port or (443 if self._tls else 80)
        query = f"?{url.query}" if url.query else ""
        self._path, self._at = f"{url.path or '/'}{query}", url.netloc.rpartition("@")[2]

    async def connected(self, address: str) -> HttpConnection:
        return await HttpConnection.connect(address, self._port, self._tls, self._host)

    async def looked_up(self) -> Resolved | None:
        """The first resolver that was named, as a user's machine has it; the TTL is the answer's."""
        if self._target.resolvers:
            return await look_up(Endpoint(*self._target.resolvers[0]), self._host)
        addresses = await addresses_of(self._host)
        return Resolved(addresses, _ASKED_AGAIN_S) if addresses else None

    def written(self, message: Write) -> bytes:
        return request_of(self._target, self._headers, self._at, self._path, message)

    def answered(self, response: Response, address: str) -> Attempt:
        if response.status in self._target.acknowledged:
            return Attempt(Status.STORED, _sequence(response.body), address)
        if response.status == _BUFFERED:
            return Attempt(Status.BUFFERED, address=address)
        if response.status in _UNKNOWN:
            return Attempt(Status.UNKNOWN, address=address)
        return Attempt(Status.REFUSED, address=address, why=f"HTTP {response.status}")


def context_of(target: PathTarget) -> ssl.SSLContext | None:
    """None for plain HTTP."""
    if urlsplit(target.url).scheme != "https":
        return None
    return ssl.create_default_context(cafile=target.ca or None)


def request_of(target: PathTarget, headers: Mapping[str, str], host: str, path: str, message: Write) -> bytes:
    """What a header of the file says goes before what every write has."""
    usual = {
        "Host": host,
        "Content-Type": "application/json",
        "Idempotency-Key": message.id,
        "Nats-Msg-Id": message.id,
    }
    given = {name.lower() for name in headers}
    body = filled(target.body, message).encode()
    lines = [f"{name}: {value}" for name, value in usual.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"{target.method} {path} HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
    return f"{head}\r\n\r\n".encode() + body


def filled(template: str, message: Write) -> str:
    """A body that is given stands as it is; without one, JSON of the write."""
    if not template:
        return json.dumps({"id": message.id, "key": message.key, "data": message.data})
    values = {"$ID": message.id, "$KEY": message.key, "$DATA": message.data}
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def _sequence(body: bytes) -> int:
    """0 where the answer names none."""
    try:
        document = json.loads(body)
        number = document.get("sequence") or document.get("seq")
    except (ValueError, AttributeError, RecursionError):
        return 0
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63 else 0
