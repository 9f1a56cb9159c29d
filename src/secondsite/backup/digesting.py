"""The door to the digest process: feed it an archive as it passes, and ask for the digest at the end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import cattrs
from attrs import frozen

from secondsite.backup.digest import Digest


class DigestError(ValueError):
    """The archive could not be read: ``str()`` says why."""


@frozen
class Digested:
    """What an archive holds. ``consumers`` are configuration and state."""

    digest: Digest
    consumers: tuple[dict[str, Any], ...]


class DigestProcess:
    """One archive. Memory is that of the process, for one block and one message."""

    def __init__(self, width: int, *, upto: int | None = None, only: Iterable[int] | None = None) -> None:
        wanted = None if only is None else list(only)
        self._request = json.dumps({"width": width, "upto": upto, "only": wanted})
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> DigestProcess:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "secondsite.backup.digest_worker",
            self._request,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024**2,
        )
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
        with suppress(BrokenPipeError, ConnectionResetError):  # finish() says what happened
            stdin.write(piece)
            await stdin.drain()

    async def finish(self) -> Digested:
        """Raises DigestError."""
        answer = await self._answer()
        return Digested(cattrs.structure(answer["digest"], Digest), tuple(answer["consumers"]))

    async def listed(self) -> list[tuple[int, int, str, str]]:
        """Sequence, time in ns, checksum and TTL of each message of the ranges asked for."""
        return [tuple(item) for item in (await self._answer())["listed"]]

    async def _answer(self) -> dict[str, Any]:
        stdin = self._running().stdin
        assert stdin  # noqa: S101 # opened as a pipe
        stdin.close()
        out, _ = await self._running().communicate()
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            raise DigestError("the process that reads the archive died") from None
        if "error" in answer:
            raise DigestError(answer["error"])
        return answer

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process  # noqa: S101 # entered
        return self._process
