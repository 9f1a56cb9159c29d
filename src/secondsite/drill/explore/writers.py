"""Clients of one region that write on and on to its streams, and keep what they were promised."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from attrs import define, field

from secondsite.drill.explore.laws import Promise
from secondsite.model.errors import MachineError
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import PublishAnswer, StreamApi

_ANSWER_S = 0.8
_AGAIN_S = 0.05


@define
class RegionWriter:
    """``subjects``: by stream, one that it listens on. ``promises`` is shared by all writers. ``kept_in``: by name of a
    stream that is nowhere else, its region; a super-cluster carries a write to wherever that is."""

    region: str
    place: NatsPlace
    subjects: Sequence[tuple[str, str]]
    promises: list[Promise]
    every_s: float
    kept_in: Mapping[str, str] = field(factory=dict)
    _number: int = field(default=0)

    async def run(self) -> None:
        """Over another connection where one ends; until it is cancelled."""
        while True:
            try:
                async with self.place.open() as opened:
                    streams = StreamApi(opened)
                    while True:
                        await asyncio.gather(*(self._write(streams, *pair) for pair in self.subjects))
                        await asyncio.sleep(self.every_s)
            except (MachineError, TimeoutError, OSError):
                await asyncio.sleep(_AGAIN_S)

    async def _write(self, streams: StreamApi, stream: str, subject: str) -> None:
        self._number += 1
        message_id = f"{self.region}-{self._number}"
        sent_s = time.monotonic()
        try:
            answer = await streams.publish(
                subject, b"x" * 64, {"Nats-Msg-Id": message_id}, within_s=_ANSWER_S, insist=False
            )
        except MachineError:
            if not streams.jetstream.connection.client.is_connected:
                raise
            return
        self.take(answer, stream, message_id, sent_s)

    def take(self, answer: PublishAnswer, stream: str, message_id: str, sent_s: float) -> None:
        if not answer.code and not answer.duplicate:
            now_s = time.monotonic()
            region = self.kept_in.get(answer.stream, self.region)
            self.promises.append(Promise(stream, region, message_id, answer.sequence, sent_s, now_s))
