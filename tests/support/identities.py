"""Who is who in tests: certificates with their authority, nkeys, and accounts that an operator vouches for by JWT."""

from __future__ import annotations

import base64
import binascii
import datetime
import ipaddress
import json
from pathlib import Path

import pytest
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID


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
    hosts: tuple[str, ...] = ("localhost",),
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
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, hosts)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    else:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(authority_key, hashes.SHA256())


class Identity:
    """An operator, account or user of NATS, by its key; signs JWTs for others."""

    def __init__(self, kind: int) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public = encode(bytes([kind << 3]), self.key.public_key().public_bytes_raw())
        self.seed = encode(bytes([18 << 3 | kind >> 2, (kind & 3) << 6]), self.key.private_bytes_raw())

    def vouch(self, subject: Identity, claims: dict[str, object]) -> str:
        body = {"jti": subject.public, "iat": 1, "iss": self.public, "sub": subject.public, "name": "x", "nats": claims}
        parts = [{"typ": "JWT", "alg": "ed25519-nkey"}, body]
        text = ".".join(unpadded(json.dumps(part).encode()) for part in parts)
        return f"{text}.{unpadded(self.key.sign(text.encode()))}"


OPERATOR, ACCOUNT, USER = 14, 0, 20


def unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def encode(prefix: bytes, content: bytes) -> str:
    raw = prefix + content
    return base64.b32encode(raw + binascii.crc_hqx(raw, 0).to_bytes(2, "little")).decode().rstrip("=")


class Operated:
    """Operator mode: one account with JetStream, its user, and the server's configuration that knows them."""

    def __init__(self) -> None:
        self.operator, self.system = Identity(OPERATOR), Identity(ACCOUNT)
        self.account, self.user = Identity(ACCOUNT), Identity(USER)
        plain = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
        store = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)
        self.limits: dict[str, object] = {**plain, **store, "wildcards": True}
        accounts = {
            self.account: {"type": "account", "version": 2, "limits": self.limits},
            self.system: {"type": "account", "version": 2, "limits": {**plain, "wildcards": True}},
        }
        self.jwts = {who.public: self.operator.vouch(who, claims) for who, claims in accounts.items()}
        self.user_jwt = self.user_of(self.user)
        self.settings = {
            "operator": self.operator.vouch(self.operator, {"type": "operator", "version": 2}),
            "system_account": self.system.public,
            "resolver": "MEMORY",
            "resolver_preload": self.jwts,
        }

    @property
    def config(self) -> str:
        plain = "\n".join(f"{name}: {value}" for name, value in self.settings.items() if value is not self.jwts)
        return f"{plain}\nresolver_preload: {{ {', '.join(f'{name}: {jwt}' for name, jwt in self.jwts.items())} }}"

    def user_of(self, user: Identity) -> str:
        return self.account.vouch(user, {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})

    def without(self, user: Identity) -> str:
        """The account's JWT that lets this user in no more, as `nsc revocations add-user` makes it."""
        revoked = {user.public: 4_000_000_000}
        claims = {"type": "account", "version": 2, "limits": self.limits, "revocations": revoked}
        return self.operator.vouch(self.account, claims)

    def write_credentials(self, path: Path, user: Identity | None = None) -> None:
        """As ``nsc`` writes them."""
        user = user or self.user
        text = f"-----BEGIN NATS USER JWT-----\n{self.user_of(user)}\n------END NATS USER JWT------\n\n"
        text += f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
        path.write_text(text)
