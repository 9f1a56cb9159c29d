"""A cancellation that is lost on its way costs nobody the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from secondsite.model.errors import MachineError
from secondsite.nats.address import parse_addresses
from secondsite.nats.connection import connect
from secondsite.nats.options import ConnectOptions
from secondsite.nats.tasks import end_tasks

NOBODY = parse_addresses("nats://127.0.0.1:1,nats://127.0.0.1:2,nats://127.0.0.1:3")
_TRIES = 60


async def _tries_for_ever() -> None:
    while True:
        with suppress(MachineError):
            async with connect(NOBODY, ConnectOptions(timeout_s=1.0)):
                pass


def test_connecting_loses_no_cancellation() -> None:
    """At any moment of being refused; every third was lost in the client."""

    async def lost(after_s: float) -> bool:
        task = asyncio.ensure_future(_tries_for_ever())
        await asyncio.sleep(after_s)
        task.cancel()
        _, left = await asyncio.wait({task}, timeout=2.0)
        await end_tasks(task)
        return bool(left)

    async def run() -> int:
        return sum([await lost(0.0005 + number * 0.0001) for number in range(_TRIES)])

    assert asyncio.run(run()) == 0


def test_a_task_that_loses_the_word_is_told_again() -> None:
    async def deaf(times: int) -> str:
        for _ in range(times):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        await asyncio.sleep(60)
        return "not ended"

    async def fails() -> None:
        raise OSError

    async def run() -> list[bool]:
        tasks = [asyncio.ensure_future(deaf(0)), asyncio.ensure_future(deaf(1)), asyncio.ensure_future(fails())]
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await end_tasks(*tasks)
        return [task.cancelled() for task in tasks]

    assert asyncio.run(run()) == [True, True, False]
