"""The NATS client, with a parser that hands messages over in bulk, and but for one promise that the library does not
keep: where TLS is required, nothing goes in clear.

The library takes TLS only where the server's INFO demands it. Whoever answers in the server's place demands nothing,
and is then sent user and password; so the INFO is judged here before the library answers it.
"""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client

from nats import errors
from secondsite.nats.bulk import BulkParser


class NoTlsError(errors.Error):
    """The server offers no TLS, and TLS was required; nothing was sent."""


class TlsClient(Client):
    def __init__(self, *, tls_required: bool) -> None:
        super().__init__()
        self._ps = BulkParser(self)
        self._tls_is_required = tls_required

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Called with each INFO, the first before anything is sent. A server that only offers TLS is taken at it."""
        if initial_connection and self._tls_is_required and not info.get("tls_required"):
            encrypted = self.options["tls_handshake_first"]
            if not encrypted and not info.get("tls_available"):
                raise NoTlsError("nats: no TLS")
            info["tls_required"] = not encrypted
        await super()._process_info(info, initial_connection)
