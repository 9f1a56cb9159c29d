"""Where things lie in the store.

::

    20261123T172748Z-3f2a1c/                   one backup; it exists when its manifest does
      streams/ORDERS/backup.json               configuration and state, as the nats command line writes them
      streams/ORDERS/stream.arc.s2             the snapshot, byte for byte (stream.tar.s2 from servers before 2.15)
      streams/ORDERS/consumers.json            consumers with their positions
      manifest.json                            written last, on condition that it is missing
      proofs/20261124T010000.250000Z.json      what `backup verify` found
      hold.json                                while there, no retention rule deletes this backup
    slots/20261123T172500Z.json                who took this run of a schedule
    probes/…                                   a try whether the store honours conditional writes; gone at once
    replaced/…                                 backups of streams that a restore was told to overwrite

A stream's name that not every store takes for a part of a key is encoded: ``=1F`` is the byte 0x1F.

A download of ``streams/`` is a folder for ``nats account restore``, each one below it for ``nats stream restore``.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

MANIFEST = "manifest.json"
HOLD = "hold.json"
SLOTS = "slots"
PROOFS = "proofs"
REPLACED = "replaced"

_ID = re.compile(r"([0-9]{8}T[0-9]{6}Z)-[0-9a-f]{6}")
_STAMP = "%Y%m%dT%H%M%SZ"
_ORDINARY = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+,@$()!:;&~")
_MAX_PART = 200


def new_id(now: datetime, entropy: str) -> str:
    """``entropy`` is six hexadecimal digits."""
    return f"{stamp(now)}-{entropy}"


def stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime(_STAMP)


def proof_key(backup_id: str, now: datetime) -> str:
    """By the microsecond, in the order of time: two people may verify a backup in the same second."""
    return f"{backup_id}/{PROOFS}/{now.astimezone(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}.json"


def started(backup_id: str) -> datetime:
    """Raises ValueError for what is not an id."""
    match = _ID.fullmatch(backup_id)
    if not match:
        raise ValueError(f"{backup_id!r} is not the id of a backup")
    return datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)


def is_id(text: str) -> bool:
    try:
        started(text)
    except ValueError:
        return False
    return True


def manifest_key(backup_id: str) -> str:
    return f"{backup_id}/{MANIFEST}"


def stream_key(backup_id: str, stream: str, file: str) -> str:
    return f"{backup_id}/streams/{encoded(stream)}/{file}"


def encoded(name: str) -> str:
    """A name as a part of a key, whatever it consists of: ordinary names as they are, each name another key."""
    text = "".join(chr(byte) if byte in _ORDINARY else f"={byte:02X}" for byte in name.encode("utf-8", "surrogatepass"))
    if len(text) <= _MAX_PART:
        return text
    return f"{text[: _MAX_PART // 2]}=={hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
