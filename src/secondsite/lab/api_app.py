"""The example's API and its gateway as ASGI applications: what clients of a lab talk to.

``POST /v1/events`` takes ``{"id", "subject", "data"}`` and optionally ``"key"``, and answers 200 with stream and
sequence once JetStream has acknowledged, 202 where the event waits in the fallback queue, 503 where it was not
taken, 504 where nobody knows. ``/health`` says that the process lives, ``/health/saas`` that it can publish, and what
ends in ``/writes`` that a stream of its region takes writes.
The gateway stands before it: 401 without a known ``apikey`` header, 429 beyond the tenant's rate.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from secondsite.lab.breaker import BreakerState
from secondsite.lab.fallback_queue import QueuedEvent
from secondsite.lab.publisher import Publisher, PublishOutcome
from secondsite.lab.rate_limit import RateLimit
from secondsite.strategies.service_records import WRITES

_STATUS = {
    PublishOutcome.STORED: 200,
    PublishOutcome.QUEUED: 202,
    PublishOutcome.REFUSED: 503,
    PublishOutcome.UNKNOWN: 504,
}
_OPEN_PATHS = ("/health", "/health/saas")


def api_app(
    publisher: Publisher, region: str, answered: Callable[[str, float, str], None], check_path: str = "/health"
) -> Starlette:
    """``answered`` is told of each event: its id, how long it took in seconds, its outcome. ``check_path`` is where the
    system's own health check asks whether it lives.
    """

    async def events(request: Request) -> Response:
        try:
            event = _event(await request.body())
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": f"not an event: {error}"}, 400)
        begin = time.monotonic()
        result = await publisher.publish(event)
        answered(event.id, time.monotonic() - begin, result.outcome)
        body = {
            "outcome": result.outcome,
            "stream": result.stream,
            "sequence": result.sequence,
            "duplicate": result.duplicate,
            "region": region,
            "why": result.why,
        }
        return JSONResponse(body, _STATUS[result.outcome])

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "region": region})

    async def health_saas(_request: Request) -> Response:
        well = publisher.client.is_connected and publisher.state is BreakerState.CLOSED
        body = {
            "status": "ok" if well else "degraded",
            "region": region,
            "nats": publisher.client.is_connected,
            "breaker": publisher.state,
            "queued": len(publisher.queue),
        }
        return JSONResponse(body, 200 if well else 503)

    async def writes(_request: Request) -> Response:
        takes = await publisher.takes_writes()
        return JSONResponse({"region": region, "writes": takes}, 200 if takes else 503)

    async def metrics(_request: Request) -> Response:
        return PlainTextResponse(_metrics(publisher))

    asked = [Route(check_path, health)] if check_path.startswith("/") and check_path not in _OPEN_PATHS else []
    return Starlette(
        routes=[
            *asked,
            Route("/v1/events", events, methods=["POST"]),
            Route("/health", health),
            Route("/health/saas", health_saas),
            Route("/metrics", metrics),
            Route(f"/{{path:path}}{WRITES}", writes),
        ]
    )


def _event(body: bytes) -> QueuedEvent:
    given = json.loads(body)
    event = QueuedEvent(given["id"], given["subject"], given.get("key", ""), given.get("data", ""))
    if not all(isinstance(value, str) for value in (event.id, event.subject, event.key, event.data)):
        raise TypeError("id, subject, key and data are strings")
    if not event.id or not event.subject:
        raise ValueError("id and subject are not empty")
    return event


def _metrics(publisher: Publisher) -> str:
    lines = ["# TYPE api_events_total counter"]
    lines += [f'api_events_total{{outcome="{each}"}} {publisher.counted[each]}' for each in PublishOutcome]
    lines += ["# TYPE api_breaker_open gauge", f"api_breaker_open {int(publisher.state is not BreakerState.CLOSED)}"]
    lines += ["# TYPE api_fallback_queue gauge", f"api_fallback_queue {len(publisher.queue)}"]
    return "\n".join(lines) + "\n"


class ApiGateway:
    """Keys and rates; health checks pass without a key, as they do through a load balancer."""

    def __init__(self, app: ASGIApp, keys: frozenset[str], limit: RateLimit, check_path: str = "/health") -> None:
        self._app, self._keys, self._limit = app, keys, limit
        self._open = (*_OPEN_PATHS, check_path)

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.endswith(WRITES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" and not self._is_open(scope["path"]) else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        key = dict(scope["headers"]).get(b"apikey", b"").decode("latin-1")
        if key not in self._keys:
            return JSONResponse({"error": "no such API key"}, 401)
        if not self._limit.take(key, time.monotonic()):
            return JSONResponse({"error": "rate limit"}, 429)
        return None
