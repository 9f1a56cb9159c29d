"""The ids that a stream's messages carry in a header, read to the end of what it holds; bodies stay where they are."""

from __future__ import annotations

from secondsite.model.errors import InputError, MachineError
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi


async def event_ids(place: NatsPlace, stream: str, header: str) -> tuple[str, ...]:
    """As often as each stands there. Raises InputError for a stream that is not there, or a message without an id."""
    async with place.open() as opened:
        streams = StreamApi(opened)
        state = await streams.stream(stream)
        if state is None:
            raise InputError.at(streams.shown, f"no stream {stream}", "check --stream, and the account of the login")
        messages = streams.many(stream, state.first_seq, state.last_seq, bodies=False)
        ids = [(message.headers.get(header, ""), message.sequence) async for message in messages]
        if len(ids) < state.messages:
            what = f"{len(ids)} of the {state.messages} messages of {stream} could be read"
            raise MachineError.at(streams.shown, what, "compare again once the stream is at rest")
    if unnamed := [sequence for name, sequence in ids if not name]:
        what = f"{len(unnamed)} messages have no {header}, the first at sequence {unnamed[0]}"
        raise InputError.at(stream, what, "name the header that holds the id with --header")
    return tuple(name for name, _ in ids)
