"""Qdrant's own storage engine behind the lab's HTTP: ``python -m secondsite.lab.qdrant_process HOST PORT FOLDER``.

No registry at hand has the server of Qdrant; the engine that it is built on comes as a wheel (qdrant-edge). Its
write-ahead log, segments, points and snapshots are the real ones. The HTTP around them is the lab's: as much of
Qdrant's API, in its documented form, as clients, `secondsite qdrant save` and `restore` use. A write is in the
engine's log before it is answered. A key, where one is wanted, stands in ``QDRANT__SERVICE__API_KEY``, as for Qdrant.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

if TYPE_CHECKING:
    from qdrant_edge import EdgeShard, Record

PACKAGE = "qdrant-edge-py"
KEY = "QDRANT__SERVICE__API_KEY"
_PATH = re.compile(r"/collections/([^/]+)(?:/(points|snapshots)(?:/([^/]+))?)?")
_PAGE = 10


def version() -> str:
    return importlib.metadata.version(PACKAGE)


class RequestError(Exception):
    """What a request is refused with."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Collections:
    """What one server holds: a shard of the engine for each collection, and snapshots of them."""

    def __init__(self, folder: Path) -> None:
        from qdrant_edge import EdgeShard

        self._shards, self._snapshots = folder / "collections", folder / "snapshots"
        for each in (self._shards, self._snapshots):
            each.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._open: dict[str, EdgeShard] = {
            unquote(path.name): EdgeShard.load(str(path)) for path in sorted(self._shards.iterdir())
        }
        self._operations = 0

    @property
    def names(self) -> list[str]:
        return sorted(self._open)

    def create(self, name: str, wanted: dict[str, Any]) -> None:
        from qdrant_edge import Distance, EdgeConfig, EdgeShard, EdgeVectorParams

        if name in self._open:
            raise RequestError(409, f"Wrong input: Collection `{name}` already exists!")
        vectors = wanted["vectors"]
        vector = EdgeVectorParams(size=int(vectors["size"]), distance=getattr(Distance, str(vectors["distance"])))
        path = self._path(name)
        path.mkdir()
        self._open[name] = EdgeShard.create(str(path), EdgeConfig(vectors=vector, wal_enabled=True))

    def drop(self, name: str) -> bool:
        """Whether it was there."""
        if there := self._open.pop(name, None):
            there.close()
            shutil.rmtree(self._path(name))
        return there is not None

    def shard(self, name: str) -> EdgeShard:
        if name not in self._open:
            raise RequestError(404, f"Not found: Collection `{name}` doesn't exist!")
        return self._open[name]

    def upsert(self, name: str, points: list[dict[str, Any]]) -> int:
        """The number of the operation, of this process."""
        from qdrant_edge import Point, UpdateOperation

        taken = [Point(_point_id(each["id"]), each["vector"], each.get("payload")) for each in points]
        self.shard(name).update(UpdateOperation.upsert_points(taken))
        self._operations += 1
        return self._operations

    def save(self, name: str) -> Path:
        """Flushed first, so that its files hold all that its log does."""
        self.shard(name).flush()
        folder = self._snapshots / quote(name, safe="")
        folder.mkdir(exist_ok=True)
        stamp = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())
        made = folder / f"{quote(name, safe='')}-{uuid.uuid4().int % 10**16}-{stamp}.snapshot"
        # Sparse, as the server's own are: segments lie in files that are mostly holes.
        parts = ("tar", "-C", str(self._path(name)), "-S", "--format=gnu", "-cf", str(made), ".")
        subprocess.run(parts, check=True)  # noqa: S603 - our own files
        return made

    def saved(self, name: str) -> list[Path]:
        self.shard(name)
        return sorted((self._snapshots / quote(name, safe="")).glob("*.snapshot"))

    def find_saved(self, name: str, snapshot: str) -> Path:
        for each in self.saved(name):
            if each.name == snapshot:
                return each
        raise RequestError(404, f"Not found: Snapshot `{snapshot}` not found")

    def restore(self, name: str, content: bytes) -> None:
        """In the place of what is there, once the engine has opened it: else what is there stays."""
        from qdrant_edge import EdgeShard

        with tempfile.TemporaryDirectory(dir=self._snapshots, prefix=".") as aside:
            archive, unpacked = Path(aside, "archive"), Path(aside, "shard")
            archive.write_bytes(content)
            try:
                EdgeShard.unpack_snapshot(str(archive), str(unpacked))
                EdgeShard.load(str(unpacked)).close()
            except Exception as error:  # the engine's only kind
                raise RequestError(400, f"Bad request: the snapshot cannot be read: {error}") from None
            if before := self._open.pop(name, None):
                before.close()
            shutil.rmtree(self._path(name), ignore_errors=True)
            unpacked.rename(self._path(name))
            self._open[name] = EdgeShard.load(str(self._path(name)))

    def _path(self, name: str) -> Path:
        return self._shards / quote(name, safe="")


class QdrantRequests(BaseHTTPRequestHandler):
    """``held`` and ``key`` are the server's."""

    held: ClassVar[Collections]
    key: ClassVar[str] = ""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        begin = time.monotonic()
        if self.key and not hmac.compare_digest(self.headers.get("api-key", ""), self.key):
            self.send(401, {"status": {"error": "Invalid api-key"}})
            return
        try:
            with self.held.lock:
                result = self.route(urlsplit(self.path), body)
        except RequestError as error:
            self.send(error.status, {"status": {"error": str(error)}, "time": time.monotonic() - begin})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.send(400, {"status": {"error": f"Bad request: {error}"}, "time": time.monotonic() - begin})
        except Exception as error:  # the engine's only kind
            self.send(400, {"status": {"error": f"Wrong input: {error}"}, "time": time.monotonic() - begin})
        else:
            if isinstance(result, bytes):
                self.send_bytes(200, result, "application/octet-stream")
            elif result is not None:
                self.send(200, {"result": result, "status": "ok", "time": time.monotonic() - begin})

    def route(self, where: SplitResult, body: bytes) -> object:
        """The result of a request; bytes are a file, None was answered already."""
        if where.path == "/":
            self.send(
                200, {"title": f"Qdrant's engine qdrant-edge {version()} behind the lab's HTTP", "version": version()}
            )
            return None
        if where.path in ("/readyz", "/livez", "/healthz"):
            self.send_bytes(200, b"healthz check passed", "text/plain")
            return None
        if where.path == "/collections":
            return {"collections": [{"name": name} for name in self.held.names]}
        match = _PATH.fullmatch(where.path)
        if match is None:
            raise RequestError(404, "Not found")
        name, part, rest = unquote(match[1]), match[2] or "", unquote(match[3] or "")
        if part == "snapshots":
            return self._snapshots(name, rest, where, body)
        content = json.loads(body) if body else {}
        return self._points(name, rest, content) if part else self._collection(name, content)

    def _collection(self, name: str, content: dict[str, Any]) -> object:
        if self.command == "PUT":
            self.held.create(name, content)
            return True
        if self.command == "DELETE":
            return self.held.drop(name)
        info = self.held.shard(name).info()
        return {"status": "green", "points_count": info.points_count, "segments_count": info.segments_count}

    def _points(self, name: str, what: str, content: dict[str, Any]) -> object:
        from qdrant_edge import CountRequest, Query, QueryRequest, ScrollRequest

        shard, payload = self.held.shard(name), bool(content.get("with_payload", what != "query"))
        vector = bool(content.get("with_vector", False))
        if self.command == "PUT" and not what:
            return {"operation_id": self.held.upsert(name, content["points"]), "status": "completed"}
        if what == "count":
            return {"count": shard.count(CountRequest(exact=bool(content.get("exact", True))))}
        if what == "scroll":
            offset = content.get("offset")
            begin = None if offset is None else _point_id(offset)
            limit = int(content.get("limit", _PAGE))
            page, following = shard.scroll(ScrollRequest(begin, limit, with_payload=payload, with_vector=vector))
            return {"points": [_record(each) for each in page], "next_page_offset": _plain_id(following)}
        if what == "query":
            request = QueryRequest(
                query=Query.Nearest(content["query"]), limit=int(content.get("limit", _PAGE)), with_payload=payload
            )
            hits = shard.query(request)
            return {
                "points": [
                    {"id": _plain_id(each.id), "version": each.version, "score": each.score, "payload": each.payload}
                    for each in hits
                ]
            }
        if not what:
            ids: list[int | uuid.UUID | str] = [_point_id(each) for each in content["ids"]]
            return [_record(each) for each in shard.retrieve(ids, payload, vector)]
        raise RequestError(404, "Not found")

    def _snapshots(self, name: str, snapshot: str, where: SplitResult, body: bytes) -> object:
        held = self.held
        if snapshot == "upload":
            content = self._uploaded(body)
            checksum = parse_qs(where.query).get("checksum", [""])[0]
            if checksum and checksum != hashlib.sha256(content).hexdigest():
                raise RequestError(400, "Wrong input: Snapshot checksum mismatch")
            held.restore(name, content)
            return True
        if not snapshot:
            return _described(held.save(name)) if self.command == "POST" else [_described(s) for s in held.saved(name)]
        path = held.find_saved(name, snapshot)
        if self.command == "DELETE":
            path.unlink()
            return True
        return path.read_bytes()

    def _uploaded(self, body: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = [each for each in BytesParser().parsebytes(head + body).walk() if not each.is_multipart()]
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            raise RequestError(400, "Bad request: no snapshot in the form")
        return content

    def send(self, status: int, content: object) -> None:
        self.send_bytes(status, json.dumps(content).encode(), "application/json")

    def send_bytes(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _described(path: Path) -> dict[str, object]:
    made = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(path.stat().st_mtime))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": path.name, "creation_time": made, "size": path.stat().st_size, "checksum": digest}


def _point_id(given: object) -> int | uuid.UUID:
    """A number or a UUID; raises ValueError for what no point is called."""
    return given if isinstance(given, int) and not isinstance(given, bool) else uuid.UUID(str(given))


def _plain_id(point: object) -> object:
    return point if point is None or isinstance(point, int) else str(point)


def _record(record: Record) -> dict[str, object]:
    return {"id": _plain_id(record.id), "payload": record.payload, "vector": record.vector}


def serve(
    host: str, port: int, folder: Path, key: str, requests: type[QdrantRequests] = QdrantRequests
) -> ThreadingHTTPServer:
    """A server that is ready and does not serve yet."""
    members = {"held": Collections(folder), "key": key}
    return ThreadingHTTPServer((host, port), type("Requests", (requests,), members))


def main() -> None:
    host, port, folder = sys.argv[1:]
    serve(host, int(port), Path(folder), os.environ.get(KEY, "")).serve_forever()


if __name__ == "__main__":
    main()
