"""Where TLS was asked for, nothing is sent to a server that does not offer it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from identities import Certificates

from secondsite.model.errors import MachineError
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.options import ConnectOptions

USER = "authorization { user: app, password: rosebud }"
NAMED = ConnectOptions(user="app", password="rosebud", timeout_s=3)


def server_of(url: str, options: ConnectOptions) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with connect(parse_addresses(url), options) as connection:
            return dict(connection.server)

    return asyncio.run(run())


def overheard(scheme: str, options: ConnectOptions) -> bytes:
    """What a listener without TLS hears of a client that must not talk to it."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "X", "version": "2.15.1", "max_payload": 1048576, "auth_required": True, "nonce": "abc"}
        writer.write(f"INFO {json.dumps(info)}\r\n".encode())
        while part := await reader.read(4096):
            heard.extend(part)
        writer.close()

    async def run() -> None:
        async with await asyncio.start_server(listen, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            with pytest.raises(MachineError, match="offers no TLS, and nothing was sent to it"):
                async with connect(parse_addresses(f"{scheme}://127.0.0.1:{port}"), options):
                    pass

    asyncio.run(run())
    return bytes(heard)


def test_a_tls_url_tells_a_plain_listener_nothing() -> None:
    assert overheard("tls", NAMED) == b""


def test_an_authority_tells_a_plain_listener_nothing(certificates: Certificates) -> None:
    options = ConnectOptions(user="app", password="rosebud", tls_ca=certificates.ca, timeout_s=3)
    assert overheard("nats", options) == b""


@pytest.mark.slow
def test_a_real_server_without_tls_is_refused(start_nats: Callable[..., list[Any]], tmp_path: Path) -> None:
    (server,) = start_nats(tmp_path, USER)
    assert server_of(server.url, NAMED)["version"]
    with pytest.raises(MachineError, match="offers no TLS"):
        server_of(server.url.replace("nats:", "tls:"), NAMED)


@pytest.mark.slow
def test_tls_that_a_server_only_offers_is_taken(
    start_nats: Callable[..., list[Any]], tmp_path: Path, certificates: Certificates
) -> None:
    """`allow_non_tls`: its INFO says available, not required, and a client that does not ask talks in clear."""
    files = certificates
    tls = f"tls {{ cert_file: '{files.server}', key_file: '{files.server_key}' }}\nallow_non_tls: true"
    (server,) = start_nats(tmp_path, f"{USER}\n{tls}")
    options = ConnectOptions(user="app", password="rosebud", tls_ca=files.ca, timeout_s=3)

    async def encrypted() -> bool:
        async with connect(parse_addresses(server.url), options) as connection:
            transport = connection.client._transport
            return bool(transport and transport._io_writer.get_extra_info("ssl_object"))  # type: ignore[attr-defined]

    assert asyncio.run(encrypted())
