"""Reads every copy of every stream from its first to its last message, and what the consumers recorded.

A copy whose end moved while it was read, or that could not be read, is not complete: it then proves presence, and
absence never.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from attrs import evolve, frozen

from secondsite.audit.subjects import covers
from secondsite.drill.check.objects import ObjectReader
from secondsite.drill.ledger.finals import CopyReader, FinalRead, Processing, processing
from secondsite.drill.ledger.ledger import LedgerStream
from secondsite.drill.play.aged import AgedWrites
from secondsite.lab.http_get import http_get
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.nats import Consumer
from secondsite.nats.place import NatsPlace
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import ConsumerState, StreamApi, StreamState
from secondsite.operate.actions.salvaging import MARK as SALVAGE_MARK
from secondsite.operate.layout import Reach, StreamFamily, StreamPlacement

_ID = "Nats-Msg-Id"
_ACK_WAIT_NS = 30e9  # the server's default
_PAUSE_S = 0.3
_ATTEMPTS = 3


class MessageForm(Protocol):
    """How messages are stored whose data are not the load's own."""

    def as_sent(self, message_id: str, data: bytes) -> bytes:
        """What the load meant, where the data are what is made of it; else the data."""
        ...


@frozen
class Reading:
    """``places`` by region. ``loads``: what is written to each stream, by name.

    ``operator``: ids of messages that the procedure wrote itself: nobody's promise. ``form``: what the user's own
    service makes of a write; ``beside``: others write there too, and their messages are left out."""

    places: Mapping[str, NatsPlace]
    run: str
    loads: Mapping[str, LedgerStream]
    operator: frozenset[str] = frozenset()
    form: MessageForm | None = None
    beside: bool = False

    async def copies(self, families: Iterable[StreamFamily], region: str) -> tuple[FinalRead, ...]:
        """Those that the region holds, one after the other; an unreachable one is a copy that was not read."""
        loaded = [family for family in families if family.name in self.loads]
        placement = [(family, one) for family in loaded if (one := placement_in(family, region)) is not None]
        return tuple([await self._copy(family, one) for family, one in placement])

    async def _copy(self, family: StreamFamily, placement: StreamPlacement) -> FinalRead:
        """Read again where it was not whole: a replica may have lagged."""
        for attempt in range(_ATTEMPTS):
            reader = self._reader(family, f"{placement.name} in {placement.region}")
            try:
                async with self.places[placement.region].open() as jetstream:
                    why = await self._read(StreamApi(jetstream), placement, reader)
            except MachineError as error:
                why = error.problems[0].what
            if not why:
                break
            await asyncio.sleep(_PAUSE_S * (attempt + 1))
        return reader.finished(not why, why)

    def _reader(self, family: StreamFamily, where: str) -> CopyReader | ObjectReader:
        load = self.loads[family.name]
        if load.objects:
            return ObjectReader(self.run, family.name, where)
        templates, sourced = load.stored or load.templates, family.reach is Reach.SOURCED
        return CopyReader(self.run, family.name, where, load.subject, prefixed=sourced, templates=templates)

    async def _read(self, streams: StreamApi, placement: StreamPlacement, reader: CopyReader | ObjectReader) -> str:
        """Why it is not complete; empty where it is. A stream that is gone is a complete copy of nothing."""
        before = await streams.stream(placement.name)
        if before is None:
            return ""
        count = 0
        async for message in stored_messages(streams, before):
            count += 1
            if self._counts(text := message.headers.get(_ID, "")):
                salvaged = SALVAGE_MARK in message.headers
                reader.take(text, message.sequence, message.subject, self._data(text, message), salvaged=salvaged)
        after = await streams.stream(placement.name)
        if after is None or (after.last_seq != before.last_seq and not self.beside):
            return "it changed while it was read"
        if count != before.messages:
            return f"{count} of its {before.messages} messages could be read"
        return ""

    def _counts(self, message_id: str) -> bool:
        return message_id not in self.operator and (not self.beside or message_id.startswith(f"{self.run}."))

    def _data(self, message_id: str, message: StoredMessage) -> bytes:
        return message.data if self.form is None else self.form.as_sent(message_id, message.data)


async def message_ids(place: NatsPlace, families: Iterable[StreamFamily], region: str) -> frozenset[str]:
    """Of everything that the region's streams hold now."""
    ids: set[str] = set()
    async with place.open() as jetstream:
        for placement in filter(None, (placement_in(family, region) for family in families)):
            state = await StreamApi(jetstream).stream(placement.name)
            if state is not None:
                async for message in stored_messages(StreamApi(jetstream), state):
                    ids.add(message.headers.get(_ID, ""))
    return frozenset(ids)


def stored_messages(streams: StreamApi, state: StreamState) -> AsyncIterator[StoredMessage]:
    """From any replica where the stream allows that, else from its leader."""
    direct = state.config.get("mirror_direct" if state.config.get("mirror") else "allow_direct")
    return (streams.copied if direct else streams.messages)(state.name, state.first_seq, state.last_seq)


def placement_in(family: StreamFamily, region: str) -> StreamPlacement | None:
    """The region's copy; of a stream over several regions, or one that was restored, it as that region shows it."""
    if family.reach in (Reach.STRETCHED, Reach.ALONE):
        return evolve(family.origin, region=region)
    return family.at(region)


def _caught_up(state: StreamState, consumer: ConsumerState) -> bool:
    """The last messages need not be for one with a filter: then it has acknowledged all that it was given.

    Its floor does not say so: where it is delivered to goes on past what is not for it, and its floor stays.
    """
    filtered = consumer.config.get("filter_subject") or consumer.config.get("filter_subjects")
    acknowledged = not consumer.unacknowledged if filtered else consumer.floor >= state.last_seq
    return acknowledged and not consumer.pending


async def drained(place: NatsPlace, placement: StreamPlacement, consumer: str, within_s: float) -> bool:
    """Whether the consumer acknowledged all that its stream holds, within the time."""
    end = time.monotonic() + within_s
    while True:
        try:
            async with place.open() as jetstream:
                streams = StreamApi(jetstream)
                state, consumer_state = (
                    await streams.stream(placement.name),
                    await streams.consumer(placement.name, consumer),
                )
                if state and consumer_state and _caught_up(state, consumer_state):
                    return True
        except MachineError:
            await asyncio.sleep(_PAUSE_S)  # not yet reachable is not yet drained
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_PAUSE_S)


async def queues_empty(apis: Iterable[Endpoint], within_s: float) -> bool:
    """Whether no API still holds writes that it promised with a 202, within the time; one that is gone holds none."""
    end = time.monotonic() + within_s
    waiting = list(apis)
    while waiting and time.monotonic() < end:
        waiting = [api for api in waiting if await _queued(api)]
        await asyncio.sleep(_PAUSE_S)
    return not waiting


async def _queued(api: Endpoint) -> int:
    try:
        _, text = await http_get(api, "/metrics", 2.0)
    except (OSError, TimeoutError):
        return 0
    counts = [line.split()[-1] for line in text.splitlines() if line.startswith("api_fallback_queue ")]
    return int(counts[0]) if counts else 0


async def all_led(place: NatsPlace, names: Iterable[str], within_s: float) -> bool:
    """Whether every one of these streams has a leader, within the time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            async with place.open() as jetstream:
                states = [await StreamApi(jetstream).stream(name) for name in names]
            if all(state and state.leader for state in states):
                return True
        except MachineError:
            await asyncio.sleep(_PAUSE_S)  # its servers have just been started
        await asyncio.sleep(_PAUSE_S)
    return False


def keys_of(load: LedgerStream, consumer: Consumer, keys: int) -> frozenset[int] | None:
    """Those whose writes the consumer gets, by the subjects under which they lie; None for all."""
    if not consumer.filters:
        return None
    return frozenset(key for key in range(keys) if any(covers(each, load.lies_at(key)) for each in consumer.filters))


def redelivered_within_s(consumer: Consumer) -> float:
    """When a message whose worker or leader was killed is handed out again."""
    return float(consumer.settings.get("ack_wait", _ACK_WAIT_NS)) / 1e9


def begins_ns(consumer: Consumer, aged: AgedWrites | None) -> int:
    """When what a consumer gets begins: one that asks for what is new does not get the old writes, which were there
    before it was made."""
    everything = consumer.settings.get("deliver_policy", "all") == "all"
    return 0 if everything or aged is None else aged.newest_ns + 1


def processed(
    run: str,
    family: StreamFamily,
    consumer: str,
    records: Iterable[Path],
    *,
    done: bool,
    keys: frozenset[int] | None = None,
    begins_ns: int = 0,
) -> Processing:
    """Of one durable consumer, in all regions together."""
    names = {placement.name for placement in (family.origin, *family.copies)}
    mine = [entry for path in records for entry in read_record(path) if entry["consumer"] == consumer]
    mine_read = [(str(entry["id"]), int(entry["sequence"])) for entry in mine if entry["stream"] in names]
    return processing(run, consumer, family.name, done, mine_read, keys, begins_ns)


def read_record(path: Path) -> list[dict[str, str | int]]:
    """What a consumer process wrote down; a last line that was cut short was never acknowledged."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries
