"""Reads a stream from end to end by direct gets: the one way that also works where the meta group has no leader.

A replica that lags may not have a message yet that its leader has: whoever needs all of them counts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial

from nats.aio.msg import Msg

from nats import errors
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream, insisted
from secondsite.nats.stored import StoredMessage
from secondsite.nats.understood import count, understood

_WINDOW = 128
_NOT_FOUND = "404"
_OWN = ("Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence")


async def direct_messages(jetstream: JetStream, stream: str, first: int, last: int) -> AsyncIterator[StoredMessage]:
    """All that is there between two sequences, both included, in their order; raises MachineError."""
    for begin in range(max(first, 1), last + 1, _WINDOW):
        end = min(begin + _WINDOW, last + 1)
        messages = await asyncio.gather(*(_message(jetstream, stream, sequence) for sequence in range(begin, end)))
        for message in messages:
            if message is not None:
                yield message


async def _message(jetstream: JetStream, stream: str, sequence: int, timeout_s: float = 5.0) -> StoredMessage | None:
    subject = f"{jetstream.prefix}.DIRECT.GET.{stream}"
    try:
        request = json.dumps({"seq": sequence}).encode()
        answer = await insisted(partial(jetstream.connection.client.request, subject, request, timeout=timeout_s))
    except errors.NoRespondersError:
        what = f"no answer on {subject}"
        raise MachineError.at(jetstream.shown, what, "allow direct gets on the stream, and see its replicas") from None
    except (TimeoutError, errors.TimeoutError):
        what = f"no answer to {subject} within {timeout_s:g} s"
        raise MachineError.at(jetstream.shown, what, "check that the stream has a replica that runs") from None
    except (errors.Error, OSError) as error:
        what = f"the connection failed during {subject} ({type(error).__name__})"
        raise MachineError.at(jetstream.shown, what, "check the server's log") from None
    return _stored(jetstream.shown, subject, answer)


def _stored(shown: str, subject: str, answer: Msg) -> StoredMessage | None:
    headers = answer.headers or {}
    if headers.get("Status") == _NOT_FOUND:
        return None
    if "Nats-Sequence" not in headers:
        description = headers.get("Description") or answer.data[:200].decode(errors="replace")
        what = f"{subject} was answered with {headers.get('Status', 'no status')}: {description}"
        raise MachineError.at(shown, what, "retry after the stream has recovered")
    own = {key: value for key, value in headers.items() if key not in _OWN}
    with understood(shown, subject):
        sequence, of = count(int(headers["Nats-Sequence"])), headers["Nats-Subject"]
        return StoredMessage(sequence, of, own, answer.data, headers.get("Nats-Time-Stamp", ""))
