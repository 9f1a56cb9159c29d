"""What the load writes into a message: its id, then nothing but padding. So every byte of it can be told again."""

from __future__ import annotations

import hashlib


def payload(message_id: str, size: int) -> str:
    """The data begin with the id: a KV value and a processed message say whose they are without headers."""
    return f"{message_id} ".ljust(size, "x")


def altered(message_id: str, data: bytes) -> int:
    """0 where the data are those of the message of this id at their length, else a digest of what is there."""
    return 0 if data == payload(message_id, len(data)).encode() else digest(data)


def digest(data: bytes) -> int:
    """32 bits, never 0."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=4).digest(), "little") or 1
