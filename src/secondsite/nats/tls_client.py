"""The NATS client, with a parser that hands messages over in bulk, and but for one promise that the library does not
keep: where TLS is required, nothing goes in clear.

The library takes TLS only where the server's INFO demands it. Whoever answers in the server's place demands nothing,
and is then sent user and password; so the INFO is judged here before the library answers it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nats.aio.client import Client

from nats import errors
from secondsite.nats.bulk import BulkParser


class NoTlsError(errors.Error):
    """The server offers no TLS, and TLS was required; nothing was sent."""


# Subject, reply, headers as they came, payload.
Tap = Callable[[bytes, bytes, bytes, bytes], None]


class TlsClient(Client):
    """``taps`` get a subscription's messages byte for byte, at once and instead of its queue."""

    def __init__(self, *, tls_required: bool) -> None:
        super().__init__()
        self._ps = BulkParser(self)
        self._tls_is_required = tls_required
        self.taps: dict[int, Tap] = {}

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Called with each INFO, the first before anything is sent. A server that only offers TLS is taken at it."""
        if initial_connection and self._tls_is_required and not info.get("tls_required"):
            encrypted = self.options["tls_handshake_first"]
            if not encrypted and not info.get("tls_available"):
                raise NoTlsError("nats: no TLS")
            info["tls_required"] = not encrypted
        await super()._process_info(info, initial_connection)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        tap = self.taps.get(sid)
        if tap:
            tap(subject, reply, headers or b"", data)
        else:
            await super()._process_msg(sid, subject, reply, data, headers)
