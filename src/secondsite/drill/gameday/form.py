"""What the user's own service makes of a write: which stream it ends up in, under which subject, as which data.

It is learned from two writes before the load begins, and believed only where the first foretells the second. Without a
Nats-Msg-Id of ours a message cannot be told from others: such a service cannot be drilled, and is told why.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence

from attrs import frozen

from secondsite.drill.ledger.ledger import LedgerStream
from secondsite.drill.ledger.payload import payload
from secondsite.drill.ledger.record import Status
from secondsite.drill.load.sending import Sender, Write
from secondsite.model.errors import InputError
from secondsite.nats.place import NatsPlace
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import StreamApi

_ID = "Nats-Msg-Id"
_WITHIN_S = 10.0
_NEWEST = 2000
_KEY = 739001
"""Of the first write; the second has the next."""


@frozen
class StoredForm:
    """``data`` and ``subject`` with $ID, $DATA and $KEY where they stand; ``data`` None where it is not foretold."""

    stream: str
    subject: str
    data: str | None
    payload_bytes: int

    def as_sent(self, message_id: str, data: bytes) -> bytes:
        """What the load meant, where the data are what the service makes of it; else the data."""
        meant = payload(message_id, self.payload_bytes)
        foretold = self.data is not None and _foretells(self.data, message_id, meant, data)
        return meant.encode() if foretold else data


def _foretells(template: str, message_id: str, meant: str, data: bytes) -> bool:
    values = {"$DATA": re.escape(meant), "$ID": re.escape(message_id), "$KEY": r"\d+"}
    parts = re.split(r"(\$DATA|\$ID|\$KEY)", template)
    pattern = "".join(values.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(pattern, data.decode("utf-8", "replace"), re.DOTALL) is not None


def _emptied(text: str, write: Write) -> str:
    return text.replace(write.data, "$DATA").replace(write.id, "$ID").replace(write.key, "$KEY")


async def learned(
    sender: Sender, streams: Sequence[LedgerStream], place: NatsPlace, run: str, payload_bytes: int
) -> StoredForm:
    """Writes twice, as client 65535 of the run. Raises InputError where what comes of it cannot be told."""
    written: list[tuple[Write, str, StoredMessage]] = []
    await sender.open()
    try:
        for number in range(2):
            name = f"{run}.65535.{number}"
            write = Write(name, "", str(_KEY + number), payload(name, payload_bytes))
            answer = await sender.send(write, 0)
            if answer.status is not Status.STORED:
                what = f"a write before the load was not acknowledged: {answer.why or answer.status.name.lower()}"
                raise InputError.at("operate.path", what, "see what a failover's last step sends: docs/operate.md")
            written.append((write, *await _stored(streams, place, name)))
    finally:
        await sender.close()
    return _form(written[0], written[1], payload_bytes)


async def _stored(streams: Sequence[LedgerStream], place: NatsPlace, name: str) -> tuple[str, StoredMessage]:
    """Which stream has it, among the newest of each."""
    deadline = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline:
        async with place.open() as opened:
            door = StreamApi(opened)
            for each in streams:
                state = await door.stream(each.name)
                if state is None or not state.messages:
                    continue
                first = max(state.first_seq, state.last_seq - _NEWEST)
                async for message in door.messages(each.name, first, state.last_seq):
                    if message.headers.get(_ID) == name:
                        return each.name, message
        await asyncio.sleep(0.3)
    what = "an acknowledged write is in no stream under its own id"
    remedy = "publish with the Nats-Msg-Id header of the request, which also keeps retries from being stored twice"
    raise InputError.at("operate.path", what, remedy)


def _form(
    first: tuple[Write, str, StoredMessage], second: tuple[Write, str, StoredMessage], payload_bytes: int
) -> StoredForm:
    (one, stream, a), (two, other, b) = first, second
    if stream != other:
        what = f"one write went to {stream}, the next to {other}"
        raise InputError.at("operate.path", what, "name a request that always writes to one stream")
    data = _emptied(a.data.decode("utf-8", "replace"), one)
    foretold = _foretells(data, two.id, two.data, b.data)
    return StoredForm(stream, _subject(a.subject, b.subject), data if foretold else None, payload_bytes)


def _subject(one: str, two: str) -> str:
    """With ``{key}`` where the two differ by the key."""
    if one == two:
        return one
    tokens = zip(one.split("."), two.split("."), strict=False)
    made = ["{key}" if (a, b) == (str(_KEY), str(_KEY + 1)) else a if a == b else "" for a, b in tokens]
    if one.count(".") != two.count(".") or "" in made:
        what = f"two writes went to {one} and {two}, which differ in more than the key"
        raise InputError.at("operate.path", what, "let the subject depend on $KEY alone")
    return ".".join(made)


def written_to(form: StoredForm, streams: Sequence[LedgerStream]) -> tuple[LedgerStream, ...]:
    """The stream of the load, with the subject that its writes lie on."""
    from attrs import evolve

    known: Mapping[str, LedgerStream] = {each.name: each for each in streams}
    return (evolve(known[form.stream], subject=form.subject, templates=(form.subject,), stored=()),)
