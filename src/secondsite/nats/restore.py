"""A stream enters a server: ``$JS.API.STREAM.RESTORE``, chunks pipelined within a bound.

The empty chunk that makes the server keep the stream is sent only after the last chunk was handed over without an
exception, so a source that finds out at its end that it was corrupt leaves no restored stream behind.

A server answers for the leader of the new stream before the servers between them know who listens for its chunks. The
first chunk is therefore sent until somebody takes it: one that nobody took was lost, and the restore with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from nats.aio.msg import Msg

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream, Json

CHUNK_BYTES = 512 * 1024
CHUNKS_AT_ONCE = 16
ANSWER_S = 30.0
KEEP_ALIVE_S = 2.0
FINISH_S = 600.0
_AGAIN_S = 0.05
_NO_RESPONDERS = "503"


class RestoreCutError(MachineError):
    """The restore did not come to its end; the stream may be there in part."""


async def restore_stream(jetstream: JetStream, config: Json, state: Json, chunks: AsyncIterator[bytes]) -> Json:
    """The answer of the finished restore. Raises RefusedError, RestoreCutError, or what ``chunks`` raises."""
    name = config["name"]
    answer = await jetstream.ask(f"STREAM.RESTORE.{name}", {"config": config, "state": state}, timeout_s=30)
    upload = _Upload(jetstream, name, answer["deliver_subject"])
    await upload.open()
    try:
        async for chunk in _paced(chunks, min(CHUNK_BYTES, jetstream.connection.client.max_payload)):
            await upload.send(chunk)
        return await upload.finish()
    finally:
        await upload.close()


class _Upload:
    """At most ``CHUNKS_AT_ONCE`` chunks wait for the server's word."""

    def __init__(self, jetstream: JetStream, name: str, subject: str) -> None:
        self._jetstream, self._name, self._subject = jetstream, name, subject
        self._client = jetstream.connection.client
        self._inbox = self._client.new_inbox()
        self._free = asyncio.Semaphore(CHUNKS_AT_ONCE)
        self._answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._began, self._untaken = False, False
        self._word = asyncio.Event()

    async def open(self) -> None:
        self._subscription = await self._client.subscribe(self._inbox, cb=self._on_answer)

    async def _on_answer(self, message: Msg) -> None:
        self._word.set()
        if message.headers and message.headers.get("Status") == _NO_RESPONDERS:
            self._untaken = True
            return
        if message.data and not self._answer.done():
            self._answer.set_result(json.loads(message.data))
        self._free.release()

    async def send(self, chunk: bytes) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._free.acquire()
            if self._answer.done():  # before the end, an answer can only be a refusal
                self._jetstream.checked(f"STREAM.RESTORE.{self._name}", self._answer.result())
                raise self._cut("the server ended it early")
            if self._untaken:
                raise self._cut("the server accepts no more data")
            await self._publish(chunk)
        except TimeoutError:
            raise self._cut(f"no acknowledgement for {ANSWER_S:g} s") from None
        except (errors.Error, OSError) as error:
            raise self._cut(f"the connection failed ({type(error).__name__})") from None

    async def _publish(self, chunk: bytes) -> None:
        """Raises TimeoutError where nobody takes the first chunk."""
        await self._client.publish(self._subject, chunk, reply=self._inbox)
        if self._began:
            return
        async with asyncio.timeout(ANSWER_S):
            await self._word.wait()
            while self._untaken:
                self._word.clear()
                self._untaken = False
                await asyncio.sleep(_AGAIN_S)
                await self._client.publish(self._subject, chunk, reply=self._inbox)
                await self._word.wait()
        self._began = True

    async def finish(self) -> Json:
        try:
            await self._publish(b"")
            async with asyncio.timeout(FINISH_S):
                while not self._answer.done():
                    await asyncio.wait([self._answer], timeout=1)
                    if self._client.is_closed:
                        raise self._cut("the connection closed")
                    if self._untaken:
                        raise self._cut("the server accepts no more data")
        except TimeoutError:
            raise self._cut(f"the server did not finish within {FINISH_S:g} s") from None
        except (errors.Error, OSError) as error:
            raise self._cut(f"the connection failed ({type(error).__name__})") from None
        return self._jetstream.checked(f"STREAM.RESTORE.{self._name}", self._answer.result())

    async def close(self) -> None:
        if not self._client.is_closed:
            await self._subscription.unsubscribe()

    def _cut(self, why: str) -> Exception:
        remedy = "check the server's log and free storage, then run again"
        return RestoreCutError.at(self._jetstream.shown, f"the restore of {self._name} was cut short: {why}", remedy)


async def _paced(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Chunks of ``size``; a byte now and then while the source stalls, as the server gives up after 5 s of silence."""
    held = memoryview(b"")
    waiting: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            waiting = asyncio.ensure_future(anext(chunks, None))
            while not (await asyncio.wait([waiting], timeout=KEEP_ALIVE_S))[0]:
                if held:
                    yield bytes(held[:1])
                    held = held[1:]
            piece = waiting.result()
            if piece is None:
                break
            held = memoryview(b"".join((held, piece)) if held else piece)
            while len(held) > size:
                yield bytes(held[:size])
                held = held[size:]
        if held:
            yield bytes(held)
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
