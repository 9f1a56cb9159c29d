"""Orders to a process of the lab: one JSON line asks, one JSON line answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError

Order = Mapping[str, Any]


async def serve_orders(at: Endpoint, obey: Callable[[Order], Order]) -> asyncio.Server:
    return await asyncio.start_server(partial(_orders, obey), at.host, at.port)


async def _orders(obey: Callable[[Order], Order], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while line := await reader.readline():
            writer.write(json.dumps(obey(json.loads(line))).encode() + b"\n")
            await writer.drain()
    writer.close()


async def ask(at: Endpoint, order: Order, *, process: str) -> Order:
    """The answer; raises MachineError that points at the process's log where there is none."""
    try:
        reader, writer = await asyncio.open_connection(at.host, at.port)
        writer.write(json.dumps(order).encode() + b"\n")
        line = await reader.readline()
        writer.close()
    except OSError:
        line = b""
    if not line:
        remedy = f"see {process}.log in the lab's folder"
        raise MachineError.at(str(at), f"the {process} process does not respond", remedy)
    answer: Order = json.loads(line)
    return answer
