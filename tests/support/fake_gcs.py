"""A fake of Google Cloud Storage, as no real one can be had here: the few calls of the XML API that obstore makes.

What it does keep is what backups lean on: ``x-goog-if-generation-match`` (0: create only), answered with 412 and never
with an overwrite; multipart uploads that are nothing until completed; listings in pages; and a caller's identity: every
request bears a JWT signed with the private key of the service account (RS256), or is answered with 401.

``python fake_gcs.py PORT BUCKET KEY_FILE`` keeps everything in memory; ``KEY_FILE`` is a service account key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from attrs import define, field
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PAGE = 100
HTTP_WHEN = "Thu, 01 Jan 2026 00:00:00 GMT"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@define
class Bucket:
    """Objects, and uploads that are not completed: parts by number."""

    name: str
    objects: dict[str, tuple[int, bytes]] = field(factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(factory=dict)
    generation: int = 1
    lock: threading.Lock = field(factory=threading.Lock)

    def put(self, key: str, content: bytes, expected: str | None) -> int | None:
        """The new generation, or None where the condition does not hold. ``expected`` "0" is: not there."""
        with self.lock:
            if expected is not None and int(expected) != self.objects.get(key, (0, b""))[0]:
                return None
            self.generation += 1
            self.objects[key] = (self.generation, content)
            return self.generation


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: Bucket
    account: dict[str, str]

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 # http.server looks for these names

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if not self._known():
            self._answer(401, _error("AuthenticationRequired"))
        elif bucket != self.bucket.name:
            self._answer(404, _error("NoSuchBucket"))
        elif not key:
            self._answer(200, _listing(self.bucket, query))
        elif "uploads" in query or "uploadId" in query:
            self._multipart(key, query, body)
        else:
            self._object(key, body)

    def _known(self) -> bool:
        """Whether the bearer token was signed by the service account, for this service."""
        kind, _, token = (self.headers.get("Authorization") or "").partition(" ")
        head, _, signature = token.rpartition(".")
        if kind != "Bearer" or not signature:
            return False
        private = serialization.load_pem_private_key(self.account["private_key"].encode(), None)
        assert isinstance(private, RSAPrivateKey)
        try:
            private.public_key().verify(_decoded(signature), head.encode(), PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        claims = json.loads(_decoded(head.partition(".")[2]))
        return bool(claims["iss"] == self.account["client_email"])

    def _object(self, key: str, body: bytes) -> None:
        if self.command == "PUT":
            generation = self.bucket.put(key, body, self.headers.get("x-goog-if-generation-match"))
            if generation is None:
                return self._answer(412, _error("PreconditionFailed"))
            return self._answer(200, headers=_told(generation, body))
        if key not in self.bucket.objects:
            return self._answer(404, _error("NoSuchKey"))
        if self.command == "DELETE":
            self.bucket.objects.pop(key, None)
            return self._answer(204)
        generation, content = self.bucket.objects[key]
        return self._content(generation, content)

    def _content(self, generation: int, content: bytes) -> None:
        headers = _told(generation, content) | {"Last-Modified": HTTP_WHEN}
        asked = self.headers.get("Range")
        if not asked:
            return self._answer(200, content, headers)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        piece = content[int(first) : int(last) + 1 if last else None]
        span = f"bytes {first}-{int(first) + len(piece) - 1}/{len(content)}"
        return self._answer(206, piece, headers | {"Content-Range": span})

    def _multipart(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            upload = secrets.token_hex(8)
            self.bucket.uploads[upload] = {}
            return self._answer(200, _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"))
        parts = self.bucket.uploads.get(query["uploadId"])
        if parts is None:
            return self._answer(404, _error("NoSuchUpload"))
        if self.command == "PUT":
            parts[int(query["partNumber"])] = body
            return self._answer(200, headers=_told(0, body))
        del self.bucket.uploads[query["uploadId"]]
        if self.command == "DELETE":
            return self._answer(204)
        content = b"".join(parts[number] for number in sorted(parts))
        generation = self.bucket.put(key, content, self.headers.get("x-goog-if-generation-match"))
        if generation is None:
            return self._answer(412, _error("PreconditionFailed"))
        etag = _told(generation, content)["ETag"]
        return self._answer(200, _xml("CompleteMultipartUploadResult", f"<ETag>{escape(etag)}</ETag>"))

    def _answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(content)


def _listing(bucket: Bucket, query: dict[str, str]) -> bytes:
    """In pages of ``PAGE``; the token is the last name given."""
    prefix, delimiter, after = query.get("prefix", ""), query.get("delimiter"), query.get("continuation-token", "")
    names: dict[str, bool] = {}
    for key in sorted(bucket.objects):
        if not key.startswith(prefix):
            continue
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        names[prefix + head + delimiter if delimiter and found else key] = bool(found)
    page = [name for name in sorted(names) if name > after]
    more = len(page) > PAGE
    told = ""
    for name in page[:PAGE]:
        if names[name]:
            told += f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            continue
        generation, content = bucket.objects[name]
        told += f"<Contents><Key>{escape(name)}</Key><Size>{len(content)}</Size><LastModified>{_now()}</LastModified>"
        told += f"<ETag>{_told(generation, content)['ETag']}</ETag></Contents>"
    token = f"<NextContinuationToken>{escape(page[PAGE - 1])}</NextContinuationToken>" if more else ""
    return _xml("ListBucketResult", f"{told}{token}<IsTruncated>{str(more).lower()}</IsTruncated>")


def _told(generation: int, content: bytes) -> dict[str, str]:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"ETag": f'"{digest}"', "x-goog-generation": str(generation)}


def _xml(name: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'.encode()


def _error(code: str) -> bytes:
    return _xml("Error", f"<Code>{code}</Code><Message>fake</Message>")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main() -> None:
    port, bucket, key_file = sys.argv[1:]
    Handler.bucket, Handler.account = Bucket(bucket), json.loads(Path(key_file).read_text())
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
