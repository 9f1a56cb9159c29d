"""Publishers straight to JetStream, as many acknowledgements under way as the client allows: for more load than
an API takes, and for KV buckets, whose keys are subjects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError

from nats import errors
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.client_config import NatsTarget
from secondsite.drill.load.sending import Attempt, Write
from secondsite.nats.credentials import from_credentials
from secondsite.nats.options import ConnectOptions

_RECONNECT_S = 0.2


async def _quiet(error: Exception) -> None:
    """A lost connection shows in the outcomes; the client's own words go to its log."""
    print(type(error).__name__, error, flush=True)


class NatsSender:
    def __init__(self, target: NatsTarget, timeout_s: float, login: Mapping[str, str] = {}) -> None:
        self._target = target
        self._login = login
        self._timeout_s = timeout_s
        self._client = Client()
        self._jetstream = self._client.jetstream()

    async def open(self) -> None:
        """Waits until a server answers."""
        while not self._client.is_connected:
            try:
                await self._client.connect(
                    list(self._target.servers),
                    error_cb=_quiet,
                    dont_randomize=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=_RECONNECT_S,  # type: ignore[arg-type] # seconds; it only sleeps them
                    ping_interval=self._target.ping_interval_s,  # type: ignore[arg-type] # as above
                    max_outstanding_pings=self._target.max_outstanding_pings,
                    **_options(self._login),
                )
            except (errors.Error, OSError, TimeoutError):
                self._client = Client()
                self._jetstream = self._client.jetstream()
                await asyncio.sleep(_RECONNECT_S)

    async def send(self, message: Write, _user: int, /) -> Attempt:
        """Which user it is does not matter: all share the connection."""
        headers = {"Nats-Msg-Id": message.id}
        if not message.data:
            headers["KV-Operation"] = "DEL"
        return await self.publish(message.subject, message.data.encode(), headers)

    async def publish(self, subject: str, data: bytes, headers: dict[str, str]) -> Attempt:
        url = self._client.connected_url
        if url is None or not self._client.is_connected:
            return Attempt(Status.ERROR)
        address = self._target.named.get(url.hostname or "", url.hostname or "")
        try:
            ack = await self._jetstream.publish(subject, data, timeout=self._timeout_s, headers=headers)
        except NoStreamResponseError:
            return Attempt(Status.REFUSED, address=address, why="no stream listens")
        except APIError as error:
            return Attempt(Status.REFUSED, address=address, why=f"{error.description} ({error.err_code})")
        except (errors.Error, TimeoutError, OSError):
            return Attempt(Status.UNKNOWN, address=address)
        return Attempt(Status.STORED, ack.seq, address)

    async def close(self) -> None:
        await self._client.close()


def _options(login: Mapping[str, str]) -> dict[str, Any]:
    """As `NatsAccess` names them; files by their path. Empty where the URLs say who we are."""
    options: dict[str, Any] = {name: login[name] for name in ("user", "password", "token") if name in login}
    if "creds" in login:
        signer = from_credentials(Path(login["creds"]))
        options |= {"signature_cb": signer.sign, "user_jwt_cb": signer.jwt.encode}
    files = {name: Path(login[name]) if name in login else None for name in ("ca", "cert", "key")}
    if tls := ConnectOptions(tls_ca=files["ca"], tls_cert=files["cert"], tls_key=files["key"]).tls():
        options["tls"] = tls
    return options
