"""Object stores for tests, each with a bucket named ``bucket``: fixtures to be imported by a conftest.

rclone and moto (S3) and Azurite (Azure) are real servers of their kind; Google's is a fake (see ``fake_gcs``).
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from nats_world import ACCESS, BIN, SECRET, free_port, make_bucket, process
from needed import missing

ROOT = Path(__file__).parents[2]
NO_AZURITE = "azurite is not here: install nodejs and npm, then run script/azurite.sh"
# The account that Azurite has from the start: published, and no secret.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


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


@pytest.fixture
def azurite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an Azure Blob Storage with a container; the account is in the environment."""
    binary = shutil.which("azurite-blob", path=f"{ROOT / 'build/azurite/node_modules/.bin'}:{os.environ['PATH']}")
    if not binary:
        missing(NO_AZURITE)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY)
    port = free_port()
    where = ("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", tmp_path / "azurite")
    with process(binary, *where, "--disableTelemetry", "--skipApiVersionCheck", "--silent", port=port):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        _make_container(endpoint)
        yield endpoint


def _make_container(endpoint: str) -> None:
    """Signed with the account's key, as Azure wants it."""
    headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    told = "".join(f"{name}:{value}\n" for name, value in headers.items())
    text = "PUT" + "\n" * 12 + told + f"/{ACCOUNT}/{ACCOUNT}/bucket\nrestype:container"
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}", "Content-Length": "0"}
    request = urllib.request.Request(f"{endpoint}/bucket?restype=container", method="PUT", headers=headers)  # noqa: S310 # our own loopback server
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310 # our own loopback server


@pytest.fixture
def fake_gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a fake of Google's; the key of a service account that it knows is in the environment."""
    key = tmp_path / "service-account.json"
    write_service_account(key)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    port = free_port()
    with process(sys.executable, Path(__file__).with_name("fake_gcs.py"), str(port), "bucket", key, port=port):
        yield f"http://127.0.0.1:{port}"


def write_service_account(path: Path) -> None:
    """A key file as Google's console gives it, of nobody."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    content = {
        "type": "service_account",
        "project_id": "nobody",
        "private_key_id": "0123456789abcdef",
        "private_key": pem.decode(),
        "client_email": "backup@nobody.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(content))
