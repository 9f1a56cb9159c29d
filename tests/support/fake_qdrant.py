"""A fake of Qdrant's HTTP API, as no registry at hand has its binary: it proves that our requests are understood as the
documentation of 1.12 describes them, and nothing about Qdrant's times, its format or what it loses.

It keeps what a snapshot leans on: it holds the points of one moment, is found by its name until it is deleted, and is
refused where the digest that came along is another one. Every request needs the API key.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from attrs import define, field


@define
class FakeQdrant:
    """``points`` by collection; ``snapshots`` by collection and name. ``truncates``: downloads break off half way."""

    key: str
    url: str = ""
    points: dict[str, list[int]] = field(factory=dict)
    snapshots: dict[tuple[str, str], bytes] = field(factory=dict)
    truncates: bool = False
    instead: dict[str, object] = field(factory=dict)
    """By the end of a path, what is answered in its place."""
    forgets: int = 0
    """Points that a restore loses: what a count has to find."""


@contextmanager
def fake_qdrant(key: str) -> Iterator[FakeQdrant]:
    held = FakeQdrant(key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"held": held}))
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    held: FakeQdrant

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("api-key") != self.held.key:
            return self._send(401, {"status": {"error": "Invalid api-key"}})
        return self._route(body)

    def _route(self, body: bytes) -> None:
        where, held = urlsplit(self.path), self.held
        for end, content in held.instead.items():
            if where.path.endswith(end):
                return self._send(200, content)
        if where.path == "/":
            return self._send(200, {"title": "fake of qdrant", "version": "1.12.4"})
        if where.path == "/collections":
            return self._result({"collections": [{"name": name} for name in held.points]})
        return self._collection(where, body)

    def _collection(self, where: SplitResult, body: bytes) -> None:
        held = self.held
        match = re.fullmatch(r"/collections/([^/]+)/(points/count|snapshots)(?:/([^/]+))?", where.path)
        if match is None:
            return self._send(404, {"status": {"error": "Not found"}})
        name, what, snapshot = unquote(match[1]), match[2], unquote(match[3] or "")
        if snapshot == "upload":
            return self._upload(name, body, parse_qs(where.query).get("checksum", [""])[0])
        if name not in held.points:
            return self._send(404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}})
        if what == "points/count":
            return self._result({"count": len(held.points[name])})
        return self._snapshot(name, snapshot)

    def _snapshot(self, name: str, snapshot: str) -> None:
        held = self.held
        if self.command == "POST":
            content = json.dumps(held.points[name]).encode()
            made = f"{name}-{len(held.snapshots)}.snapshot"
            held.snapshots[name, made] = content
            digest = hashlib.sha256(content).hexdigest()
            return self._result({"name": made, "size": len(content), "checksum": digest})
        if (name, snapshot) not in held.snapshots:
            return self._send(404, {"status": {"error": "Snapshot not found"}})
        if self.command == "DELETE":
            del held.snapshots[name, snapshot]
            return self._send(200, {"result": True})
        content = held.snapshots[name, snapshot]
        return self._bytes(200, content[: len(content) // 2] if held.truncates else content)

    def _upload(self, name: str, body: bytes, checksum: str) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = [each for each in BytesParser().parsebytes(head + body).walk() if not each.is_multipart()]
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if checksum and checksum != hashlib.sha256(content).hexdigest():
            return self._send(400, {"status": {"error": "Snapshot checksum mismatch"}})
        points = json.loads(content)
        self.held.points[name] = points[: len(points) - self.held.forgets]
        return self._send(200, {"result": True})

    def _result(self, result: object) -> None:
        self._send(200, {"result": result, "status": "ok", "time": 0.0})

    def _send(self, status: int, content: object) -> None:
        self._bytes(status, json.dumps(content).encode())

    def _bytes(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
