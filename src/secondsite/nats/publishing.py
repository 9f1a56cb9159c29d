"""Publishes many messages one after the other and waits for their acknowledgements together, not for each.

They leave in the order given, on one connection, so a stream stores them in that order. An answer that does not come
is *unknown*: the message may have been stored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import frozen

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.bulk import frame, give_back, send_all, take_in_bulk
from secondsite.nats.jetstream import JetStream

SILENCE_S = 20.0


@frozen
class Outgoing:
    subject: str
    data: bytes
    headers: Mapping[str, str]


async def acknowledgements(
    jetstream: JetStream, messages: Sequence[Outgoing], silence_s: float = SILENCE_S
) -> list[Mapping[str, Any] | None]:
    """What was answered to each, None where no stream listens; raises MachineError once no answer came for so long."""
    client = jetstream.connection.client
    inbox = client.new_inbox()
    _check(jetstream, messages)
    answers: dict[int, bytes] = {}
    news = asyncio.Event()

    def take(subject: bytes, _reply: bytes, _headers: bytes, payload: bytes) -> None:
        answers[int(subject[len(inbox) + 1 :])] = payload
        news.set()

    subscription = await client.subscribe(f"{inbox}.*")
    take_in_bulk(client, subscription, take)
    try:
        frames = (frame(one.subject, f"{inbox}.{n}", one.headers, one.data) for n, one in enumerate(messages))
        await send_all(client, frames)
        while len(answers) < len(messages):
            news.clear()
            async with asyncio.timeout(silence_s):
                await news.wait()
        return [_plain(answers[number]) for number in range(len(messages))]
    except TimeoutError:
        what = f"{len(messages) - len(answers)} of {len(messages)} messages were not acknowledged in {silence_s:g} s"
        raise MachineError.at(jetstream.shown, what, "check that the stream has a leader") from None
    except (errors.Error, OSError, ValueError) as error:
        what = f"publishing {len(messages)} messages failed ({type(error).__name__})"
        raise MachineError.at(jetstream.shown, what, "check the server's log") from None
    finally:
        give_back(client, subscription)
        with suppress(errors.Error, OSError):
            await subscription.unsubscribe()


def _check(jetstream: JetStream, messages: Sequence[Outgoing]) -> None:
    """A server ends the connection of whoever sends more than its max_payload."""
    limit = jetstream.connection.client.max_payload
    for one in messages:
        size = len(one.data) + sum(len(key) + len(value) + 4 for key, value in one.headers.items()) + 14
        if size > limit:
            what = f"a message on {one.subject} has {size} bytes with its headers, more than max_payload ({limit})"
            raise MachineError.at(jetstream.shown, what, "raise max_payload on these servers")


def _plain(answer: bytes) -> Mapping[str, Any] | None:
    """An answer without a body says that nobody is there."""
    content: Mapping[str, Any] | None = json.loads(answer) if answer else None
    return content
