"""What stands where a PostgreSQL server should, and what a reference leads to: connected, or told why not."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from fuzz_limits import begins
from mutations import HOSTILE, changed_bytes, changed_text, seeds, survives

from secondsite.stores.postgres_place import postgres_place

pytestmark = pytest.mark.slow


def said(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


STATUS = b"".join(
    said(b"S", name + b"\0" + value + b"\0")
    for name, value in (
        (b"server_version", b"18.0"),
        (b"client_encoding", b"UTF8"),
        (b"standard_conforming_strings", b"on"),
    )
)
WELCOME = said(b"R", struct.pack("!I", 0)) + STATUS + said(b"K", struct.pack("!II", 1, 2)) + said(b"Z", b"I")
REFUSAL = said(b"E", b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0")
ROW = (
    said(b"T", struct.pack("!H", 1) + b"now\0" + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0))
    + said(b"D", struct.pack("!HI", 1, 3) + b"abc")
    + said(b"C", b"SELECT 1\0")
    + said(b"Z", b"I")
)


@asynccontextmanager
async def standing(first: bytes, then: bytes) -> AsyncIterator[int]:
    """Answers the startup, then each question."""
    running: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())  # type: ignore[arg-type] # a coroutine of a task
        try:
            with suppress(OSError, asyncio.CancelledError):
                await reader.read(65536)
                writer.write(first)
                while await reader.read(65536):
                    writer.write(then)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running)


async def asked(first: bytes, then: bytes) -> object:
    async with standing(first, then) as port:
        reference = f"postgresql://ann@127.0.0.1:{port}/db?sslmode=disable"
        async with postgres_place(reference, "--postgres", within_s=0.2).open() as session:
            return await session.rows("SELECT now()")


def broken(chance: Random) -> tuple[bytes, bytes]:
    first = chance.choice((WELCOME, WELCOME, REFUSAL))
    if chance.random() < 0.5:
        return changed_bytes(first, chance), ROW
    return WELCOME, changed_bytes(ROW, chance)


def test_answers_of_postgresql() -> None:
    assert asyncio.run(asked(WELCOME, ROW))
    for chance in islice(seeds(), 30):  # each that is silent is waited for
        first, then = broken(chance)
        survives(lambda first=first, then=then: asyncio.run(asked(first, then)))  # type: ignore[misc] # bound here


@pytest.mark.parametrize("kind", ["env", "file", "service", "written"])
def test_references_to_postgresql(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable, a file and a service whose content is anything."""
    plain, path = "host=127.0.0.1 port=1 user=ann password=p dbname=d", tmp_path / "dsn"
    texts = [*HOSTILE, *(changed_text(plain, chance) for chance in seeds())]
    for text in texts:
        begins(text[:40])
        path.write_bytes(text.encode("utf-8", "surrogatepass") + (b"\xff" if len(text) % 3 == 0 else b""))
        with monkeypatch.context() as given:
            if "\0" not in text:
                given.setenv("DSN", text)
            references = {"env": "env:DSN", "file": f"file:{path}", "service": f"service:{text}", "written": text}
            survives(lambda reference=references[kind]: postgres_place(reference, "--postgres").shown)  # type: ignore[misc]
    for odd in ("file:\0", "file:~nobody-there/x", f"file:{tmp_path}", "env:", "env:\0", "service:"):
        survives(lambda odd=odd: postgres_place(odd, "--postgres").shown)  # type: ignore[misc] # bound here
