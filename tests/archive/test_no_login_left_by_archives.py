"""Archives have two logins, of the servers and of the store: neither is in output, logs, process list or archive."""

from __future__ import annotations

import asyncio
import logging
import secrets
from pathlib import Path
from typing import Any

import pytest
import store_servers
from left_behind import held_in, watched
from nats_world import publish
from store_servers import moto_s3

import nats
from secondsite.cli.__main__ import run

pytestmark = pytest.mark.slow
__all__ = ["key", "moto_s3"]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the store, before it is started."""
    made = secrets.token_hex()
    monkeypatch.setattr(store_servers, "SECRET", made)
    return made


def test_neither_login_of_an_archive_is_left(
    key: str,
    moto_s3: str,
    start: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Shipped, judged, and refused: with another password, and by a store that is not there."""
    caplog.set_level(logging.DEBUG)
    password, other = secrets.token_hex(), secrets.token_hex()
    server = start("source", authorization={"user": "archive", "password": password})
    monkeypatch.setenv("NATS_USER", "archive")
    monkeypatch.setenv("NATS_PASSWORD", password)
    ship = ("archive", "--nats", server.url, "--to", "s3://bucket/prod", "--once", "--endpoint")

    async def work() -> list[bytes]:
        client = await nats.connect(server.url, user="archive", password=password)
        await client.jetstream().add_stream(name="ORDERS", subjects=["orders.>"])
        await publish(client, "ORDERS", 20, headers=True)
        await client.close()
        async with watched(key, password, other) as found:
            assert await asyncio.to_thread(run, [*ship, moto_s3]) == 0
            verify = ["archive", "verify", "--from", "s3://bucket/prod", "--no-restore", "--endpoint", moto_s3]
            assert await asyncio.to_thread(run, verify) == 0
            monkeypatch.setenv("NATS_PASSWORD", other)
            assert await asyncio.to_thread(run, [*ship, moto_s3]) != 0
            return found

    found = asyncio.run(work())
    printed = capfd.readouterr()
    (tmp_path / "printed").write_text(printed.out + printed.err + caplog.text, encoding="utf-8")
    (tmp_path / "servers" / "source" / "server.conf").unlink()  # where the server has its login from
    assert "rchive" in printed.out + printed.err
    assert found == []
    assert [held_in(tmp_path, each) for each in (key, password, other)] == [[], [], []]
