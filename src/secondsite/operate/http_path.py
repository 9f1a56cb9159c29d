"""One write along the clients' own path: an HTTP request to the service's public name, as ``operate: path:`` says.

A 202 is an acknowledgement of something that is not stored yet, so it proves nothing here unless somebody says so. What
the answer says beside its status is asked for nothing but a stream and a sequence, and believed only as a number.
"""

from __future__ import annotations

import asyncio
import http
import json
import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
from attrs import field, frozen

from secondsite.model.operate import WritePath
from secondsite.nats.http_read import PLAIN, json_object, read_body
from secondsite.operate.references import followed, is_reference
from secondsite.operate.world import PathWrite

_STORED = 200
_MAX_BYTES = 2**20
_TIMES = 3
"""How long all of a write may take, by the time in which each part of its answer has to come."""


@frozen
class HttpPath:
    """Sends ``body`` with a fresh ``Idempotency-Key``; the answer may name ``stream`` and ``sequence``.

    ``template`` goes before ``body``: any text, in which ``$ID`` is the id of this write.
    """

    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: Mapping[str, Any] = field(factory=dict)
    timeout_s: float = 5.0
    method: str = "POST"
    template: str = ""
    acknowledged: tuple[int, ...] = (200, 201)

    async def write(self) -> PathWrite:
        message_id = f"secondsite-probe-{uuid.uuid4()}"
        content = self.template.replace("$ID", message_id) or json.dumps({"id": message_id, **self.body})
        identity = {"Idempotency-Key": message_id, "Nats-Msg-Id": message_id, "Content-Type": "application/json"}
        headers = {**identity, **self.headers}
        try:
            async with (
                asyncio.timeout(_TIMES * self.timeout_s),
                httpx2.AsyncClient(timeout=self.timeout_s, trust_env=False, headers=PLAIN) as client,
                client.stream(self.method, self.url, content=content, headers=headers) as answer,
            ):
                status, document = answer.status_code, json_object(await read_body(answer, _MAX_BYTES)) or {}
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            return PathWrite(0, message_id, why=type(error).__name__)
        if status not in self.acknowledged:
            return PathWrite(_not_stored(status), message_id, why=_reason(status))
        sequence = _number(document.get("sequence")) or _number(document.get("seq"))
        return PathWrite(_STORED, message_id, str(document.get("stream") or ""), sequence)


def client_path(path: WritePath) -> HttpPath:
    """As the system file says; raises InputError for a reference that leads nowhere."""
    headers = {
        header.name: followed(header.value, f"operate.path.headers.{header.name}")
        if is_reference(header.value)
        else header.value
        for header in path.headers
    }
    return HttpPath(path.url, headers, method=path.method.upper(), template=path.body, acknowledged=path.acknowledged)


def _not_stored(status: int) -> int:
    """A code that is not said to acknowledge must not look like the one that does."""
    return 0 if status == _STORED else status


def _reason(status: int) -> str:
    if status == http.HTTPStatus.ACCEPTED:
        return "queued, not stored"
    phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
    return f"{phrase}, which is not an acknowledgement here" if status == _STORED else phrase


def _number(value: object) -> int:
    """0 for anything but a number: what calls itself a sequence may be any text."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**64 else 0
