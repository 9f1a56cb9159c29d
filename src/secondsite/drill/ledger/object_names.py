"""How an object of the load is called and described: what writes it and what reads it again mean the same."""

from __future__ import annotations

import base64
import hashlib

from secondsite.drill.ledger.record import ANY_KEY

_PREFIX = "load-"


def name_of(key: int | str) -> str:
    return f"{_PREFIX}{key}"


def key_of_name(name: str) -> int:
    """ANY_KEY for an object of anybody else."""
    text = name.removeprefix(_PREFIX)
    number = text.isascii() and text.isdigit() and len(text) < 10 and name.startswith(_PREFIX)
    return int(text) if number else ANY_KEY


def encoded(name: str) -> str:
    """As a word of a subject."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def digest_of(content: bytes) -> str:
    """As the clients of JetStream write it."""
    return "SHA-256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
