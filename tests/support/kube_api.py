"""A real kube-apiserver with RBAC, its etcd, and kubectl as somebody; all gone after the test.

`KUBEBUILDER_ASSETS` names the folder with `kube-apiserver` and `etcd`, as for envtest. There is no scheduler, and no
kubelet.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from attrs import frozen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from nats_world import free_port, process, wait_until

ADMIN = "admin"
GROUPS = {ADMIN: "system:masters"}


@frozen
class KubeApi:
    folder: Path
    port: int
    kubectl: str
    pid: int = 0

    def run(self, who: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [self.kubectl, "--kubeconfig", str(self.folder / "config"), "--context", who, *arguments]
        env = {**os.environ, "HOME": str(self.folder)}
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60, env=env)

    def done(self, who: str, *arguments: str, stdin: str = "") -> str:
        ended = self.run(who, *arguments, stdin=stdin)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def create(self, path: str, content: object) -> str:
        return self.request("POST", path, content, "application/json")

    def request(self, method: str, path: str, patch: object = None, kind: str = "application/merge-patch+json") -> str:
        """As the administrator, without a process of its own."""
        users = json.loads((self.folder / "config").read_text())["users"]
        token = next(one["user"]["token"] for one in users if one["name"] == ADMIN)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        body = None if patch is None else json.dumps(patch).encode()
        asked = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body, headers, method=method)
        with urllib.request.urlopen(asked, context=_trusting(), timeout=5) as answer:  # noqa: S310 - as above
            return str(answer.read().decode())

    def denied(self, who: str, *arguments: str, stdin: str = "") -> bool:
        ended = self.run(who, *arguments, stdin=stdin)
        return ended.returncode != 0 and "forbidden" in ended.stderr.lower()


def assets() -> Path | None:
    """None where there is none to be had."""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS", ""))
    wanted = ("kube-apiserver", "etcd")
    return folder if folder.name and all((folder / name).exists() for name in wanted) else None


@contextmanager
def kube_api(folder: Path, groups: dict[str, str]) -> Iterator[KubeApi]:
    """``groups`` by user, beside the administrator."""
    binaries, kubectl = assets(), shutil.which("kubectl")
    if binaries is None or kubectl is None:
        pytest.skip(
            "no kube-apiserver: set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd, install kubectl"
        )
    port, client_port, peer_port = free_port(), free_port(), free_port()
    users = {ADMIN: secrets.token_hex(), **{name: secrets.token_hex() for name in groups}}
    whose = {**GROUPS, **groups}
    tokens = "".join(f'{token},{name},{name},"{whose[name]}"\n' for name, token in users.items())
    (folder / "tokens").write_text(tokens)
    (folder / "key").write_bytes(_key())
    (folder / "config").write_text(json.dumps(_config(port, users)))
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    store = ("--data-dir", folder / "etcd", "--unsafe-no-fsync", "--log-level", "error")
    listening = ("--listen-client-urls", client, "--advertise-client-urls", client)
    peers = ("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}")
    key = folder / "key"
    flags = (
        *("--etcd-servers", client, "--secure-port", str(port), "--bind-address=127.0.0.1", "--cert-dir", folder),
        *(
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            "--token-auth-file",
            folder / "tokens",
        ),
        *("--service-account-key-file", key, "--service-account-signing-key-file", key),
        *("--service-account-issuer=https://kubernetes.default.svc", "--disable-admission-plugins=ServiceAccount"),
    )
    with ExitStack() as stack:
        stack.enter_context(process(binaries / "etcd", *store, *listening, *peers, port=client_port))
        server = stack.enter_context(process(binaries / "kube-apiserver", *flags, port=port))
        wait_until(lambda: _ready(port), 60)
        yield KubeApi(folder, port, kubectl, server.pid)


def _trusting() -> ssl.SSLContext:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return trusting


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=_trusting(), timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _key() -> bytes:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _config(port: int, users: dict[str, str]) -> dict[str, object]:
    server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": server}],
        "users": [{"name": name, "user": {"token": token}} for name, token in users.items()],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in users],
    }
