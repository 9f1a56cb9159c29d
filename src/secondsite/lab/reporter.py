"""What the API tells its collector about requests: in batches, off the requests' way, and never at their cost.

As an OpenTelemetry batch exporter: bounded, a batch every second, what cannot be delivered is dropped.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress

from secondsite.model.endpoint import Endpoint

_MOST = 2048
_PAUSE_S = 1.0
_WITHIN_S = 1.0


class Reporter:
    def __init__(self, pod: str, collector: Endpoint) -> None:
        self._pod, self._collector = pod, collector
        self._spans: deque[tuple[str, float, str]] = deque(maxlen=_MOST)

    def note(self, message_id: str, seconds: float, outcome: str) -> None:
        self._spans.append((message_id, seconds, outcome))

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_PAUSE_S)
            batch = list(self._spans)
            self._spans.clear()
            with suppress(OSError, TimeoutError):
                await self._deliver(json.dumps({"pod": self._pod, "spans": batch}).encode())

    async def _deliver(self, body: bytes) -> None:
        async with asyncio.timeout(_WITHIN_S):
            reader, writer = await asyncio.open_connection(self._collector.host, self._collector.port)
            try:
                head = f"POST /v1/reports HTTP/1.1\r\nHost: collector\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await reader.read()
            finally:
                writer.close()
