"""Writes before the load, so that some are old when the fault comes."""

from __future__ import annotations

import asyncio
import time

from attrs import evolve

from secondsite.drill.load.client_config import ClientConfig
from secondsite.drill.load.tally import Summary
from secondsite.drill.play.aged import CLIENT
from secondsite.drill.play.clients import LoadClients
from secondsite.lab.supervisor import Supervisor

_PER_S, _LASTS_S = 20.0, 3.0
_WITHIN_S = 30.0


async def write_old(supervisor: Supervisor, load: ClientConfig) -> tuple[ClientConfig, Summary]:
    """By a client of its own, as any other. Raises MachineError where it does not come to its end."""
    client = evolve(load, client=CLIENT, rate_per_s=_PER_S, duration_s=_LASTS_S)
    clients = LoadClients(supervisor, (client,))
    await clients.start()
    end = time.monotonic() + _LASTS_S + _WITHIN_S
    while not client.summary.exists() and time.monotonic() < end:
        clients.check()
        await asyncio.sleep(0.2)
    (summary,) = await clients.stop()
    return client, summary
