"""The door to the digest process: feed it an archive as it passes, and ask for the digest at the end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from itertools import chain
from typing import Any

import cattrs
from attrs import frozen

from secondsite.backup import digest_worker
from secondsite.backup.digest import Digest
from secondsite.backup.s2 import S2Meter
from secondsite.backup.scheduled import ScheduledOnce
from secondsite.backup.sourcing import Position
from secondsite.objects.bridge import Bridge, Pieces

SMALL_BYTES = 1024**2
MOSTLY_PLAIN = 1.02  # times as large, unpacked
Source = Callable[[], AsyncIterator[bytes]]
# Sequence, time in ns, checksum, and how long it stays: its time to live, or when it fires, as its header says it.
Listed = tuple[int, int, str, str]


class DigestError(ValueError):
    """The archive could not be read: ``str()`` says why."""


@frozen
class Digested:
    """What an archive holds. ``consumers`` are configuration and state; None where it does not tell.

    ``positions`` is how far each source had come, and ``schedules`` are those that fire once, where that was asked.
    """

    digest: Digest
    consumers: tuple[dict[str, Any], ...] | None
    positions: Mapping[Position, int] = {}
    schedules: tuple[ScheduledOnce, ...] = ()


@frozen
class Archived:
    """An archive that can be read again. ``tar_first``: of servers before 2.15, and its stream's first sequence.

    ``framed``: compressed as a server does it; what is not needs no process of its own.
    """

    source: Source
    tar_first: int | None = None
    sources: bool = False
    schedules: bool = False
    framed: bool = True

    async def digest(self, width: int, upto: int | None = None) -> Digested:
        """Raises DigestError, or what the source raises."""
        noted = {"sources": self.sources, "schedules": self.schedules}
        answer = await self._ask({"width": width, "upto": upto, "only": None, **noted})
        consumers = answer["consumers"]
        names = None if consumers is None else tuple(consumers)
        positions = {(name, pattern): last for name, pattern, last in answer["sources"]}
        once = tuple((subject, at) for subject, at in answer["schedules"])
        return Digested(cattrs.structure(answer["digest"], Digest), names, positions, once)

    async def listed(self, width: int, only: Iterable[int], upto: int | None = None) -> list[Listed]:
        """Each message of the ranges asked for. Raises as `digest` does."""
        answer = await self._ask({"width": width, "upto": upto, "only": list(only), "sources": False})
        return [tuple(item) for item in answer["listed"]]

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        tar = None
        if self.tar_first is not None:
            tar = {"first": self.tar_first, "gone": None}
            tar["gone"] = (await self._read({**request, "tar": tar}))["gone"]
        return await self._read({**request, "tar": tar})

    async def _read(self, request: dict[str, Any]) -> dict[str, Any]:
        """In a thread, where nothing has to be unpacked: that is copying and hashing, and a pipe would copy once more.

        What is packed is unpacked in a process of its own, unless it is so small that starting one takes longer.
        """
        async with aclosing(self.source()) as pieces:  # type: ignore[type-var] # an async generator
            if not self.framed:
                return await self._in_a_thread({**request, "framed": False}, [], pieces)
            held: list[bytes] = []
            meter = S2Meter()
            async for piece in pieces:
                held.append(piece)
                meter.feed(piece)
                if sum(map(len, held)) > SMALL_BYTES:
                    plain = request["tar"] is None and mostly_plain(meter)
                    return await (self._in_a_thread if plain else self._in_a_process)(request, held, pieces)
        return _checked(await asyncio.to_thread(digest_worker.answer, request, held))

    async def _in_a_thread(
        self, request: dict[str, Any], held: list[bytes], rest: AsyncIterator[bytes]
    ) -> dict[str, Any]:
        bridge = Bridge()
        pieces = Pieces(bridge, rest)
        try:
            answer = await asyncio.to_thread(digest_worker.answer, request, chain(held, pieces))
        finally:
            await bridge.close()
        if pieces.error:
            raise pieces.error
        return _checked(answer)

    async def _in_a_process(
        self, request: dict[str, Any], held: list[bytes], pieces: AsyncIterator[bytes]
    ) -> dict[str, Any]:
        async with _DigestProcess(request) as process:
            for piece in held:
                await process.feed(piece)
            async for piece in pieces:
                await process.feed(piece)
            return await process.answer()


def mostly_plain(meter: S2Meter) -> bool:
    """Whether nearly all blocks that came are as they were, so that little has to be unpacked."""
    return meter.decoded_bytes < meter.encoded_bytes * MOSTLY_PLAIN


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise DigestError(answer["error"])
    return answer


class _DigestProcess:
    """One pass over one archive. Memory is that of the process, for one block and one message."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> _DigestProcess:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "secondsite.backup.digest_worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024**2,
        )
        await self.feed(json.dumps(self._request).encode() + b"\n")
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def feed(self, piece: bytes) -> None:
        stdin = self._running().stdin
        assert stdin  # noqa: S101 # opened as a pipe
        with suppress(BrokenPipeError, ConnectionResetError):  # answer() says what happened
            stdin.write(piece)
            await stdin.drain()

    async def answer(self) -> dict[str, Any]:
        """Raises DigestError."""
        stdin = self._running().stdin
        assert stdin  # noqa: S101 # opened as a pipe
        stdin.close()
        out, _ = await self._running().communicate()
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            raise DigestError("the process that reads the archive died") from None
        return _checked(answer)

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process  # noqa: S101 # entered
        return self._process
