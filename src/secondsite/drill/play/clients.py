"""The load of a drill: so many client processes, started together, stopped together, their ledgers kept.

The processes belong to the lab's supervisor, so that none outlives the drill, however that ends.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from secondsite.drill.load.client_config import ClientConfig
from secondsite.drill.load.tally import Summary, read_summary
from secondsite.lab.supervisor import Spec, Supervisor, python
from secondsite.model.errors import MachineError

_STOP_MARGIN_S = 5.0
_CLIENTS = -10
"""Clients are on machines of their own: here they come before the servers that they wait for."""
BEFORE = 900
"""The number of the first client that writes before the load."""
_BEFORE_S, _BEFORE_WITHIN_S = 3.0, 33.0
_BEFORE_PER_S = 20.0


@frozen
class LoadClients:
    """``clients`` are what `share_out` made; names, ledgers and summaries are theirs. ``environment``: who they are,
    where that must not lie in a file.
    """

    supervisor: Supervisor
    clients: tuple[ClientConfig, ...]
    environment: Mapping[str, str] = field(factory=dict, repr=False)

    async def start(self) -> None:
        """Returns when every process has its ledger; raises MachineError for one that ends before."""
        await self.supervisor.start(*(_spec(client, self.environment) for client in self.clients))

    def check(self) -> None:
        """Raises MachineError, with its last log lines, for a client that ended by itself: a full disk, for one."""
        for client in self.clients:
            if not self.supervisor.alive(client.name) and not client.summary.exists():
                raise self._failed(client)

    async def stop(self) -> tuple[Summary, ...]:
        """Ends the arrivals, lets what is in progress end; raises MachineError for a client without a summary."""
        for client in self.clients:
            if self.supervisor.alive(client.name):
                os.killpg(self.supervisor.pid(client.name), signal.SIGTERM)
        limit_s = max(client.drain_s for client in self.clients) + _STOP_MARGIN_S
        for _ in range(round(limit_s / 0.05)):
            if not any(self.supervisor.alive(client.name) for client in self.clients):
                break
            await asyncio.sleep(0.05)
        self.check()
        self.supervisor.kill(*(client.name for client in self.clients))
        return tuple(read_summary(client.summary) for client in self.clients if client.summary.exists())

    async def write(self, within_s: float = _BEFORE_WITHIN_S) -> int:
        """Until each has come to its end by itself, or the time is over; how many writes were acknowledged."""
        await self.start()
        end = time.monotonic() + within_s
        while not all(client.summary.exists() for client in self.clients) and time.monotonic() < end:
            self.check()
            await asyncio.sleep(0.2)
        return sum(summary.acknowledged for summary in await self.stop())

    @property
    def ledgers(self) -> tuple[Path, ...]:
        return tuple(client.ledger for client in self.clients)

    def _failed(self, client: ClientConfig) -> MachineError:
        tail = self.supervisor.log_tail(client.name).strip() or "its log is empty"
        return MachineError.at(
            client.name, f"exited; last log lines:\n{tail}\n", "fix the cause and run the drill again"
        )


def share_out(whole: ClientConfig, processes: int) -> tuple[ClientConfig, ...]:
    """Rate and what may be under way, divided among processes; their numbers begin with that of ``whole``."""
    return tuple(
        evolve(
            whole,
            client=whole.client + number,
            rate_per_s=whole.rate_per_s / processes,
            max_in_flight=max(1, whole.max_in_flight // processes),
        )
        for number in range(processes)
    )


def writers_before(clients: Sequence[ClientConfig]) -> tuple[ClientConfig, ...]:
    """As many as the load has, and like them, for a short while and slowly."""
    return tuple(
        evolve(each, client=BEFORE + place, rate_per_s=min(_BEFORE_PER_S, each.rate_per_s), duration_s=_BEFORE_S)
        for place, each in enumerate(clients)
    )


def _spec(client: ClientConfig, environment: Mapping[str, str]) -> Spec:
    async def ready() -> bool:
        return client.ledger.exists()

    command = tuple(python("secondsite.drill.load.workload", "--config", str(client.save())))
    return Spec(client.name, command, ready=ready, niceness=_CLIENTS, environment=environment)
