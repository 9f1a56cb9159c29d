"""The consumers of one region: of each durable, pulled or pushed, what was processed is recorded, then acknowledged.

``… -m secondsite.lab.consumer_process FILE``. A line of the record is on its way to disk before the
acknowledgement leaves: what was acknowledged and is not recorded was never processed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from attrs import frozen
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from nats import errors
from secondsite.lab.api_process import connected

_BATCH = 64
_FETCH_S = 2.0
_PAUSE_S = 0.3
_ACK = "$JS.ACK."
_STALLED = "Nats-Consumer-Stalled"


@frozen
class _Durable:
    """``push`` is where the server delivers by itself, shared in ``group``; empty where it is asked."""

    stream: str
    name: str
    push: str = ""
    group: str = ""


async def _consume(client: Client, durable: _Durable, record: IO[str], careless: int) -> None:
    """For ever; a consumer that does not exist yet (a mirror carries none) is waited for."""
    jetstream = client.jetstream(timeout=_FETCH_S)
    subscription = await jetstream.pull_subscribe_bind(durable=durable.name, stream=durable.stream)
    while True:
        try:
            messages = await subscription.fetch(_BATCH, timeout=_FETCH_S)
        except TimeoutError:
            continue
        except (errors.Error, JetStreamError, OSError):
            await asyncio.sleep(_PAUSE_S)
            continue
        await _process(messages, durable, record, careless)


async def _listen(client: Client, durable: _Durable, record: IO[str], careless: int) -> None:
    """For ever. What is no message of the stream is the server's flow control, or a heartbeat that repeats it."""
    subscription = await client.subscribe(durable.push, queue=durable.group)
    async for message in subscription.messages:
        if message.reply.startswith(_ACK):
            await _process([message], durable, record, careless)
        elif asked := message.reply or (message.headers or {}).get(_STALLED, ""):
            await client.publish(asked)


async def _process(messages: Sequence[Msg], durable: _Durable, record: IO[str], careless: int) -> None:
    for message in messages:
        if not careless or message.metadata.sequence.stream % careless:
            record.write(_line(message, durable.stream, durable.name))
    record.flush()
    for message in messages:
        with suppress(errors.Error):
            await message.ack()


def _line(message: Msg, stream: str, consumer: str) -> str:
    about = message.metadata
    return (
        json.dumps(
            {
                "stream": stream,
                "consumer": consumer,
                "sequence": about.sequence.stream,
                "deliveries": about.num_delivered,
                "id": (message.headers or {}).get("Nats-Msg-Id", ""),
                "monotonic_ns": time.monotonic_ns(),
                "wall_ns": time.time_ns(),
            }
        )
        + "\n"
    )


async def _run(config: Mapping[str, Any], record: IO[str], ready: Path) -> None:
    client = await connected(config["nats"], f"consumers-{config['region']}", config["client"])
    ready.touch()  # noqa: ASYNC240 - nothing else runs yet
    careless = int(config.get("careless", 0))
    durables = [_Durable(**each) for each in config["consumers"]]
    kept = ((_listen if each.push else _consume)(client, each, record, careless) for each in durables)
    await asyncio.gather(*kept)
    await asyncio.Event().wait()


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(config["record"]).open("a", encoding="utf-8") as record:
        asyncio.run(_run(config, record, Path(config["ready"])))


if __name__ == "__main__":
    main()
