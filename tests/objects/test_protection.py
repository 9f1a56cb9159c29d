"""Whether what was written can be taken back is told by the store itself: with versions, with a lock, with neither."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import boto3
import pytest
from nats_world import run
from store_servers import moto_s3, rclone_s3

from secondsite.objects.address import parse_store
from secondsite.objects.protection import UNKNOWN, Protection, protection_at
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow
__all__ = ["moto_s3", "rclone_s3"]


def _client(endpoint: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")


def _store(endpoint: str, bucket: str) -> ObjectStorage:
    return ObjectStorage(parse_store(f"s3://{bucket}/prod", endpoint))


async def _written(store: ObjectStorage) -> Protection:
    await store.create("index/1.json", b"{}")
    return await store.protection("index/1.json")


def test_a_bucket_says_whether_it_keeps_what_was_written(moto_s3: str) -> None:
    client = _client(moto_s3)
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 7}}
    client.put_object_lock_configuration(
        Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    plain, versions = (run(_written(_store(moto_s3, name))) for name in ("bucket", "versions"))
    client.put_object(Bucket="locked", Key="prod/index/1.json", Body=b"{}", ChecksumAlgorithm="SHA256")
    locked = run(_store(moto_s3, "locked").protection("index/1.json"))
    assert (plain.versions, plain.locked_until) == (False, "")
    assert "not protected" in plain.text
    assert (versions.versions, versions.locked_until) == (True, "")
    assert "versioned" in versions.text
    assert (locked.versions, locked.mode) == (True, "COMPLIANCE")
    assert locked.text.startswith("locked until 20")


class _Recording(BaseHTTPRequestHandler):
    """Takes everything."""

    seen: ClassVar[list[Mapping[str, str]]] = []

    def do_PUT(self) -> None:  # as the library calls it
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


def test_each_object_bears_a_checksum_as_a_bucket_with_a_lock_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock"."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Recording) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = _store(f"http://127.0.0.1:{server.server_port}", "locked")
        run(store.create("index/1.json", b"{}"))
        server.shutdown()
    (headers,) = _Recording.seen
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(b"{}").digest()).decode()
    assert "x-amz-checksum-sha256" in headers["authorization"], "it is signed"


def test_a_store_that_does_not_say_is_unknown(rclone_s3: str, tmp_path: Any) -> None:
    assert run(_written(_store(rclone_s3, "bucket"))).versions is False, "an S3 without versions"
    assert run(_written(ObjectStorage(parse_store(f"file://{tmp_path}/a"), make=True))) == UNKNOWN
    assert protection_at("http://127.0.0.1:9/nobody", None) == UNKNOWN
    assert "unknown" in UNKNOWN.text
