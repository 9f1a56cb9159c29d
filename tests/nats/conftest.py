"""Real nats-server processes on free ports, each in its own process group, killed whatever happens."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BINARY = Path(sys.executable).parent / "nats-server"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@frozen
class Server:
    port: int
    http: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor(self) -> str:
        return f"http://127.0.0.1:{self.http}"


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not ready: {what}"
        time.sleep(0.05)


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own loopback
        return bool(response.status == 200)
    return False


def launch(folder: Path, name: str, config: str, port: int, http: int) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    text = f"server_name: {name}\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{http}\n{config}\n"
    (folder / "nats.conf").write_text(text.replace("STORE", str(folder / "store")))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [BINARY, "-c", folder / "nats.conf"], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Server(port, http, process, folder)


def kill(server: Server) -> None:
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(10)


@contextmanager
def running() -> Iterator[Callable[..., list[Server]]]:
    """A starter of clusters: ``start(folder, config, count=1)`` returns when all are healthy."""
    started: list[Server] = []

    def start(folder: Path, config: str, count: int = 1, name: str = "n") -> list[Server]:
        ports = free_ports(count * 3)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports[2::3])
        servers = []
        for number in range(count):
            port, http, cluster = ports[number * 3 : number * 3 + 3]
            routing = f"cluster {{ name: eu, listen: 127.0.0.1:{cluster}, routes: [{routes}] }}" if count > 1 else ""
            label = f"{name}{number}"
            servers.append(launch(folder / label, label, f"{config}\n{routing}", port, http))
            started.append(servers[-1])
        for server in servers:
            url = f"{server.monitor}/healthz"
            wait_until(lambda url=url: answers(url), (server.folder / "log").read_text()[-2000:])  # type: ignore[misc]
        return servers

    try:
        yield start
    finally:
        for server in started:
            kill(server)


@pytest.fixture
def start_nats() -> Iterator[Callable[..., list[Server]]]:
    with running() as start:
        yield start


@pytest.fixture(scope="module")
def start_nats_once() -> Iterator[Callable[..., list[Server]]]:
    with running() as start:
        yield start


@frozen
class Certificates:
    """PEM files: the authority, and a server's and a client's certificate with its key."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = certificate("authority", ca_key, None)
    write(folder / "ca.pem", ca.public_bytes(serialization.Encoding.PEM))
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        write(folder / f"{name}.pem", certificate(name, key, (ca, ca_key)).public_bytes(serialization.Encoding.PEM))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write(folder / f"{name}.key", pem)
    files = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")
    return Certificates(*(folder / file for file in files))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    """Signed by the issuer; by itself, and an authority, without one."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    authority_key = issuer[1] if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if issuer:
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    else:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(authority_key, hashes.SHA256())
