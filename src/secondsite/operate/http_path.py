"""One write along the clients' own path: an HTTP request to the service's public name.

A 202 is an acknowledgement of something that is not stored yet, so it proves nothing here.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import httpx2
from attrs import field, frozen

from secondsite.operate.world import PathWrite


@frozen
class HttpPath:
    """POSTs ``body`` with a fresh ``Idempotency-Key``; the answer may name ``stream`` and ``sequence``."""

    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: Mapping[str, Any] = field(factory=dict)
    timeout_s: float = 5.0

    async def write(self) -> PathWrite:
        message_id = f"secondsite-probe-{uuid.uuid4()}"
        headers = {**self.headers, "Idempotency-Key": message_id, "Nats-Msg-Id": message_id}
        try:
            async with httpx2.AsyncClient(timeout=self.timeout_s, trust_env=False) as client:
                answer = await client.post(self.url, json={"id": message_id, **self.body}, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return PathWrite(0, message_id, why=type(error).__name__)
        found = _object(answer)
        return PathWrite(
            200 if answer.status_code == 201 else answer.status_code,
            message_id,
            str(found.get("stream", "")),
            int(found.get("sequence") or found.get("seq") or 0),
            "queued, not stored" if answer.status_code == 202 else "",
        )


def _object(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
