"""An operator with accounts and users, as `nsc` makes them: keys, JWTs and credentials files for real servers."""

from __future__ import annotations

import json
import time
from base64 import b32encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_SEED = 18 << 3
_UNLIMITED = {"subs": -1, "data": -1, "payload": -1}
_ACCOUNT_LIMITS = {
    **_UNLIMITED,
    **{"imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1},
    **{"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1},
}


@frozen
class NatsIdentity:
    kind: str
    key: Ed25519PrivateKey = field(factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public(self) -> str:
        return _text(bytes([_PREFIXES[self.kind]]) + self.key.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        prefix = _PREFIXES[self.kind]
        return _text(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]) + self.key.private_bytes_raw())


@frozen
class NatsOperator:
    """``system`` and ``app`` are its accounts, both to be preloaded."""

    operator: NatsIdentity = field(factory=lambda: NatsIdentity("operator"))
    system: NatsIdentity = field(factory=lambda: NatsIdentity("account"))
    app: NatsIdentity = field(factory=lambda: NatsIdentity("account"))

    @property
    def conf(self) -> str:
        """The part of a server's configuration."""
        accounts = "".join(f"  {one.public}: {self._account(one)}\n" for one in (self.system, self.app))
        head = f"operator: {_jwt(self.operator, self.operator, 'operator', {})}\nsystem_account: {self.system.public}\n"
        return f"{head}resolver: MEMORY\nresolver_preload: {{\n{accounts}}}\n"

    def _account(self, one: NatsIdentity) -> str:
        limits = _ACCOUNT_LIMITS if one is self.app else {**_ACCOUNT_LIMITS, "disk_storage": 0, "mem_storage": 0}
        return _jwt(self.operator, one, "account", {"limits": limits, "default_permissions": {"pub": {}, "sub": {}}})

    def credentials(self, account: NatsIdentity, file: Path) -> Path:
        """A file with a new user of the account."""
        user = NatsIdentity("user")
        jwt = _jwt(account, user, "user", {"pub": {}, "sub": {}, **_UNLIMITED})
        parts = (("NATS USER JWT", jwt), ("USER NKEY SEED", user.seed))
        texts = (f"-----BEGIN {name}-----\n{text}\n------END {name}------\n" for name, text in parts)
        file.write_text("\n".join(texts))
        return file


def _jwt(issuer: NatsIdentity, subject: NatsIdentity, kind: str, nats: dict[str, Any]) -> str:
    claims = {
        **{"jti": subject.public, "iat": int(time.time()), "iss": issuer.public, "name": kind, "sub": subject.public},
        "nats": {**nats, "type": kind, "version": 2},
    }
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{_base64(issuer.key.sign(signed.encode()))}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _text(raw: bytes) -> str:
    """With the checksum that nkeys have, CRC-16/XMODEM."""
    crc = 0
    for byte in raw:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return b32encode(raw + crc.to_bytes(2, "little")).decode().rstrip("=")
