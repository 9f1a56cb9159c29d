"""A message as a stream holds it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class StoredMessage:
    """``at``: when it was stored, RFC 3339."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes
    at: str
