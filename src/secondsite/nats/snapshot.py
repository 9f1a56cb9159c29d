"""A stream leaves the server: ``$JS.API.STREAM.SNAPSHOT`` with its flow control (nats-architecture-and-design, ADR
on stream backup and restore).

A chunk is acknowledged when the reader asks for the one after it, so never more than the window is in memory. The
end is what the server said it is: a stream cut short raises, it does not just stop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from attrs import frozen
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream, Json

CHUNK_BYTES = 1024**2
WINDOW_BYTES = 8 * 1024**2
SILENCE_S = 20.0


class SnapshotCutError(MachineError):
    """The snapshot ended before its end; another try may succeed."""


@frozen
class Snapshot:
    """``config`` and ``state`` as the server gave them at the start; ``chunks`` can be read once."""

    config: Json
    state: Json
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def open_snapshot(
    jetstream: JetStream, stream: str, *, consumers: bool = True, chunk_bytes: int = CHUNK_BYTES
) -> AsyncIterator[Snapshot]:
    """Begin a snapshot; leaving early lets the server give up by itself. Raises RefusedError or SnapshotCutError."""
    client = jetstream.connection.client
    chunk_bytes = min(chunk_bytes, client.max_payload)
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, pending_bytes_limit=4 * WINDOW_BYTES, pending_msgs_limit=65536)
    request = {
        "deliver_subject": inbox,
        "no_consumers": not consumers,
        "chunk_size": chunk_bytes,
        "window_size": WINDOW_BYTES,
    }
    try:
        answer = await jetstream.ask(f"STREAM.SNAPSHOT.{stream}", request, timeout_s=15)
        yield Snapshot(answer["config"], answer["state"], _chunks(jetstream, stream, subscription))
    finally:
        with suppress(errors.Error, OSError):
            await subscription.unsubscribe()


async def _chunks(jetstream: JetStream, stream: str, subscription: Subscription) -> AsyncIterator[bytes]:
    client = jetstream.connection.client
    while True:
        message = await _next(jetstream, stream, subscription)
        if not message.data:
            status = (message.headers or {}).get("Status", "204")
            if status != "204":
                why = (message.headers or {}).get("Description", "")
                raise _cut(jetstream, stream, f"the server ended it with {status} {why}".rstrip())
            return
        yield message.data
        if message.reply:
            try:
                await client.publish(message.reply, b"")
            except (errors.Error, OSError):
                raise _cut(jetstream, stream, "the connection closed") from None


async def _next(jetstream: JetStream, stream: str, subscription: Subscription) -> Msg:
    begin = time.monotonic()
    while True:
        try:
            return await subscription.next_msg(timeout=1)
        except (TimeoutError, errors.TimeoutError):
            pass
        except (errors.Error, OSError):
            raise _cut(jetstream, stream, "the connection closed") from None
        if jetstream.connection.client.is_closed:
            raise _cut(jetstream, stream, "the connection closed")
        if time.monotonic() - begin > SILENCE_S:
            raise _cut(jetstream, stream, f"no chunk for {SILENCE_S:g} s")


def _cut(jetstream: JetStream, stream: str, why: str) -> Exception:
    remedy = "check whether the stream lost its leader, then run again"
    return SnapshotCutError.at(jetstream.shown, f"the snapshot of {stream} was cut short: {why}", remedy)
