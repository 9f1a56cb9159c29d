"""Fakes of two providers' HTTP APIs, as neither can be run here: what they answer is how Cloudflare's and Google's own
references describe it. They prove that our requests are understood so, and nothing of how either really behaves.

Both keep what a door leans on: a change names ids or whole sets, is taken whole or not at all, is refused before it is
looked at where the login may only read, and leaves every record alone that it does not name.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define, field

EDITS, READS = "token that edits", "token that reads"
ZONE_ID = "0123456789abcdef0123456789abcdef"
PROJECT, MANAGED = "shop-prod", "example-io"
Answer = tuple[int, dict[str, Any]]


@define
class FakeCloudflare:
    """``records`` by id. ``between``: what somebody else does right after a door has looked."""

    records: dict[str, dict[str, Any]] = field(factory=dict)
    url: str = ""
    asked: list[str] = field(factory=list)
    between: Callable[[], None] | None = None
    _numbers: Iterator[int] = field(factory=lambda: itertools.count(1))

    def put(self, name: str, kind: str, content: str, *, ttl: int = 60, proxied: bool = False) -> None:
        number = f"{next(self._numbers):032x}"
        self.records[number] = {
            **{"id": number, "name": name, "type": kind, "content": content, "ttl": ttl, "proxied": proxied}
        }

    def answer(self, method: str, path: str, query: dict[str, str], login: str, body: dict[str, Any]) -> Answer:
        self.asked.append(f"{method} {path} {query.get('name', '')}".strip())
        if login not in (EDITS, READS):
            return _failed(403, 9109, "Invalid access token")
        if not path.startswith(f"/zones/{ZONE_ID}/dns_records"):
            return _failed(404, 7003, "Could not route to the zone, perhaps your object identifier is invalid?")
        if method == "GET":
            mine = [dict(one) for one in self.records.values() if one["name"] == query["name"]]
            answer = {"success": True, "errors": [], "result": mine, "result_info": {"count": len(mine)}}
            if self.between:
                self.between()
            return 200, answer
        if login == READS:
            return _failed(403, 10000, "Authentication error")
        return self._batch(body)

    def _batch(self, body: dict[str, Any]) -> Answer:
        kept = dict(self.records)
        for one in body.get("deletes", ()):
            if kept.pop(one["id"], None) is None:
                return _failed(404, 81044, "Record does not exist.")
        for one in body.get("posts", ()):
            others = {each["type"] for each in kept.values() if each["name"] == one["name"]} - {"TXT"}
            if others and (one["type"] == "CNAME" or "CNAME" in others):
                return _failed(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
            number = f"{next(self._numbers):032x}"
            kept[number] = {"id": number, **one}
        self.records = kept
        return 200, {"success": True, "errors": [], "result": {}}


def _failed(status: int, code: int, message: str) -> Answer:
    return status, {"success": False, "errors": [{"code": code, "message": message}], "result": None}


@define
class FakeGoogle:
    """``sets`` by name and type. ``pending``: for how many looks a change is under way."""

    sets: dict[tuple[str, str], dict[str, Any]] = field(factory=dict)
    url: str = ""
    asked: list[str] = field(factory=list)
    pending: int = 1

    def put(self, name: str, kind: str, *values: str, ttl: int = 60) -> None:
        self.sets[name, kind] = {"name": name, "type": kind, "ttl": ttl, "rrdatas": list(values)}

    def answer(self, method: str, path: str, query: dict[str, str], login: str, body: dict[str, Any]) -> Answer:
        self.asked.append(f"{method} {path} {query.get('name', '')}".strip())
        if login not in (EDITS, READS):
            return _google(401, "authError", "Invalid Credentials")
        zone = f"/projects/{PROJECT}/managedZones/{MANAGED}"
        if not path.startswith(f"{zone}/"):
            return _google(404, "notFound", "The 'parameters.managedZone' resource named 'x' does not exist.")
        if path == f"{zone}/rrsets":
            return 200, {"rrsets": [one for (name, _), one in self.sets.items() if name == query["name"]]}
        if method == "GET":
            self.pending -= 1
            return 200, {"id": "7", "status": "pending" if self.pending > 0 else "done"}
        if login == READS:
            return _google(403, "forbidden", "Forbidden")
        return self._change(body)

    def _change(self, body: dict[str, Any]) -> Answer:
        kept = dict(self.sets)
        for one in body.get("deletions", ()):
            there = kept.pop((one["name"], one["type"]), None)
            if there is None:
                what = f"The 'entity.change.deletions[0]' resource named '{one['name']}' does not exist."
                return _google(404, "notFound", what)
            if (there["ttl"], sorted(there["rrdatas"])) != (one["ttl"], sorted(one["rrdatas"])):
                return _google(412, "conditionNotMet", "Precondition not met for 'entity.change.deletions[0]'")
        for one in body.get("additions", ()):
            others = {kind for name, kind in kept if name == one["name"]} - {"TXT"}
            if (one["name"], one["type"]) in kept:
                return _google(409, "alreadyExists", "The resource 'entity.change.additions[0]' already exists")
            if others and (one["type"] == "CNAME" or "CNAME" in others):
                return _google(400, "cnameResourceRecordSetConflict", "A CNAME stands alone")
            kept[one["name"], one["type"]] = dict(one)
        self.sets = kept
        return 200, {"id": "7", "status": "pending" if self.pending > 0 else "done"}


def _google(status: int, reason: str, message: str) -> Answer:
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


@contextmanager
def served(fake: FakeCloudflare | FakeGoogle) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            login = self.headers.get("Authorization", "").removeprefix("Bearer ")
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            status, plain = fake.answer(self.command, parts.path, query, login, body)
            content = json.dumps(plain).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nowhere."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
