"""Whether two secrets are equal, told without either: HMAC-SHA256 under a key that lives as long as one comparison.

A fingerprint that was logged says nothing later, and two runs cannot be compared with each other.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Self

from attrs import field, frozen

_LENGTH = 32


@frozen
class RunKey:
    """Random, and shown nowhere."""

    secret: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Self:
        return cls(secrets.token_bytes(_LENGTH))


def fingerprint(key: bytes, values: Mapping[str, bytes]) -> str:
    """Of a secret with all its keys; their names and the borders between them count too."""
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for name in sorted(values):
        for part in (name.encode(), values[name]):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def differing(expected: Mapping[str, str], actual: Mapping[str, str]) -> tuple[str, ...]:
    """Names whose fingerprints are not equal, or missing on a side."""
    return tuple(
        name
        for name, wanted in sorted(expected.items())
        if not wanted or not hmac.compare_digest(wanted, actual.get(name, ""))
    )
