"""The links between regions: one process through which every byte between two regions passes.

``python -m secondsite.lab.wan_process FILE`` reads listeners, links and the seed from FILE and takes orders as JSON
lines on its control address. Each direction of a link has its own delay, jitter, rate and fate. Bytes never arrive
early (the loop's own clock ticks in milliseconds, so time is read from the system's), and none is lost on a living
connection, as TCP loses none: a cut holds them back until it is healed, a reset ends connections and drops what is
under way. What one direction's rate lets through is shared by all its connections.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from secondsite.lab.control import serve_orders
from secondsite.model.endpoint import Endpoint

_WINDOW_BYTES = 16 * 1024 * 1024


class WanDirection:
    """From one region to another. Times in seconds, rate in bytes a second (0: as fast as it goes)."""

    def __init__(self, source: str, target: str, seed: int) -> None:
        self.source, self.target = source, target
        self.delay_s = self.jitter_s = self.rate = 0.0
        self.refused = False
        self.passable = asyncio.Event()
        self.passable.set()
        self.bytes = self.connections = 0
        self.free_at = 0.0
        self.flows: set[Flow] = set()
        self._random = random.Random(f"{seed}/{source}/{target}")

    @property
    def cut(self) -> bool:
        return not self.passable.is_set()

    def due(self, now: float, size: int) -> float:
        """When bytes that are sent now arrive."""
        begin = max(now, self.free_at)
        if self.rate:
            self.free_at = begin = begin + size / self.rate
        return begin + self.delay_s + (self._random.uniform(0, self.jitter_s) if self.jitter_s else 0.0)

    def apply(self, order: Mapping[str, Any]) -> None:
        self.delay_s = float(order.get("delay_ms", self.delay_s * 1000)) / 1000
        self.jitter_s = float(order.get("jitter_ms", self.jitter_s * 1000)) / 1000
        self.rate = float(order.get("rate_bytes_per_s", self.rate))
        self.refused = bool(order.get("refused", self.refused))
        if order.get("cut", self.cut):
            self.passable.clear()
        else:
            self.passable.set()
        for flow in tuple(self.flows):
            flow.pass_on()


class Flow:
    """One direction of one connection: what was read from ``source`` waits here until it is due at ``target``."""

    def __init__(self, direction: WanDirection, loop: asyncio.AbstractEventLoop) -> None:
        self.direction, self._loop = direction, loop
        self.source: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None
        self.blocked = False
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._last_due = 0.0
        self._ended = self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        direction.flows.add(self)

    def push(self, data: bytes) -> None:
        self.direction.bytes += len(data)
        self._last_due = max(self._last_due, self.direction.due(time.monotonic(), len(data)))
        self._waiting.append((self._last_due, data))
        self._size += len(data)
        if self._size > _WINDOW_BYTES and self.source and not self._paused:
            self.source.pause_reading()
            self._paused = True
        if self._timer is None:
            self.pass_on()

    def end(self) -> None:
        """The sender closed: the receiver learns it after everything before."""
        if not self._ended:
            self._ended = True
            self._last_due = max(self._last_due, self.direction.due(time.monotonic(), 0))
            self._waiting.append((self._last_due, b""))
            self.pass_on()

    def pass_on(self) -> None:
        """Hand over what is due, and come back when more is."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.direction.cut or self.blocked or self.target is None:
            return
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now and not self.blocked:
            data = self._waiting.popleft()[1]
            self._size -= len(data)
            if not data:
                self.direction.flows.discard(self)
                self.target.close()
                return
            self.target.write(data)
        if self._paused and self._size < _WINDOW_BYTES // 2 and self.source:
            self.source.resume_reading()
            self._paused = False
        if self._waiting and not self.blocked:
            self._timer = self._loop.call_later(max(0.0, self._waiting[0][0] - now), self.pass_on)

    def drop(self) -> None:
        """Forget what is in progress, end both sides at once."""
        self.direction.flows.discard(self)
        self._waiting.clear()
        if self._timer:
            self._timer.cancel()
        for side in (self.source, self.target):
            if side:
                side.abort()


class RelayedConnection(asyncio.Protocol):
    """One side of a relayed connection: reads into ``outgoing``, is written to by ``incoming``."""

    def __init__(self, outgoing: Flow, incoming: Flow) -> None:
        self.outgoing, self.incoming = outgoing, incoming

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.outgoing.source = self.incoming.target = cast(asyncio.Transport, transport)
        self.incoming.pass_on()

    def data_received(self, data: bytes) -> None:
        self.outgoing.push(data)

    def pause_writing(self) -> None:
        self.incoming.blocked = True

    def resume_writing(self) -> None:
        self.incoming.blocked = False
        self.incoming.pass_on()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        self.incoming.target = None
        self.incoming.direction.flows.discard(self.incoming)
        self.outgoing.end()


class Accepted(RelayedConnection):
    """The side that dialled. The other side is dialled one round trip later, and not before a cut is healed."""

    def __init__(self, wan: WanProxy, listener: Mapping[str, Any]) -> None:
        there, back = wan.pair(listener["source"], listener["target"])
        super().__init__(Flow(there, wan.loop), Flow(back, wan.loop))
        self._wan, self._to = wan, listener["to"]
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.outgoing.direction.connections += 1
        if self.outgoing.direction.refused or self.incoming.direction.refused:
            self.outgoing.drop()
        else:
            self._dialling = self._wan.loop.create_task(self._dial())

    async def _dial(self) -> None:
        there, back = self.outgoing.direction, self.incoming.direction
        await asyncio.sleep(there.delay_s + back.delay_s)
        await there.passable.wait()
        await back.passable.wait()
        try:
            await self._wan.loop.create_connection(lambda: RelayedConnection(self.incoming, self.outgoing), *self._to)
        except OSError:
            self.outgoing.drop()
            self.incoming.drop()
            return
        if self.incoming.target is None:  # it hung up while the other side was dialled
            self.outgoing.drop()

    def connection_lost(self, error: Exception | None) -> None:
        if self.outgoing.target is None:  # not dialled yet, or gone already
            if self._dialling:
                self._dialling.cancel()
            self.outgoing.drop()
            self.incoming.drop()
        else:
            super().connection_lost(error)


class WanProxy:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self._config = config
        self._directions: dict[tuple[str, str], WanDirection] = {}
        for link in config["links"]:
            self.direction(link["source"], link["target"]).apply(link)

    def direction(self, source: str, target: str) -> WanDirection:
        key = (source, target)
        if key not in self._directions:
            self._directions[key] = WanDirection(source, target, self._config["seed"])
        return self._directions[key]

    def pair(self, source: str, target: str) -> tuple[WanDirection, WanDirection]:
        return self.direction(source, target), self.direction(target, source)

    async def serve(self) -> None:
        for listener in self._config["listeners"]:
            await self.loop.create_server(partial(Accepted, self, listener), *listener["at"], backlog=256)
        server = await serve_orders(Endpoint(*self._config["control"]), self.obey)
        await server.serve_forever()

    def obey(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out one order on one direction, or on all where none is named; the answer is what is counted."""
        for direction in self._chosen(order):
            if order.get("reset"):  # before a cut is healed: what waited behind it is lost, not delivered
                for flow in tuple(direction.flows):
                    flow.drop()
            direction.apply(order)
        return {
            "directions": [
                {
                    "source": each.source,
                    "target": each.target,
                    "bytes": each.bytes,
                    "connections": each.connections,
                    "open": len(each.flows),
                    "delay_ms": each.delay_s * 1000,
                    "cut": each.cut,
                }
                for each in self._directions.values()
            ]
        }

    def _chosen(self, order: Mapping[str, Any]) -> list[WanDirection]:
        """``source`` and ``target`` name regions; an empty one stands for each."""
        if "source" not in order:
            return []
        source, target = order["source"], order["target"]
        return [
            each
            for each in tuple(self._directions.values())
            if source in ("", each.source) and target in ("", each.target)
        ]


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text())
    with suppress(ImportError, KeyboardInterrupt):
        import uvloop

        uvloop.install()
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(config))


async def _run(config: Mapping[str, Any]) -> None:
    await WanProxy(config).serve()


if __name__ == "__main__":
    main()
