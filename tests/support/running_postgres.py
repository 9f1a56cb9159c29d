"""A PostgreSQL server on files of a test, by itself: started, asked with psql, ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nats_world import free_port

from secondsite.lab.postgres_files import own, prefix
from secondsite.model.errors import MachineError
from secondsite.stores.postgres import PostgresServer
from secondsite.stores.postgres_place import PostgresPlace


@contextmanager
def postgres(programs: Path, data: Path, rules: str, *more: str, **env: str) -> Iterator[int]:
    """Its port. ``rules``: its pg_hba.conf."""
    port, hba = free_port(), data.with_name(f"{data.name}.hba")
    hba.write_text(rules)
    own(hba)
    options = (*prefix(), str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port))
    given = [word for each in ("unix_socket_directories=", "fsync=off", f"hba_file={hba}") for word in ("-c", each)]
    server = subprocess.Popen(
        [*options, *given, *more], env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield port
    finally:
        server.kill()
        server.wait()


def until(asked: Callable[[], Awaitable[bool]]) -> None:
    async def look() -> None:
        async with asyncio.timeout(120):
            while True:
                with suppress(MachineError):
                    if await asked():
                        return
                await asyncio.sleep(0.1)

    asyncio.run(look())


def sql(programs: Path, port: int, *arguments: str, **env: str) -> str:
    command = [
        str(programs / "psql"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-U",
        "postgres",
        "-At",
        *arguments,
        "postgres",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **env})
    return done.stdout.strip()


async def answers(port: int) -> bool:
    await PostgresServer(PostgresPlace(f"host=127.0.0.1 port={port} user=postgres dbname=postgres", 2.0)).look()
    return True
