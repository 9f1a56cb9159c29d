"""The body of an HTTP answer, whoever gives it: bounded in bytes, never unpacked, and an object or nothing.

Time is bounded by the caller, over all of it: a service that says a byte now and then keeps every timeout of a client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx2

PLAIN = {"Accept-Encoding": "identity"}
"""Header of a request. What comes packed all the same is not unpacked: a few bytes can be gigabytes."""


async def read_body(response: httpx2.Response, limit_bytes: int) -> bytes | None:
    """None for more than that."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > limit_bytes:
            return None
    return bytes(content)


def json_object(content: bytes | None) -> Mapping[str, Any] | None:
    """None for what is none."""
    try:
        document = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
