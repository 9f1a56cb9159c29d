"""What the servers themselves say to a promotion that cannot work: their words are the evidence, not ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import RefusedError
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.operate.layout import StreamFamily, StreamPlacement, writer_config

_PAUSE_S = 2.0
_ANSWER_S = 3.0


async def ask_promotion(
    place: NatsPlace, pairs: Iterable[tuple[StreamFamily, StreamPlacement]], within_s: float = 0.0
) -> list[str]:
    """The distinct answers to taking the mirror off these streams, until one is taken off or the time is over."""
    answers: dict[str, None] = {}
    end = time.monotonic() + within_s
    while True:
        for family, placement in pairs:
            answer = await _ask(place, family, placement)
            if not answer:
                return [*answers, f"{placement.name} was promoted"]
            answers[answer] = None
        if time.monotonic() >= end:
            return list(answers)
        await asyncio.sleep(_PAUSE_S)


async def _ask(place: NatsPlace, family: StreamFamily, placement: StreamPlacement) -> str:
    """Empty where the server did it."""
    try:
        async with place.open() as jetstream:
            state = await StreamApi(jetstream).stream(placement.name)
            if state is None:
                return f"no stream {placement.name}"
            config = writer_config(state.config, family.subjects)
            await jetstream.ask(f"STREAM.UPDATE.{placement.name}", config, timeout_s=_ANSWER_S)
    except RefusedError as refused:
        return _words(refused)
    except MachineError as error:
        return error.problems[0].what
    return ""


def _words(refused: RefusedError) -> str:
    """Without the subject that was asked, which is another for each stream."""
    return refused.problems[0].what.partition(" was refused: ")[2] or refused.problems[0].what
