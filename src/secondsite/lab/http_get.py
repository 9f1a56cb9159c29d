"""The smallest HTTP request: what a probe, a scraper and a health check ask."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from secondsite.model.endpoint import Endpoint


async def http_get(at: Endpoint, path: str, within_s: float) -> tuple[int, str]:
    """Status (0 for what is no HTTP) and body; raises OSError or TimeoutError where nobody answers in time."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_connection(at.host, at.port)
        rest = b""
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {at.host}\r\nConnection: close\r\n\r\n".encode())
            words = (await reader.readline()).split(maxsplit=2)
            with suppress(ConnectionError):  # who hangs up early has said what counts
                rest = await reader.read()
        finally:
            writer.close()
    status = int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else 0
    return status, rest.partition(b"\r\n\r\n")[2].decode(errors="replace")
