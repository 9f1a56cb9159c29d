"""The API of one region, and its gateway before it, on an address each: ``… -m secondsite.lab.api_process FILE``.

One process serves both: on two cores a second hop through Python would measure the hop. Losing it is losing both.
At SIGUSR1 it takes memory until somebody ends it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from nats.aio.client import Client
from starlette.types import ASGIApp

from nats import errors
from secondsite.lab.api_app import ApiGateway, api_app
from secondsite.lab.ballast import Ballast
from secondsite.lab.breaker import Breaker
from secondsite.lab.fallback_queue import FallbackQueue
from secondsite.lab.publisher import Denials, Publisher
from secondsite.lab.rate_limit import RateLimit
from secondsite.lab.reporter import Reporter
from secondsite.model.endpoint import Endpoint

ErrorCallback = Callable[[Exception], Awaitable[None]]


async def _quiet(error: Exception) -> None:
    """Lost connections are counted by the breaker; the client's own reports say nothing more."""
    print(type(error).__name__, error, flush=True)


async def connected(
    servers: list[str], name: str, options: Mapping[str, Any], on_error: ErrorCallback = _quiet
) -> Client:
    """Waits for the servers: a pod that starts before NATS does not end."""
    while True:
        client = Client()
        with suppress(errors.Error, OSError, TimeoutError):
            await client.connect(servers, name=name, error_cb=on_error, **options)
            return client
        await asyncio.sleep(0.2)


async def _run(config: Mapping[str, Any]) -> None:
    denials = Denials()
    client = await connected(config["nats"], config["name"], config["client"], denials.note)
    breaker = Breaker(config["after_failures"], config["half_open_after_s"])
    spool = Path(config["spool"]) if config["spool"] else None
    queue = FallbackQueue(config["queue"], spool)
    publisher = Publisher(client, breaker, queue, denials if config["refuses_elsewhere"] else None, config["probes"])
    ballast, works = Ballast(), [publisher.drain()]
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: asyncio.ensure_future(ballast.fill()))
    reporter = None
    if config["collector"]:
        reporter = Reporter(config["name"], Endpoint(*config["collector"]))
        works.append(reporter.run())

    def answered(message_id: str, seconds: float, outcome: str) -> None:
        ballast.grow(config["leak_bytes"])
        if reporter:
            reporter.note(message_id, seconds, outcome)

    api = api_app(publisher, config["region"], answered, config["check_path"])
    gateway = ApiGateway(api, frozenset(config["keys"]), RateLimit(config["requests_per_s"]), config["check_path"])
    await asyncio.gather(*works, _serve(api, config["api"]), _serve(gateway, config["gateway"]))


async def _serve(app: ASGIApp, at: tuple[str, int]) -> None:
    config = uvicorn.Config(app, host=at[0], port=at[1], log_level="warning", access_log=False, lifespan="off")
    await uvicorn.Server(config).serve()


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(_run(config))


if __name__ == "__main__":
    main()
