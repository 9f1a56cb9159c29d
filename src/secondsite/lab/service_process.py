"""The Service before a region's API pods, and nothing more: ``… -m secondsite.lab.service_process FILE``.

As kube-proxy does, it gives each new connection to one of the ready pods, in turn, and leaves those alone that there
are: a pod that is no longer ready keeps its connections. A connection to nobody is ended at once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from secondsite.lab.control import Order, serve_orders
from secondsite.model.endpoint import Endpoint


class Half(asyncio.Protocol):
    """One side of a connection; what it reads is written by ``other``, or waits until that one is there."""

    def __init__(self, other: Half | None = None) -> None:
        self.other = other
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._closed:
            self._transport.abort()
        for data in self._early:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        if self._transport:
            self._transport.write(data)
        else:
            self._early.append(data)

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.write(data)

    def pause_writing(self) -> None:
        if self.other and self.other._transport:
            self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other._transport:
            self.other._transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other:
            self.other.close()

    def close(self) -> None:
        """What was written before still leaves."""
        self._closed = True
        if self._transport:
            self._transport.close()


class ClientSide(Half):
    """The side that connected: its pod is chosen and dialled."""

    def __init__(self, service: ServiceProxy) -> None:
        super().__init__(Half())
        self._service = service
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        at = self._service.chosen()
        if at is None:
            cast(asyncio.Transport, transport).abort()
        else:
            self._dialling = asyncio.ensure_future(self._dial(at))

    async def _dial(self, at: tuple[str, int]) -> None:
        pod = cast(Half, self.other)
        pod.other = self
        try:
            await asyncio.get_running_loop().create_connection(lambda: pod, *at)
        except OSError:
            self.close()


class ServiceProxy:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._pods: dict[str, tuple[str, int]] = {name: (host, port) for name, (host, port) in config["pods"].items()}
        self._ready = dict.fromkeys(self._pods, True)
        self._turn = itertools.count()

    def chosen(self) -> tuple[str, int] | None:
        ready = [self._pods[name] for name, well in self._ready.items() if well]
        return ready[next(self._turn) % len(ready)] if ready else None

    def obey(self, order: Order) -> Order:
        if order.get("pod") in self._ready:
            self._ready[order["pod"]] = bool(order["ready"])
        return {"ready": [name for name, well in self._ready.items() if well]}


async def _run(config: Mapping[str, Any]) -> None:
    service = ServiceProxy(config)
    await asyncio.get_running_loop().create_server(lambda: ClientSide(service), *config["at"], backlog=256)
    server = await serve_orders(Endpoint(*config["control"]), service.obey)
    await server.serve_forever()


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with suppress(ImportError):
        import uvloop

        uvloop.install()
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(config))


if __name__ == "__main__":
    main()
