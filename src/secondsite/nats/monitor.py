"""The monitoring endpoint: what the JetStream API does not tell (sync interval, stores, links, routes)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx2
from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.nats.http_read import PLAIN, json_object, read_body

MAX_BYTES = 32 * 2**20
_TIMES = 3
"""How long a page may take, by the time in which each part of it has to come."""

Json = Mapping[str, Any]


@frozen
class Monitored:
    """Answers as they came. ``healthz`` is an answer too when it says unavailable."""

    url: str
    varz: Json
    routez: Json | None
    jsz: Json | None
    healthz: Json | None


async def read_monitor(url: str, *, tls: ssl.SSLContext | None, timeout_s: float) -> Monitored:
    """All four pages from the endpoint at ``url``; raises MachineError when /varz does not exist."""
    async with httpx2.AsyncClient(
        base_url=url.rstrip("/"), verify=tls or True, timeout=timeout_s, trust_env=False, headers=PLAIN
    ) as client:
        try:
            varz = await _get(client, "/varz", timeout_s)
            if varz is None or "server_id" not in varz:
                remedy = "give the URL of a NATS server's monitoring port, such as http://host:8222"
                raise MachineError.at(url, "is not a NATS monitoring endpoint", remedy)
            routez, jsz, healthz = [await _get(client, page, timeout_s) for page in ("/routez", "/jsz", "/healthz")]
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            what = f"the monitoring endpoint does not answer ({type(error).__name__})"
            raise MachineError.at(url, what, "check the address, or omit --monitor") from None
    return Monitored(url, varz, routez, jsz, healthz)


async def _get(client: httpx2.AsyncClient, path: str, timeout_s: float) -> Json | None:
    """The JSON object at ``path``; None for anything else, or more than MAX_BYTES of it."""
    async with asyncio.timeout(_TIMES * timeout_s), client.stream("GET", path) as response:
        return json_object(await read_body(response, MAX_BYTES))
