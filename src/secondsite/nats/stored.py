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


def parse_headers(raw: bytes) -> dict[str, str]:
    """After the line with the protocol's version, as in HTTP; bytes that are no UTF-8 go out as they came in."""
    lines = raw.decode("utf-8", "surrogateescape").split("\r\n")[1:]
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
