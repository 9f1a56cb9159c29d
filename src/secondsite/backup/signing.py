"""Who made a backup: manifests are signed with ed25519, and a manifest names every object by its SHA-256.

Encryption for a recipient says nothing about the writer, as anybody may encrypt for a public key. The signing key is
one of the team (PEM or OpenSSH, as ``openssl genpkey -algorithm ed25519`` and ``ssh-keygen -t ed25519`` write them), or
follows from an age identity.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from secondsite.model.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SIGN, _DIGEST = b"secondsite/backup/sign/1", b"secondsite/backup/digest/1"
_REMEDY = "give a key as openssl genpkey -algorithm ed25519 or ssh-keygen -t ed25519 writes it, without a passphrase"


@frozen
class SigningKey:
    """``public`` is the public key in hexadecimal digits; the secret is shown nowhere."""

    public: str
    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, content: bytes) -> str:
        return self._key.sign(content).hex()


class SignedRecord(Protocol):
    """A manifest, or what an archive consists of."""

    @property
    def signer(self) -> str:
        """The public key of who signed it, which was checked; empty where nobody did."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom it is encrypted for."""


@frozen
class Trust:
    """Whose backups count. Without ``signers`` everybody's do; ``encrypted`` refuses plain ones.

    ``unsigned`` lets in what nobody known signed: the user has said so.
    """

    signers: frozenset[str] = frozenset()
    encrypted: bool = False
    unsigned: bool = False

    def distrust(self, manifest: SignedRecord) -> str:
        """Why this backup does not count; empty when it does."""
        if self.unsigned:
            return ""
        if self.signers and not manifest.signer:
            return "it is not signed"
        if self.signers and manifest.signer not in self.signers:
            return f"it is signed by a key that you did not give ({manifest.signer[:16]}…)"
        if self.encrypted and not manifest.recipients:
            return "it is not encrypted, but you gave an identity"
        return ""


ANYBODY = Trust()


def of_identity(identity: object) -> SigningKey:
    """The signing key that follows from an age identity."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _signing_key(Ed25519PrivateKey.from_private_bytes(_derived(identity, _SIGN)))


def read_signing_key(path: Path) -> SigningKey:
    """Raises InputError for what holds no ed25519 key, nor an age identity."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from secondsite.backup.codec import read_keys

    data = _read(path)
    if b"AGE-SECRET-KEY-" in data:
        return of_identity(read_keys((), (path,)).identities[0])
    for load in (serialization.load_pem_private_key, serialization.load_ssh_private_key):
        try:
            key = load(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, Ed25519PrivateKey):
            return _signing_key(key)
    raise InputError.at(str(path), "holds no ed25519 secret key", _REMEDY)


def read_signer(path: Path) -> str:
    """A public key in hexadecimal digits. Raises InputError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(path)
    for load in (serialization.load_pem_public_key, serialization.load_ssh_public_key):
        try:
            key = load(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, Ed25519PublicKey):
            return key.public_bytes_raw().hex()
    remedy = "give the public key: openssl pkey -in KEY -pubout, or the .pub file of ssh-keygen"
    raise InputError.at(str(path), "holds no ed25519 public key", remedy)


def is_signature(public: str, signature: str, content: bytes) -> bool:
    """Whether the holder of the key signed this content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def keyed(digest: str, identities: Iterable[object]) -> str:
    """A digest of clear text, of no use without the identity; empty where there is none to key it with."""
    identity = next(iter(identities), None)
    if identity is None or not digest:
        return ""
    return hmac.new(_derived(identity, _DIGEST), digest.encode(), hashlib.sha256).hexdigest()


def _derived(identity: object, purpose: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869) with one block of output."""
    pseudo_random = hmac.new(b"", str(identity).encode(), hashlib.sha256).digest()
    return hmac.new(pseudo_random, purpose + b"\x01", hashlib.sha256).digest()


def _signing_key(key: Ed25519PrivateKey) -> SigningKey:
    return SigningKey(key.public_key().public_bytes_raw().hex(), key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError.at(str(path), f"cannot be read ({error.strerror})", "give a readable key file") from None
