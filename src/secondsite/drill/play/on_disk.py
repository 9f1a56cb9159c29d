"""What each server of a region holds, asked of the server itself: what a cluster no longer knows is seen there too."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from secondsite.lab.world import Lab

_ANSWER_S = 2.0
_PAGE = "/jsz?streams=true&accounts=true"

Holdings = Mapping[str, Mapping[str, int]]
"""By server, the messages of each stream that it has; a server that does not answer is not in it."""


async def streams_by_server(lab: Lab, region: str) -> Holdings:
    by_server: dict[str, Mapping[str, int]] = {}
    for server in lab.servers(region):
        with suppress(OSError, ValueError):
            by_server[server.name] = await asyncio.to_thread(_messages_by_stream, lab.monitor_url(server.name) + _PAGE)
    return by_server


def _messages_by_stream(url: str) -> Mapping[str, int]:
    with urllib.request.urlopen(url, timeout=_ANSWER_S) as response:  # noqa: S310 - our own loopback
        page: Mapping[str, Any] = json.load(response)
    streams = [one for account in page.get("account_details") or () for one in account.get("stream_detail") or ()]
    return {str(one["name"]): int((one.get("state") or {}).get("messages", 0)) for one in streams}


def erased(before: Holdings, after: Holdings, streams: tuple[str, ...]) -> tuple[str, ...]:
    """Per stream, in words, where servers hold less than they did; a server that is not heard is not counted."""
    lines = []
    for stream in streams:
        pairs = [
            (counts.get(stream, 0), after[server].get(stream, 0))
            for server, counts in before.items()
            if server in after
        ]
        if any(now < was for was, now in pairs):
            was, now = ("/".join(str(pair[at]) for pair in pairs) for at in (0, 1))
            lines.append(f"{stream}: {was} messages on its servers before, {now} after")
    return tuple(lines)
