"""One write along the clients' own path: an HTTP request to the service's public name, as ``operate: path:`` says.

A 202 is an acknowledgement of something that is not stored yet, so it proves nothing here unless somebody says so. What
the answer says beside its status is asked for nothing but a stream and a sequence, and believed only as a number.
"""

from __future__ import annotations

import asyncio
import http
import json
import ssl
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from attrs import field, frozen

from secondsite.dns.asking import endpoint_of
from secondsite.dns.lookup import addresses_of
from secondsite.model.access import RecordAccess
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.operate import WritePath
from secondsite.nats.http_read import PLAIN, json_object, read_body
from secondsite.operate.references import followed, is_reference, path_of
from secondsite.operate.world import PathWrite

_STORED = 200
_MAX_BYTES = 2**20
_PROBE_KEY = "0"
_TIMES = 3
"""How long all of a write may take, by the time in which each part of its answer has to come."""


@frozen
class HttpPath:
    """Sends ``body`` with a fresh ``Idempotency-Key``; the answer may name ``stream`` and ``sequence``.

    ``template`` goes before ``body``: any text, in which ``$ID`` is the id of this write. ``ca`` is who signs the
    server's certificate, where this machine does not know them; ``resolvers`` are asked instead of this machine's own.
    """

    url: str
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: Mapping[str, Any] = field(factory=dict)
    timeout_s: float = 5.0
    method: str = "POST"
    template: str = ""
    acknowledged: tuple[int, ...] = (200, 201)
    ca: Path | None = None
    resolvers: tuple[Endpoint, ...] = ()

    async def write(self) -> PathWrite:
        message_id = f"secondsite-probe-{uuid.uuid4()}"
        content = self._content(message_id) or json.dumps({"id": message_id, **self.body})
        identity = {"Idempotency-Key": message_id, "Nats-Msg-Id": message_id, "Content-Type": "application/json"}
        headers = {**identity, **self.headers}
        try:
            async with asyncio.timeout(_TIMES * self.timeout_s):
                url, more = await self._led_to()
                async with (
                    self.client() as client,
                    client.stream(
                        self.method, url, content=content, headers={**headers, **more}, **_named(more)
                    ) as answer,
                ):
                    status, document = answer.status_code, json_object(await read_body(answer, _MAX_BYTES)) or {}
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError, MachineError) as error:
            return PathWrite(0, message_id, why=type(error).__name__)
        if status not in self.acknowledged:
            return PathWrite(_not_stored(status), message_id, why=_reason(status))
        sequence = _number(document.get("sequence")) or _number(document.get("seq"))
        return PathWrite(_STORED, message_id, str(document.get("stream") or ""), sequence)

    async def looked_at(self) -> int:
        """The code that a GET is answered with. Raises HTTPError, InvalidURL, OSError or MachineError."""
        async with asyncio.timeout(_TIMES * self.timeout_s):
            url, more = await self._led_to()
            async with (
                self.client() as client,
                client.stream("GET", url, headers={**self.headers, **more}, **_named(more)) as answer,
            ):
                return int(answer.status_code)

    def client(self) -> httpx2.AsyncClient:
        """Raises OSError for an authority that cannot be read."""
        verify = ssl.create_default_context(cafile=str(self.ca)) if self.ca else True
        return httpx2.AsyncClient(timeout=self.timeout_s, trust_env=False, headers=PLAIN, verify=verify)

    def _content(self, message_id: str) -> str:
        values = {"$ID": message_id, "$KEY": _PROBE_KEY, "$DATA": message_id}
        text = self.template
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    async def _led_to(self) -> tuple[str, dict[str, str]]:
        """The URL at the address that the named resolvers give, and whose it is; as it stands where none is named."""
        url = httpx2.URL(self.url)
        if not self.resolvers or not (addresses := await addresses_of(url.host, self.resolvers)):
            return self.url, {}
        return str(url.copy_with(host=addresses[0])), {"Host": url.netloc.decode()}


def _named(more: Mapping[str, str]) -> dict[str, Any]:
    """The certificate has to be that of the name, not of the address."""
    return {"extensions": {"sni_hostname": more["Host"].partition(":")[0]}} if more else {}


def client_path(path: WritePath, resolvers: tuple[Endpoint, ...] = ()) -> HttpPath:
    """As the system file says; raises InputError for a reference that leads nowhere."""
    ca = path_of(path.ca, "operate.path.ca") if path.ca else None
    headers = {
        header.name: followed(header.value, f"operate.path.headers.{header.name}")
        if is_reference(header.value)
        else header.value
        for header in path.headers
    }
    return HttpPath(
        path.url,
        headers,
        method=path.method.upper(),
        template=path.body,
        acknowledged=path.acknowledged,
        ca=ca,
        resolvers=resolvers,
    )


def path_resolvers(record: RecordAccess | None) -> tuple[Endpoint, ...]:
    """Those of `operate: dns: resolvers:`: where clients' questions are answered."""
    return tuple(endpoint_of(each, "operate.dns.resolvers") for each in (record.resolvers if record else ()))


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
