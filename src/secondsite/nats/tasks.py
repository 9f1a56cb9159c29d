"""Ending tasks that wait for a server: also those that lose the word."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_S = 1.0


async def end_tasks(*tasks: asyncio.Future[Any]) -> None:
    """Returns when all have ended, however they did.

    They are cancelled again and again: before Python 3.12 ``asyncio.wait_for``, which clients of NATS and DNS use,
    loses a cancellation that comes as a connection is being refused, and what tries for ever goes on for ever.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)  # so that no error is said to have been overlooked


def asked_to_end() -> bool:
    """Whether this task was cancelled, be it that the word was lost on its way here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
