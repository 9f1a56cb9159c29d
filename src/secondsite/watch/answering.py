"""What a watch answers over HTTP: its state to whoever may reach it, approvals to those who can prove that they may.

A signed approval needs no token; the page's own form and maintenance need the page's. Nothing is kept in the browser,
so that no other site can speak for whoever is logged in.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from attrs import frozen
from prometheus_client import CONTENT_TYPE_LATEST

from secondsite.model.errors import InputError, SecondsiteError
from secondsite.watch.approvals import BY_PAGE, Approval, verified
from secondsite.watch.http_server import HttpAnswer, HttpRequest
from secondsite.watch.metrics import WatchMetrics
from secondsite.watch.page import page
from secondsite.watch.running import RunningWatch

_WAIT_S = 5.0
_LONGEST_MAINTENANCE_S = 86_400.0
_HEADERS = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
     "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)  # fmt: skip


@frozen
class Answering:
    """``loop`` is where the watch lives: what changes anything runs there. ``token`` empty: the page only shows."""

    running: RunningWatch
    loop: asyncio.AbstractEventLoop
    approvers: Mapping[str, str]
    token: str = ""

    def __call__(self, request: HttpRequest) -> HttpAnswer:
        """From a thread of the server."""
        if request.method in ("GET", "HEAD"):
            return self._shown(request)
        if request.method != "POST":
            return HttpAnswer(405, b"GET or POST\n", headers=_HEADERS)
        changes = {"/approve": self._signed, "/approve-here": self._approved_here, "/maintenance": self._maintenance}
        change = changes.get(request.path)
        if change is None:
            return HttpAnswer(404, b"nothing is here\n", headers=_HEADERS)
        try:
            return change(request)
        except SecondsiteError as error:
            return HttpAnswer(409, f"{error.problems[0]}\n".encode(), headers=_HEADERS)

    def _shown(self, request: HttpRequest) -> HttpAnswer:
        status = self.running.status
        if request.path == "/status":
            return HttpAnswer(200, json.dumps(status).encode(), "application/json", _HEADERS)
        if request.path == "/metrics":
            return HttpAnswer(200, WatchMetrics(lambda: status).text(), CONTENT_TYPE_LATEST)
        if request.path == "/alive":
            return HttpAnswer(200, b"alive\n")
        return page(request.path, status, self._may_approve(), _HEADERS)

    def _may_approve(self) -> bool:
        return bool(self.token)

    def _signed(self, request: HttpRequest) -> HttpAnswer:
        return self._approve(verified(request.body, self.approvers))

    def _approved_here(self, request: HttpRequest) -> HttpAnswer:
        form = self._form(request)
        allow = tuple(sorted(name.removeprefix("allow-") for name in form if name.startswith("allow-")))
        return self._approve(Approval(form.get("ask", ""), form.get("plan", ""), allow, form.get("who") or BY_PAGE))

    def _maintenance(self, request: HttpRequest) -> HttpAnswer:
        form = self._form(request)
        try:
            seconds = float(form.get("seconds", ""))
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= _LONGEST_MAINTENANCE_S:
            what = f"maintenance of {form.get('seconds', '')[:20]!r} seconds"
            raise InputError.at("maintenance", what, f"give 0 (it is over) to {_LONGEST_MAINTENANCE_S:.0f}")
        self._in_loop(lambda: self.running.watch.announce_maintenance(seconds))
        return HttpAnswer(200, b"noted\n", headers=_HEADERS)

    def _form(self, request: HttpRequest) -> Mapping[str, str]:
        """Raises InputError for whoever does not hold the token."""
        fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        form = {name: values[0] for name, values in fields.items()}
        if not self.token:
            what = "this page has no token, so it is read-only"
            raise InputError.at("page", what, "start the watch with SECONDSITE_WATCH_PAGE_TOKEN, or sign an approval")
        if not hmac.compare_digest(form.get("token", "").encode(), self.token.encode()):
            raise InputError.at("page", "the token is wrong", "ask whoever started the watch")
        return form

    def _approve(self, approval: Approval) -> HttpAnswer:
        self._in_loop(lambda: self.running.watch.approve(approval))
        return HttpAnswer(200, b"approved: it begins\n", headers=_HEADERS)

    def _in_loop(self, change: Callable[[], None]) -> None:
        """Raises what the change raises."""

        async def run() -> None:
            change()

        asyncio.run_coroutine_threadsafe(run(), self.loop).result(_WAIT_S)
