"""What a store gives back, broken or forged: manifests, documents, archives of both kinds, and bombs."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict
from backports import zstd
from mutations import bounded_time, changed_bytes, changed_value, seeds, survives

from secondsite.backup import digest_worker
from secondsite.backup.archive import NATSARC_FILE, entry
from secondsite.backup.codec import ZSTD, CodecError, Keys, decode
from secondsite.backup.layout import new_id
from secondsite.backup.manifest import BackupManifest, StoredObject, StreamBackup, from_json, to_json
from secondsite.backup.objects import BrokenObjectError, Reader
from secondsite.backup.s2_write import blocks
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

ID = new_id(datetime(2026, 11, 1, tzinfo=UTC), "012345")
NO_KEYS = Keys()
HEAD = b"\xff\x06\x00\x00S2sTwO"
CONSUMER = {"name": "w", "config": {"durable_name": "w"}, "ack_floor": {"consumer_seq": 1, "stream_seq": 1}}
ENTRIES = (
    b"NATSARC1",
    entry(b"state.json", 5, 0, b"", b'{"messages": 2, "first_seq": 1, "last_seq": 2}'),
    entry(b"s.1", 1_700_000_000_000_000_000, 1, b"NATS/1.0\r\nA: b\r\n\r\n", b"hello"),
    entry(b"s.2", 1_700_000_000_000_000_001, 2, b"", b"again"),
    entry(b"consumers/w", 5, 0, b"", json.dumps(CONSUMER).encode()),
    entry(b"", 0, 0, b"", b""),
)
ARCHIVE = HEAD + b"".join(map(blocks, ENTRIES))


def tarred() -> bytes:
    """As servers before 2.15 wrote them."""
    block = b"".join(struct.pack("<IQqH", 38, number, 5, 3) + b"s.1" + b"hello" + bytes(8) for number in (1, 2, 3))
    block += struct.pack("<IQqH", 33, 2 | 1 << 62, 3, 3) + b"s.1" + bytes(8)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in (("meta.inf", b"{}"), ("msgs/1.blk", block)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def stored(file: str, content: bytes) -> StoredObject:
    return StoredObject(f"{ID}/EVENTS/{file}", len(content), hashlib.sha256(content).hexdigest())


def manifest(documents: tuple[StoredObject, ...], codecs: tuple[str, ...] = ()) -> BackupManifest:
    stream = StreamBackup(
        name="EVENTS",
        kind="stream",
        messages=2,
        bytes=90,
        first_seq=1,
        last_seq=2,
        consumers=1,
        started_at="2026-11-01T00:00:00+00:00",
        archive_file=NATSARC_FILE,
        archive_bytes=len(ARCHIVE),
        codecs=(),
        document_codecs=codecs,
        archive=stored(NATSARC_FILE, ARCHIVE),
        documents=documents,
        seconds=1.0,
        attempts=1,
    )
    return BackupManifest(
        id=ID,
        started_at="2026-11-01T00:00:00+00:00",
        finished_at="2026-11-01T00:00:05+00:00",
        tool="secondsite 0.1.0",
        server="2.15.1",
        cluster="C",
        domain="",
        recipients=(),
        streams=(stream,),
    )


WHOLE = manifest((stored("backup.json", b"{}"), stored("consumers.json", b"[]")))


@pytest.mark.slow
def test_manifests() -> None:
    """Changed on the way they are refused; with a checksum that fits, nothing in them is dropped or bent."""
    written = to_json(WHOLE)
    for chance in seeds():
        broken = changed_bytes(written, chance)
        found = survives(lambda broken=broken: from_json(broken, ID, "store"))  # type: ignore[misc]
        assert found is None or found == WHOLE
    for chance in seeds():
        content = {key: value for key, value in json.loads(written).items() if key != "sha256"}
        forged = changed_value(content, chance)
        if isinstance(forged, dict):
            canonical = json.dumps(forged, sort_keys=True).encode()
            data = json.dumps({**forged, "sha256": hashlib.sha256(canonical).hexdigest()}).encode()
            found = survives(lambda data=data: from_json(data, ID, "store"))  # type: ignore[misc]
            known = None if found is None else json.loads(json.dumps(asdict(found)))
            assert known is None or {key: known[key] for key in forged} == forged


@pytest.mark.parametrize("tar", [None, {"first": 1, "gone": None}, {"first": 1, "gone": [[2, 2]]}])
def test_archives(tar: dict[str, Any] | None) -> None:
    whole = ARCHIVE if tar is None else HEAD + blocks(tarred())
    request = {"width": 1, "upto": None, "only": None, "sources": True, "tar": tar}
    assert "error" not in digest_worker.answer(request, [whole])
    for chance in seeds():
        data = changed_bytes(whole, chance)
        if chance.random() < 0.5:  # with checksums that fit: a forger computes them too
            inner = changed_bytes(b"".join(ENTRIES) if tar is None else tarred(), chance)
            data = HEAD + blocks(inner)
        with bounded_time():
            answer = digest_worker.answer(request, [data[:9], data[9:]])
        assert json.loads(json.dumps(answer))


def test_encodings() -> None:
    whole = zstd.compress(b"hello " * 1000)
    for chance in seeds():
        broken = changed_bytes(whole, chance)
        with bounded_time():
            content = asyncio.run(decoded(broken))
        assert content is None or content == b"hello " * 1000 or broken != whole


async def decoded(data: bytes) -> bytes | None:
    async def pieces() -> AsyncIterator[bytes]:
        yield data

    try:
        return b"".join([piece async for piece in decode(pieces(), (ZSTD,), NO_KEYS)])
    except CodecError:
        return None


def test_a_document_that_unpacks_to_no_end_is_refused(tmp_path: Path) -> None:
    """A few kilobytes that fit their checksum, from whoever may write to the store, and gigabytes once unpacked."""
    compressor = zstd.ZstdCompressor()
    bomb = b"".join([*(compressor.compress(bytes(1 << 20)) for _ in range(256)), compressor.flush()])
    (tmp_path / ID / "EVENTS").mkdir(parents=True)
    (tmp_path / ID / "EVENTS" / "backup.json").write_bytes(bomb)
    whole = manifest((stored("backup.json", bomb), stored("consumers.json", b"[]")), codecs=(ZSTD,))
    reader = Reader(ObjectStorage(parse_store(f"file://{tmp_path}")), whole, NO_KEYS)
    with bounded_time(), pytest.raises(BrokenObjectError, match="larger than"):
        asyncio.run(reader.document(whole.streams[0], "backup.json"))
