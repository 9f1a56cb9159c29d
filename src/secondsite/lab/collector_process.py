"""A region's observability, small and real: ``… -m secondsite.lab.collector_process FILE``.

It scrapes what has metrics and takes what the API reports of its requests; a line for each goes to its record.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secondsite.lab.http_get import http_get
from secondsite.model.endpoint import Endpoint

SCRAPE_S = 1.0


def _write(record: IO[str], **facts: Any) -> None:
    record.write(json.dumps({"monotonic_ns": time.monotonic_ns(), **facts}) + "\n")
    record.flush()


async def _scrape(record: IO[str], name: str, at: Endpoint, path: str) -> None:
    """For ever; what does not answer is down, as Prometheus would say."""
    while True:
        size = 0
        with suppress(OSError, TimeoutError):
            _, body = await http_get(at, path, SCRAPE_S)
            size = len(body)
        _write(record, kind="scrape", target=name, up=bool(size), bytes=size)
        await asyncio.sleep(SCRAPE_S)


def _app(record: IO[str]) -> Starlette:
    async def reports(request: Request) -> Response:
        spans = json.loads(await request.body())
        _write(record, kind="report", pod=spans["pod"], spans=len(spans["spans"]))
        return Response(status_code=204)

    return Starlette(routes=[Route("/v1/reports", reports, methods=["POST"])])


async def _run(config: Mapping[str, Any], record: IO[str]) -> None:
    host, port = config["at"]
    settings = uvicorn.Config(_app(record), host=host, port=port, log_level="warning", access_log=False, lifespan="off")
    scrapes = [_scrape(record, name, Endpoint(*at), path) for name, at, path in config["targets"]]
    await asyncio.gather(uvicorn.Server(settings).serve(), *scrapes)


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(config["record"]).open("a", encoding="utf-8") as record:
        asyncio.run(_run(config, record))


if __name__ == "__main__":
    main()
