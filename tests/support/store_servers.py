"""S3 servers for tests, each with a bucket named ``bucket``: fixtures to be imported by a conftest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nats_world import ACCESS, BIN, SECRET, free_port, make_bucket, process


@pytest.fixture
def rclone_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 that keeps real bytes and ignores conditions; it has a bucket."""
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    port = free_port()
    address = f"127.0.0.1:{port}"
    key = f"{ACCESS},{SECRET}"
    with process(BIN / "rclone", "serve", "s3", tmp_path / "s3", "--addr", address, "--auth-key", key, port=port):
        yield f"http://{address}"


@pytest.fixture
def moto_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 that honours conditions; it has a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    port = free_port()
    with process(BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port), port=port):
        make_bucket(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
