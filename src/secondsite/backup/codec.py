"""Bytes on their way to the store and back: zstd first, then age; each streams, none holds an object.

What a codec cannot undo is `CodecError`: a wrong key, a truncated or a forged object.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyrage
from attrs import field, frozen
from backports import zstd

from secondsite.model.errors import InputError
from secondsite.objects.bridge import Bridge, Pieces

ZSTD, AGE = "zstd", "age"
SUFFIXES = {ZSTD: ".zst", AGE: ".age"}
LEVEL = 3
WORTH_IT = 0.9
_PIECE_BYTES = 512 * 1024
_WINDOW_LOG_MAX = 23


class CodecError(ValueError):
    """The bytes do not decode: ``str()`` says why."""


@frozen
class Keys:
    """``recipients`` are age public keys; identities are secret, are shown nowhere, and know their own public key."""

    recipients: tuple[str, ...] = ()
    identities: tuple[Any, ...] = field(default=(), repr=False)

    @property
    def own(self) -> tuple[str, ...]:
        """The public keys of the identities."""
        return tuple(str(identity.to_public()) for identity in self.identities)


def read_keys(recipients: Sequence[str], identity_files: Sequence[Path]) -> Keys:
    """Raises InputError for what is no age key."""
    for recipient in recipients:
        _recipient(recipient)
    return Keys(tuple(recipients), tuple(identity for path in identity_files for identity in _identities(path)))


def _recipient(text: str) -> Any:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        remedy = "give the public key, which begins with age1 (age-keygen -y FILE shows it)"
        raise InputError.at("--recipient", f"{text[:80]!r} is not an age public key", remedy) from None


def _identities(path: Path) -> list[Any]:
    try:
        lines = path.read_text("utf-8").splitlines()
        identities = [
            pyrage.x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")
        ]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError):
        identities = []
    if not identities:
        raise InputError.at(str(path), "holds no age identity", "give a file written by age-keygen")
    return identities


def encode(chunks: AsyncIterator[bytes], codecs: Sequence[str], keys: Keys) -> AsyncIterator[bytes]:
    """``chunks`` through the codecs, in their order."""
    for codec in codecs:
        chunks = _compressed(chunks) if codec == ZSTD else _encrypted(chunks, keys)
    return chunks


def decode(chunks: AsyncIterator[bytes], codecs: Sequence[str], keys: Keys) -> AsyncIterator[bytes]:
    """``chunks`` back through the codecs. Raises CodecError while it streams."""
    for codec in reversed(codecs):
        chunks = _decompressed(chunks) if codec == ZSTD else _decrypted(chunks, keys)
    return chunks


def suffix(codecs: Sequence[str]) -> str:
    return "".join(SUFFIXES[codec] for codec in codecs)


def worth_compressing(sample: bytes) -> bool:
    """Whether zstd takes a tenth or more off: it does not where messages or the archive are compressed already."""
    return bool(sample) and len(zstd.compress(sample, level=1)) < WORTH_IT * len(sample)


async def _compressed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    level, checksum = zstd.CompressionParameter.compression_level, zstd.CompressionParameter.checksum_flag
    compressor = zstd.ZstdCompressor(options={int(level): LEVEL, int(checksum): 1})
    async for chunk in chunks:
        if out := await asyncio.to_thread(compressor.compress, chunk):
            yield out
    yield compressor.flush()


async def _decompressed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG_MAX}
    decompressor = zstd.ZstdDecompressor(options=options)
    try:
        async for chunk in chunks:
            out = decompressor.decompress(chunk, _PIECE_BYTES)
            while out:
                yield out
                out = b"" if decompressor.eof else decompressor.decompress(b"", _PIECE_BYTES)
    except (zstd.ZstdError, EOFError):
        raise CodecError("the zstd data is corrupt") from None
    if not decompressor.eof:
        raise CodecError("the zstd data is truncated")


def _encrypted(chunks: AsyncIterator[bytes], keys: Keys) -> AsyncIterator[bytes]:
    recipients = [_recipient(text) for text in keys.recipients]
    return _through(chunks, lambda source, sink: pyrage.encrypt_io(source, sink, recipients))


def _decrypted(chunks: AsyncIterator[bytes], keys: Keys) -> AsyncIterator[bytes]:
    return _through(chunks, lambda source, sink: pyrage.decrypt_io(source, sink, list(keys.identities)))


async def _through(chunks: AsyncIterator[bytes], work: Callable[[_Source, _Sink], object]) -> AsyncIterator[bytes]:
    """``work`` reads and writes as if on files, in a thread of its own, one piece ahead."""
    bridge = Bridge()
    source, sink = _Source(Pieces(bridge, chunks)), _Sink(bridge)
    running = asyncio.ensure_future(asyncio.to_thread(_run, work, source, sink))
    try:
        while (piece := await sink.pieces.get()) is not None:
            yield piece
        await running
    finally:
        await bridge.close()
        while not sink.pieces.empty():
            sink.pieces.get_nowait()
        with suppress(Exception, asyncio.CancelledError):  # it was told already, or the reader has left
            await running


def _plain(text: str) -> str:
    return "none of the given identities decrypts it" if "matching keys" in text.lower() else f"age: {text}"


def _run(work: Callable[[_Source, _Sink], object], source: _Source, sink: _Sink) -> None:
    try:
        work(source, sink)
        sink.flush()
    except Exception as error:
        if source.error:  # what failed is what was read, not the codec
            raise source.error from None
        raise CodecError(_plain(str(error))) from None
    finally:
        sink.end()


class _Source:
    """The readable side that the codec sees."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._held = b""
        self._at = 0

    @property
    def error(self) -> Exception | None:
        return self._pieces.error

    def read(self, size: int = -1) -> bytes:
        if self._at >= len(self._held):
            self._held, self._at = next(self._pieces, b""), 0
        end = len(self._held) if size < 0 else self._at + size
        piece = self._held[self._at : end]
        self._at += len(piece)
        return piece


class _Sink:
    """The writable side that the codec sees."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._held = bytearray()
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=2)

    def write(self, piece: bytes) -> int:
        self._held += piece
        if len(self._held) >= _PIECE_BYTES:
            self._push()
        return len(piece)

    def flush(self) -> None:
        """Age flushes between its own blocks; only a full piece is handed on."""

    def _push(self) -> None:
        self._bridge.call(self.pieces.put(bytes(self._held)))
        self._held.clear()

    def end(self) -> None:
        with suppress(BrokenPipeError):
            if self._held:
                self._push()
            self._bridge.call(self.pieces.put(None))
