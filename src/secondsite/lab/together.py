"""Several things at once; the first that fails ends the others, and its error is raised as it is.

A TaskGroup would wrap it in a group, and a user would read a traceback instead of what to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from secondsite.nats.tasks import end_tasks


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(*tasks)
