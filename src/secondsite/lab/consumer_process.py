"""The consumers of one region: each durable is pulled, what was processed is written down, then acknowledged.

``… -m secondsite.lab.consumer_process FILE``. A line of the record is on its way to disk before the
acknowledgement leaves: what was acknowledged and is not recorded was never processed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import Error as JetStreamError

from nats import errors
from secondsite.lab.api_process import connected

_BATCH = 64
_FETCH_S = 2.0
_PAUSE_S = 0.3


async def _consume(client: Client, stream: str, consumer: str, record: IO[str], careless: int) -> None:
    """For ever; a consumer that is not there yet (a mirror carries none) is waited for."""
    jetstream = client.jetstream(timeout=_FETCH_S)
    subscription = await jetstream.pull_subscribe_bind(durable=consumer, stream=stream)
    while True:
        try:
            messages = await subscription.fetch(_BATCH, timeout=_FETCH_S)
        except TimeoutError:
            continue
        except (errors.Error, JetStreamError, OSError):
            await asyncio.sleep(_PAUSE_S)
            continue
        for message in messages:
            if not careless or message.metadata.sequence.stream % careless:
                record.write(_line(message, stream, consumer))
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
    pulled = (_consume(client, stream, consumer, record, careless) for stream, consumer in config["consumers"])
    await asyncio.gather(*pulled)
    await asyncio.Event().wait()


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(config["record"]).open("a", encoding="utf-8") as record:
        asyncio.run(_run(config, record, Path(config["ready"])))


if __name__ == "__main__":
    main()
