"""Proof of identity: user JWTs and nkey seeds, read from files and used to sign what the server sends.

A seed lives in a Signer for one connection; neither its repr nor any error holds a part of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from secondsite.model.errors import InputError, MachineError

_JWT = re.compile(r"-{3,}BEGIN NATS USER JWT-{3,}\s+(\S+)\s+-{3,}END NATS USER JWT-{3,}")
_SEED = re.compile(r"-{3,}BEGIN USER NKEY SEED-{3,}\s+(\S+)\s+-{3,}END USER NKEY SEED-{3,}")
_SEED_PREFIX = 18 << 3
_USER_PREFIX = 20 << 3
_MAX_BYTES = 65536


@frozen
class Signer:
    """``public_key`` names the user; ``jwt`` is empty for a bare nkey."""

    public_key: str
    sign: Callable[[str], bytes] = field(repr=False)
    jwt: str = field(default="", repr=False)


def from_credentials(path: Path) -> Signer:
    """A .creds file as ``nsc`` and Synadia Cloud write it."""
    text = _read(path)
    jwt, seed = _JWT.search(text), _SEED.search(text)
    if not jwt or not seed:
        raise InputError.at(str(path), "holds no user JWT with its seed", "give a .creds file as written by nsc")
    return _signer(path, seed[1], jwt[1])


def from_nkey(path: Path) -> Signer:
    """A file with a user's seed, which begins with SU."""
    lines = _read(path).split()
    if not lines:
        raise InputError.at(str(path), "is empty", "give a file with a user seed, which begins with SU")
    return _signer(path, lines[0], "")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise InputError.at(str(path), what, "give a readable file") from None
    return content.decode("ascii", "replace")


def _signer(path: Path, seed: str, jwt: str) -> Signer:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        remedy = "pip install cryptography, or connect with user and password"
        raise MachineError.at(str(path), "the signing package is not installed", remedy) from None
    raw = _decode(seed)
    if raw is None:
        raise InputError.at(str(path), "holds no seed of a user", "give a user's seed, which begins with SU")
    key = Ed25519PrivateKey.from_private_bytes(raw)
    public = _encode(key.public_key().public_bytes_raw())
    return Signer(public, lambda nonce: base64.b64encode(key.sign(nonce.encode())), jwt)


def _decode(seed: str) -> bytes | None:
    """The 32 secret bytes of a user's seed; None when it is not one."""
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 36 or binascii.crc_hqx(raw[:-2], 0) != int.from_bytes(raw[-2:], "little"):
        return None
    kind = (raw[0] & 7) << 5 | (raw[1] & 0xF8) >> 3
    return raw[2:34] if raw[0] & 0xF8 == _SEED_PREFIX and kind == _USER_PREFIX else None


def _encode(public: bytes) -> str:
    raw = bytes([_USER_PREFIX]) + public
    raw += binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw).decode().rstrip("=")
