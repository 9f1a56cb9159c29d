"""Work on a server that is tried again, on a new connection, after what may pass: a lost network, server or leader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, TypeVar

from secondsite.backup.objects import BrokenObjectError
from secondsite.backup.progress import Progress
from secondsite.model.errors import MachineError
from secondsite.nats.connection import DeniedError
from secondsite.nats.jetstream import JetStream, NoAnswerError, RefusedError
from secondsite.nats.place import NatsPlace
from secondsite.nats.restore import RestoreCutError
from secondsite.objects.failures import AccessError

T = TypeVar("T")
FIRST_WAIT_S = 2.0
RESTORE_WAIT_S = 6.0  # the server gives an upload up after 5 s of silence


class Opens(Protocol):
    def open(self) -> AbstractAsyncContextManager[JetStream]: ...


class Connections:
    """Connections that are used one after the other: to log in takes longer than to move a small stream.

    One is used again only after work that did not fail on it, and by one at a time.
    """

    def __init__(self, nats: NatsPlace) -> None:
        self._nats = nats
        self._idle: list[tuple[JetStream, AsyncExitStack]] = []

    async def __aenter__(self) -> Connections:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._idle:
            await self._idle.pop()[1].aclose()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[JetStream]:
        """As a place does it."""
        jetstream, closing = await self._one()
        try:
            yield jetstream
        except BaseException:
            await closing.aclose()
            raise
        self._idle.append((jetstream, closing))

    async def _one(self) -> tuple[JetStream, AsyncExitStack]:
        while self._idle:
            jetstream, closing = self._idle.pop()
            if jetstream.connection.client.is_connected:
                return jetstream, closing
            await closing.aclose()
        closing = AsyncExitStack()
        return await closing.enter_async_context(self._nats.open()), closing


async def persistently(
    nats: Opens,
    name: str,
    attempts: int,
    progress: Progress,
    work: Callable[[JetStream, int], Awaitable[T]],
    passes: Callable[[MachineError], bool] | None = None,
) -> T:
    """``work`` gets a connection and the number of the try. ``passes`` says whether another try may succeed."""
    for attempt in range(1, attempts + 1):
        try:
            async with nats.open() as jetstream:
                return await work(jetstream, attempt)
        except MachineError as error:
            if attempt == attempts or not (passes or may_pass)(error):
                raise
            progress.note(f"{name}: {error.problems[0].what}; try {attempt + 1} of {attempts}")
            await asyncio.sleep(RESTORE_WAIT_S if isinstance(error, RestoreCutError) else FIRST_WAIT_S * attempt)
    raise AssertionError("a plan has one attempt or more")


def may_pass(error: MachineError) -> bool:
    """Whether it may go better in a moment. A refusal may while there is no leader; damage and a closed door do not."""
    if isinstance(error, RefusedError):
        return error.passing
    return not isinstance(error, BrokenObjectError | AccessError | DeniedError)


def election(error: MachineError) -> bool:
    """Only what an election looks like: for the first look, where a wrong address should be told at once."""
    return isinstance(error, NoAnswerError) or (isinstance(error, RefusedError) and error.passing)
