"""Consumers put right inside an archive as it streams, so that none is made again with another configuration.

Two things need it: a consumer with more replicas than its stream is to have is refused (10126), and archives of servers
before 2.15 lack consumers that live on other nodes than the stream's leader. What is not about consumers passes as it
is: blocks are decoded only where an archive's consumers stand, at its head (2.15) or at its end (before).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from secondsite.backup.archive import MAGIC, ArchiveError, entry, next_entry
from secondsite.backup.s2 import COMPRESSED, PLAIN, STREAM_HEAD, S2Error, decode_block, decoded_size
from secondsite.backup.s2_write import blocks

_TAR_BLOCK = 512
_STATE = bytes((22, 2))
MAX_CONSUMERS_BYTES = 64 * 1024**2


@frozen
class ConsumerEdit:
    """``replicas`` is the most that a consumer may have. ``listed`` are consumers as CONSUMER.LIST told of them."""

    replicas: int
    listed: tuple[Mapping[str, Any], ...] = ()

    def config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        many = int(config.get("num_replicas") or 0) > self.replicas
        return {**config, "num_replicas": self.replicas} if many else dict(config)

    def touches(self, configs: tuple[Mapping[str, Any], ...]) -> bool:
        return any(self.config(config) != dict(config) for config in configs)


@frozen
class _Chunk:
    kind: int
    raw: bytes

    @property
    def data(self) -> bytes:
        if self.kind == COMPRESSED:
            return decode_block(self.raw, 8)
        return self.raw[8:] if self.kind == PLAIN else b""

    @property
    def size(self) -> int:
        if self.kind == COMPRESSED:
            return decoded_size(self.raw, 8)
        return len(self.raw) - 8 if self.kind == PLAIN else 0


async def edited(pieces: AsyncIterator[bytes], edit: ConsumerEdit, *, tar: bool) -> AsyncIterator[bytes]:
    """The archive with its consumers as they are to be. Raises ArchiveError or S2Error."""
    editor = _TarEditor(edit) if tar else _HeadEditor(edit)
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        for chunk in _chunks(rest):
            for out in _readable(editor.feed(chunk)):
                yield out
    if rest:
        raise ArchiveError("the archive is truncated")
    for out in _readable(editor.close()):
        yield out


def _readable(steps: Iterator[bytes]) -> Iterator[bytes]:
    """Raises ArchiveError or S2Error, whatever stands where consumers should."""
    try:
        yield from steps
    except (ArchiveError, S2Error):
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, tarfile.TarError) as error:
        raise ArchiveError(f"the archive contains invalid data ({type(error).__name__})") from None


def _chunks(rest: bytearray) -> Iterator[_Chunk]:
    """Whole chunks, taken from the front."""
    at = 0
    while len(rest) - at >= 4:
        size = 4 + int.from_bytes(rest[at + 1 : at + 4], "little")
        if len(rest) - at < size:
            break
        yield _Chunk(rest[at], bytes(rest[at : at + size]))
        at += size
    del rest[:at]


@define
class _HeadEditor:
    """NATSARC1: state, consumers, then messages."""

    edit: ConsumerEdit
    _head: bytearray = field(factory=bytearray)
    _done: bool = False

    def feed(self, chunk: _Chunk) -> Iterator[bytes]:
        if self._done or chunk.kind not in (COMPRESSED, PLAIN):
            yield chunk.raw
            return
        self._head += chunk.data
        changed = self._changed(bytes(self._head))
        if changed is not None:
            self._done = True
            yield blocks(changed)
        elif len(self._head) > MAX_CONSUMERS_BYTES:
            raise ArchiveError("an archive without messages and without an end")

    def close(self) -> Iterator[bytes]:
        if not self._done:
            raise ArchiveError("the archive is truncated: its end mark is missing")
        yield from ()

    def _changed(self, data: bytes) -> bytes | None:
        """None until the first message, or the end, is in sight."""
        out, at = bytearray(MAGIC), len(MAGIC)
        while (named := next_entry(data, at)) is not None:
            if not named.name.startswith(b"consumers/"):
                if named.sequence or not named.name:
                    return bytes(out) + data[at:]
                out += data[at : named.end]
            else:
                config = json.loads(named.payload)
                content = json.dumps({**config, "config": self.edit.config(config["config"])}).encode()
                out += entry(named.name, named.time_ns, 0, b"", content)
            at = named.end
        return None


@define
class _TarEditor:
    """Store files, then ``obs/NAME/{meta.inf,meta.sum,o.dat}`` of each consumer."""

    edit: ConsumerEdit
    _at: int = 0  # of the first byte that is held
    _header_at: int = 0
    _held: bytearray = field(factory=bytearray)
    _raw: list[bytes] = field(factory=list)
    _tail: bytearray | None = None

    def feed(self, chunk: _Chunk) -> Iterator[bytes]:
        if chunk.kind == STREAM_HEAD or chunk.kind not in (COMPRESSED, PLAIN):
            if self._tail is None:
                yield chunk.raw
            return
        if self._tail is not None:
            self._tail += chunk.data
            if len(self._tail) > MAX_CONSUMERS_BYTES:
                raise ArchiveError("consumers of an impossible size")
            return
        if not self._held and self._header_at >= self._at + chunk.size:
            self._at += chunk.size
            yield chunk.raw
            return
        self._held += chunk.data
        self._raw.append(chunk.raw)
        yield from self._headers()

    def _headers(self) -> Iterator[bytes]:
        while (begin := self._header_at - self._at) + _TAR_BLOCK <= len(self._held):
            header = bytes(self._held[begin : begin + _TAR_BLOCK])
            if header.startswith(b"obs/") or not any(header):
                if begin:
                    yield blocks(bytes(self._held[:begin]))
                self._tail = self._held[begin:]
                return
            size = int(header[124:136].rstrip(b"\0 ") or b"0", 8)
            if size < 0:
                raise ArchiveError("a file of an impossible size")
            self._header_at += _TAR_BLOCK + -(-size // _TAR_BLOCK) * _TAR_BLOCK
        if self._header_at >= self._at + len(self._held):
            self._at += len(self._held)
            self._held.clear()
            yield from self._raw
            self._raw.clear()

    def close(self) -> Iterator[bytes]:
        if self._tail is None:
            raise ArchiveError("the archive is truncated")
        yield blocks(self._consumers(bytes(self._tail)))

    def _consumers(self, tail: bytes) -> bytes:
        out = io.BytesIO()
        there: set[str] = set()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as to:
            with tarfile.open(fileobj=io.BytesIO(tail), mode="r:") as source:
                for member in source:
                    content = source.extractfile(member)
                    data = content.read() if content else b""
                    if member.name.endswith("/meta.inf"):
                        config = json.loads(data)
                        there.add(str(config.get("Name") or config.get("name")))
                        data = json.dumps(self.edit.config(config)).encode()
                    _add(to, member.name, data)
            for info in self.edit.listed:
                if info["name"] not in there:
                    _add_consumer(to, info, self.edit)
        return out.getvalue()


def _add_consumer(to: tarfile.TarFile, info: Mapping[str, Any], edit: ConsumerEdit) -> None:
    """One that the archive lacks, where it had acknowledged: what it had not is delivered again."""
    config = {key: value for key, value in edit.config(info["config"]).items() if value is not None}
    meta = {"Created": info.get("created"), "Name": info["name"], **config, "name": info["name"]}
    floor = info["ack_floor"]
    position = (int(floor["consumer_seq"]), int(floor["stream_seq"]))
    state = _STATE + b"".join(_uvarint(number) for number in (*position, *position, 0, 0))
    folder = f"obs/{info['name']}"
    for name, data in (("meta.inf", json.dumps(meta).encode()), ("meta.sum", b"0" * 16), ("o.dat", state)):
        _add(to, f"{folder}/{name}", data)


def _add(to: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    to.addfile(member, io.BytesIO(data))


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
