"""A release writes wrong messages to a stream and overwrites the keys of a bucket; what of it a region holds."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from secondsite.drill.ledger.ledger import Ledger, LedgerHeader
from secondsite.drill.ledger.record import Purpose, Status
from secondsite.drill.play.lab_world import place
from secondsite.drill.play.stage import Stage
from secondsite.model.errors import MachineError
from secondsite.model.nats import Stream
from secondsite.nats.direct import direct_messages
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import StreamPlacement
from secondsite.strategies.stream_config import stream_config

RELEASE = 998
BUCKET = "KV_settings"
KEYS = 20
WRITES = 50
GOOD, WRONG = b"as it should be", b"overwritten by a bad release"


@frozen
class Captured:
    """How many wrong messages and overwritten keys a region holds."""

    messages: int
    keys: int

    def __str__(self) -> str:
        return f"{self.messages} of {WRITES} bad messages and {self.keys} of {KEYS} overwritten keys"


@frozen
class WrongMessages:
    """``first`` is the sequence of the first of them."""

    ids: frozenset[str]
    first: int


ALL, NONE = Captured(WRITES, KEYS), Captured(0, 0)


async def create_bucket(stage: Stage, like: StreamPlacement) -> StreamPlacement:
    """A key-value bucket laid out as that stream is, full of good values."""
    stream = Stream(BUCKET, (f"$KV.{BUCKET[3:]}.>",), replicas=like.stream.replicas, max_messages_per_subject=1)
    made = evolve(like, stream=evolve(stream, placement=like.stream.placement))
    async with place(stage.lab, stage.home).open() as opened:
        await StreamApi(opened).create(stream_config(made.stream, made.cluster))
    await put(stage, made, GOOD)
    return made


async def put(stage: Stage, bucket: StreamPlacement, value: bytes) -> None:
    async with place(stage.lab, bucket.region).open() as opened:
        for key in range(KEYS):
            answer = await StreamApi(opened).publish(_subject(key), value, {})
            if answer.code:
                raise MachineError.at(bucket.name, f"a key was not stored: {answer.why}", "check the lab's logs")


def _subject(key: int) -> str:
    return f"$KV.{BUCKET[3:]}.{key}"


async def write_wrong(stage: Stage, stream: StreamPlacement) -> WrongMessages:
    """In a ledger of its own."""
    config = stage.load.clients[0]
    number = [each.name for each in config.streams].index(stream.name)
    header = LedgerHeader(config.run, RELEASE, config.streams)
    path, ids, sequences = stage.writer.ledgers / "release.ledger", set(), []
    async with place(stage.lab, stage.home).open() as opened:
        with Ledger.create(path, header) as ledger:
            for key in range(WRITES):
                sequence = ledger.intend(number, key, len(WRONG), purpose=Purpose.WRONG)
                headers = {"Nats-Msg-Id": header.message_id(sequence)}
                answer = await StreamApi(opened).publish(header.subject(number, key), WRONG, headers)
                status = Status.REFUSED if answer.code else Status.STORED
                ledger.outcome(sequence, number, key, status, stream_sequence=answer.sequence)
                ids.add(header.message_id(sequence))
                sequences.append(answer.sequence)
    stage.extra_ledgers.append(path)
    return WrongMessages(frozenset(ids), min(sequences))


async def captured(stage: Stage, placements: Iterable[StreamPlacement], wrong: WrongMessages) -> Captured:
    events, bucket = placements
    async with place(stage.lab, events.region).open() as opened:
        state = await StreamApi(opened).stream(events.name)
        messages = direct_messages(opened, events.name, state.first_seq, state.last_seq) if state else None
        ids = {message.headers.get("Nats-Msg-Id", "") async for message in messages} if messages else set()
        values = [await StreamApi(opened).newest(bucket.name, _subject(key)) for key in range(KEYS)]
    return Captured(len(ids & wrong.ids), sum(value is None or value.data != GOOD for value in values))


async def last_of(stage: Stage, placement: StreamPlacement) -> int:
    async with place(stage.lab, placement.region).open() as opened:
        state = await StreamApi(opened).stream(placement.name)
    return state.last_seq if state else 0
