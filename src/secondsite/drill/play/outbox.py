"""What carries rows of a drill's database to a stream: a stand-in for the change data capture of the system.

It sends an event for each row that it has sent none for, under the row's id, again and again; what it was not
acknowledged it sends once more. It asks for ids and never for "everything above the last number": numbers of
transactions that commit later may be lower.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import define, evolve, field

from secondsite.drill.play.final_reads import stored_messages
from secondsite.drill.play.lab_world import place
from secondsite.lab.postgres_files import TABLE
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.nats.publishing import Outgoing
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import StreamFamily
from secondsite.strategies.stream_config import stream_config

NAME, SUBJECT = "secondsite-outbox", "secondsite.outbox"
EVERY_S = 0.25
_ID = "Nats-Msg-Id"
_ROWS = f"SELECT id FROM {TABLE} ORDER BY position"  # noqa: S608 - our own table


@define
class Outbox:
    """Of one database. ``sent``: ids that a stream acknowledged."""

    lab: Lab
    store: str
    sent: set[str] = field(factory=set)
    paused: bool = False

    async def rows(self, region: str) -> tuple[str, ...]:
        async with self.lab.databases.server(self.store, region).place.open() as session:
            return tuple(str(row[0]) for row in await session.rows(_ROWS, within_s=30.0))

    async def events(self, region: str) -> tuple[str, ...]:
        """As often as they stand there."""
        async with place(self.lab, region).open() as opened:
            streams = StreamApi(opened)
            state = await streams.stream(NAME)
            if state is None:
                return ()
            return tuple([message.headers.get(_ID, "") async for message in stored_messages(streams, state)])

    async def carry(self, region: str) -> None:
        """Once."""
        waiting = [name for name in await self.rows(region) if name not in self.sent]
        if not waiting:
            return
        async with place(self.lab, region).open() as opened:
            messages = [Outgoing(SUBJECT, name.encode(), {_ID: name}) for name in waiting]
            answers = await StreamApi(opened).publish_all(messages)
        self.sent |= {name for name, answer in zip(waiting, answers, strict=True) if answer is not None}

    async def keep_carrying(self, region: str) -> None:
        """On and on; a region that does not answer is asked again."""
        while True:
            if not self.paused:
                with suppress(MachineError):
                    await self.carry(region)
            await asyncio.sleep(EVERY_S)


async def lay_out(lab: Lab, family: StreamFamily, home: str, away: str) -> None:
    """The stream of events, with a copy that follows as the family's does."""
    copy = family.at(away)
    if copy is None or copy.stream.mirror is None:
        what = f"{family.name} has no mirror in {away}"
        raise MachineError.at("drill", what, "drill a strategy that mirrors streams")
    origin = evolve(family.origin.stream, name=NAME, consumers=(), subjects=(SUBJECT,))
    mirror = evolve(copy.stream, name=NAME, consumers=(), mirror=evolve(copy.stream.mirror, stream=NAME))
    for region, stream, placement in ((home, origin, family.origin), (away, mirror, copy)):
        async with place(lab, region).open() as opened:
            await StreamApi(opened).create(stream_config(stream, placement.cluster))


async def promote(lab: Lab, region: str) -> None:
    """Its copy takes events from now on."""
    async with place(lab, region).open() as opened:
        streams = StreamApi(opened)
        state = await streams.stream(NAME)
        if state is not None:
            kept = {key: value for key, value in state.config.items() if key not in ("mirror", "mirror_direct")}
            await streams.update({**kept, "subjects": [SUBJECT]})
