"""From a thread back into the event loop, so that code that blocks can read what is produced asynchronously."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")


class Bridge:
    """Made on the loop, used in one thread. Once closed, every call raises BrokenPipeError, the one under way too."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._current: Future[Any] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of ``coroutine``, run on the loop."""
        if self._closed:
            coroutine.close()
            raise BrokenPipeError
        current: Future[T] = asyncio.run_coroutine_threadsafe(self._tracked(coroutine), self._loop)
        self._current = current
        if self._closed:
            current.cancel()
        try:
            return current.result()
        except CancelledError:
            raise BrokenPipeError from None

    async def _tracked(self, coroutine: Coroutine[Any, Any, T]) -> T:
        self._idle.clear()
        try:
            return await coroutine
        finally:
            self._idle.set()

    async def close(self) -> None:
        """Returns when nothing of it runs any more, so that what it iterated over can be closed in its turn."""
        self._closed = True
        if self._current:
            self._current.cancel()
            await asyncio.sleep(0)  # a call that is in progress begins, or is cancelled before it does
            await self._idle.wait()


class Pieces:
    """An asynchronous iterator as a blocking one. ``error`` is what it raised, for who gets another error instead;
    ``seen`` gets each piece in the thread."""

    def __init__(
        self, bridge: Bridge, pieces: AsyncIterator[bytes], on_piece: Callable[[bytes], None] = lambda _: None
    ) -> None:
        self._bridge, self._pieces, self._on_piece = bridge, pieces, on_piece
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = self._bridge.call(self._next())
        except Exception as error:
            self.error = error
            raise
        if not piece:
            raise StopIteration
        self._on_piece(piece)
        return piece

    async def _next(self) -> bytes:
        async for piece in self._pieces:
            if piece:
                return piece
        return b""
