"""The outbox of a drill's database, and what carries it to a stream: a stand-in for the system's change data capture.

The outbox is a table of its own: a trigger writes a row into it in the transaction of each commit of the load. The
stand-in sends an event for each row that is not marked as sent, under the row's id, and marks what a stream
acknowledged; what it was not acknowledged it sends once more. It asks for marks and never for "everything above the
last number": numbers of transactions that commit later may be lower.

Marks and events travel apart: after a failover a row may be marked whose event never arrived. So the marks of what is
not in the stream are taken back before the outbox goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import define, evolve

from secondsite.drill.play.final_reads import stored_messages
from secondsite.drill.play.lab_world import place
from secondsite.lab.postgres_files import TABLE, WRITER
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.nats.publishing import Outgoing
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import StreamFamily
from secondsite.strategies.stream_config import stream_config

NAME, SUBJECT = "secondsite-outbox", "secondsite.outbox"
EVERY_S = 0.25
_ID = "Nats-Msg-Id"
OUTBOX = "secondsite_outbox"
_LAID_OUT = (
    f"CREATE TABLE {OUTBOX} (number bigint GENERATED ALWAYS AS IDENTITY, id text PRIMARY KEY, sent boolean NOT NULL"
    " DEFAULT false)",
    f"ALTER TABLE {OUTBOX} OWNER TO {WRITER}",
    "CREATE FUNCTION into_outbox() RETURNS trigger LANGUAGE plpgsql AS"  # noqa: S608 - our own table
    f" 'BEGIN INSERT INTO {OUTBOX} (id) VALUES (NEW.id); RETURN NULL; END'",
    f"CREATE TRIGGER into_outbox AFTER INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION into_outbox()",
    f"INSERT INTO {OUTBOX} (id) SELECT id FROM {TABLE} ORDER BY position ON CONFLICT DO NOTHING",  # noqa: S608 - our own table
)
_ROWS = f"SELECT id FROM {TABLE} ORDER BY position"  # noqa: S608 - our own table
_WAITING = f"SELECT id FROM {OUTBOX} WHERE NOT sent ORDER BY number"  # noqa: S608 - our own table
_MARKED = f"UPDATE {OUTBOX} SET sent = true WHERE id = ANY(%s)"  # noqa: S608 - our own table
_MARKED_ALL = f"UPDATE {OUTBOX} SET sent = true"  # noqa: S608 - our own table
_TAKEN_BACK = f"UPDATE {OUTBOX} SET sent = false WHERE id <> ALL(%s)"  # noqa: S608 - our own table


@define
class Outbox:
    """Of one database."""

    lab: Lab
    store: str
    paused: bool = False

    async def rows(self, region: str) -> tuple[str, ...]:
        return await self._ids(region, _ROWS)

    async def lay_out(self, region: str) -> None:
        for statement in _LAID_OUT:
            await self._ids(region, statement)

    async def forget(self, region: str) -> None:
        """Everything is marked, and nothing of it is sent."""
        await self._ids(region, _MARKED_ALL)

    async def take_back(self, region: str) -> None:
        """The marks of rows whose event is not in the region's stream."""
        await self._ids(region, _TAKEN_BACK, list(await self.events(region)))

    async def _ids(self, region: str, statement: str, *values: list[str]) -> tuple[str, ...]:
        async with self.lab.databases.server(self.store, region).place.open() as session:
            return tuple(str(row[0]) for row in await session.rows(statement, list(values), within_s=30.0))

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
        waiting = await self._ids(region, _WAITING)
        if not waiting:
            return
        async with place(self.lab, region).open() as opened:
            messages = [Outgoing(SUBJECT, name.encode(), {_ID: name}) for name in waiting]
            answers = await StreamApi(opened).publish_all(messages)
        acknowledged = [name for name, answer in zip(waiting, answers, strict=True) if answer is not None]
        await self._ids(region, _MARKED, acknowledged)

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
