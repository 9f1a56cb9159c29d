"""Bytes that fit in memory, sealed and opened: zstd, then age; and the messages that a segment holds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator, Sequence

import pyrage
from backports import zstd

from secondsite.archive.records import ArchiveSegment, damaged
from secondsite.backup.codec import AGE, SUFFIXES, ZSTD, Keys
from secondsite.objects.failures import ObjectMissingError, ObjectTooLargeError
from secondsite.objects.store import ObjectStorage

LEVEL = 3
MAX_PLAIN_BYTES = 256 * 1024**2
PIECE_BYTES = 4 * 1024**2


class SealError(ValueError):
    """It cannot be opened: ``str()`` says why."""


def codecs_for(keys: Keys) -> tuple[str, ...]:
    return (ZSTD, AGE) if keys.recipients else (ZSTD,)


def suffix_of(codecs: Sequence[str]) -> str:
    return "".join(SUFFIXES[codec] for codec in codecs)


def seal(plain: bytes | bytearray, keys: Keys) -> bytes:
    """Work for a thread."""
    packed = zstd.compress(plain, level=LEVEL)
    if not keys.recipients:
        return packed
    sealed: bytes = pyrage.encrypt(packed, [pyrage.x25519.Recipient.from_str(text) for text in keys.recipients])
    return sealed


def unseal(data: bytes, codecs: Sequence[str], keys: Keys) -> bytes:
    """Raises SealError. Work for a thread."""
    for codec in reversed(codecs):
        try:
            data = _decrypted(data, keys) if codec == AGE else _unpacked(data)
        except (pyrage.DecryptError, zstd.ZstdError, EOFError, ValueError) as error:
            raise SealError(_reason(str(error))) from None
    return data


def unsealed(data: bytes, codecs: Sequence[str], keys: Keys) -> Iterator[bytes]:
    """The same, piece by piece. Raises SealError, at the latest at its end."""
    if codecs[:1] != (ZSTD,):
        yield unseal(data, codecs, keys)
        return
    packed = unseal(data, codecs[1:], keys)
    opened, left = zstd.ZstdDecompressor(), MAX_PLAIN_BYTES
    try:
        piece = opened.decompress(packed, PIECE_BYTES)
        while piece and left >= 0:
            left -= len(piece)
            yield piece
            piece = b"" if opened.eof else opened.decompress(b"", PIECE_BYTES)
    except zstd.ZstdError as error:
        raise SealError(str(error)[:200]) from None
    if not opened.eof or opened.unused_data or left < 0:
        raise SealError("it is truncated, or too large")


def _decrypted(data: bytes, keys: Keys) -> bytes:
    opened: bytes = pyrage.decrypt(data, list(keys.identities))
    return opened


def _unpacked(data: bytes) -> bytes:
    opened = zstd.ZstdDecompressor()
    plain = opened.decompress(data, MAX_PLAIN_BYTES)
    if not opened.eof or opened.unused_data:
        raise EOFError("it is truncated, or too large")
    return plain


def _reason(text: str) -> str:
    return "none of the given identities decrypts it" if "matching keys" in text.lower() else text[:200]


def seal_text(plain: bytes, keys: Keys) -> str:
    """For what lies inside a JSON document."""
    return base64.b64encode(seal(plain, keys)).decode()


def unseal_text(text: str, keys: Keys, *, encrypted: bool) -> bytes:
    """Raises SealError."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise SealError("it is not base64") from None
    return unseal(data, (ZSTD, AGE) if encrypted else (ZSTD,), keys)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def stored_bytes(store: ObjectStorage, segment: ArchiveSegment) -> bytes:
    """A segment as it lies there. Raises DamagedArchiveError: missing, truncated or corrupted."""
    place = store.url(segment.key)
    try:
        data = await store.read(segment.key, segment.size_bytes)
    except ObjectMissingError:
        raise damaged(place, "missing: no such object") from None
    except ObjectTooLargeError:
        raise damaged(place, f"corrupted: it is larger than the {segment.size_bytes} bytes that were written") from None
    if len(data) < segment.size_bytes:
        raise damaged(place, f"truncated: {len(data)} of {segment.size_bytes} bytes are there")
    if (digest := await asyncio.to_thread(_digest, data)) != segment.sha256:
        raise damaged(place, f"corrupted: its SHA-256 is {digest}, not {segment.sha256}")
    return data
