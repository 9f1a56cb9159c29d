"""What one line of a ledger is: 48 bytes that say who meant to write what, when, and what came back.

A message id is never stored: it is the run, the client's number and the client's own sequence, so that 12 bytes
of a record rebuild it and a final read that finds an id knows at once whose intent it was. Every record carries
a check word, and a record of zeros fails it: what a crash left half written is told from what was written.
"""

from __future__ import annotations

import ipaddress
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

RECORD = np.dtype(
    [
        ("monotonic_ns", "<i8"),
        ("wall_ns", "<i8"),
        ("stream_sequence", "<u8"),
        ("sequence", "<u4"),
        ("key", "<u4"),
        ("endpoint", "<u4"),
        ("payload_bytes", "<u4"),
        ("stream", "<u2"),
        ("attempt", "<u2"),
        ("kind", "u1"),
        ("status", "u1"),
        ("check", "<u2"),
    ]
)
LAYOUT = "<qqQIIIIHHBBH"
ANY_KEY = 0xFFFF_FFFF
NEVER = np.iinfo(np.int64).max
STRAY = 0xFFFF_FFFF_FFFF_FFFF
_SEED = 0x5EC0

Records = NDArray[np.void]


class RecordKind(IntEnum):
    """Intents stand before the first byte is sent. A purge is an operator's: of ``key`` (or any) up to, and
    without, ``stream_sequence`` (0: all). A delete is of the one message at ``stream_sequence``.
    """

    INTENT = 1
    OUTCOME = 2
    PURGE = 3
    PURGED = 4
    DELETE = 5
    DELETED = 6


class Purpose(IntEnum):
    """The ``status`` of an intent. ``tombstone`` deletes a key of a KV bucket; ``wrong`` is a bad write, planted."""

    WRITE = 0
    TOMBSTONE = 1
    WRONG = 2


class Status(IntEnum):
    """The ``status`` of an outcome. ``buffered`` (202) is an acknowledgement too: the client was promised it.

    ``unknown`` is a timeout or a broken connection after sending; ``error`` means that nothing had been sent.
    Only the first two promise anything; none of the others promises absence.
    """

    STORED = 1
    BUFFERED = 2
    REFUSED = 3
    UNKNOWN = 4
    ERROR = 5

    @property
    def acknowledged(self) -> bool:
        return self <= Status.BUFFERED


def message_id(run: str, client: int, sequence: int) -> str:
    """``run`` holds no dot."""
    return f"{run}.{client}.{sequence}"


def identity(client: int, sequence: int) -> int:
    return client << 32 | sequence


def parse_identity(run: str, text: str) -> int:
    """The identity in a message id of that run; STRAY for any other text."""
    owner, _, rest = text.partition(".")
    client, _, sequence = rest.partition(".")
    if owner != run or not (_is_number(client, 0xFFFF) and _is_number(sequence, 0xFFFF_FFFF)):
        return STRAY
    return identity(int(client), int(sequence))


def _is_number(text: str, most: int) -> bool:
    """Only the spelling that `message_id` writes, so that two texts are never one identity."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and str(int(text)) == text and int(text) <= most


def endpoint(address: str) -> int:
    """An IPv4 address as the ledger holds it; 0 for none."""
    return int(ipaddress.IPv4Address(address)) if address else 0


def address(endpoint: int) -> str:
    return str(ipaddress.IPv4Address(endpoint)) if endpoint else ""


def check_word(words: tuple[int, ...]) -> int:
    """The check of a record whose six 64-bit words are these, its own check field being zero."""
    folded = words[0] ^ words[1] ^ words[2] ^ words[3] ^ words[4] ^ words[5]
    folded ^= folded >> 32
    return (folded ^ folded >> 16) & 0xFFFF ^ _SEED


def check_words(records: Records) -> NDArray[np.uint16]:
    """The check of each record, their own check fields being zero."""
    return (_folded(records) ^ np.uint64(_SEED)).astype("<u2")


def sound(records: Records) -> NDArray[np.bool_]:
    """Which records pass their check."""
    good: NDArray[np.bool_] = _folded(records) == _SEED
    return good


def _folded(records: Records) -> NDArray[np.uint64]:
    words = records.view("<u8").reshape(-1, 6)
    folded: NDArray[np.uint64] = np.bitwise_xor.reduce(words, axis=1)
    folded ^= folded >> np.uint64(32)
    folded ^= folded >> np.uint64(16)
    folded &= np.uint64(0xFFFF)
    return folded
