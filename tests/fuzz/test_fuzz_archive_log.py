"""An archive in a store that others write to: its checkpoints, bases, bundles and segments, broken or forged.

Broken at random it is refused, or it is what was shipped; forged with checksums that fit it is read, or refused in
words. That the newest checkpoint was taken away nobody can know who has the store alone.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import asdict, evolve
from backports import zstd
from fuzz_limits import begins
from mutations import changed_bytes, changed_value, seeds, survives

from secondsite.archive.chain import Chain, details_of, details_text, read_head
from secondsite.archive.check import verify_archive
from secondsite.archive.compact import CompactPlan, compact
from secondsite.archive.layout import index_key, pack_folder, segment_key
from secondsite.archive.plan import ArchivePlan
from secondsite.archive.records import (
    ArchiveSegment,
    Checkpoint,
    DamagedArchiveError,
    StreamCheckpoint,
    checkpoint_from_json,
)
from secondsite.archive.sealed import seal, seal_text
from secondsite.archive.travel import ArchivedMoment, Wanted, reader_of, travel
from secondsite.backup.archive import ArchiveError, ArchiveReader, entry
from secondsite.backup.codec import ZSTD, Keys
from secondsite.backup.signed_document import write_document
from secondsite.objects.address import parse_store
from secondsite.objects.store import ObjectStorage

pytestmark = pytest.mark.slow

BEGAN_NS = 1_793_000_000_000_000_000
NONE = Keys()
CREATED = "2026-10-25T16:53:20Z"
FLOOR = {"consumer_seq": 1, "stream_seq": 1}
DETAILS: dict[str, Any] = {
    "config": {
        "name": "EVENTS",
        "subjects": ["events.>"],
        "max_msgs": 100,
        "max_msgs_per_subject": 3,
        "max_bytes": 9000,
    },
    "consumers": [{"name": "w", "config": {"durable_name": "w"}, "ack_floor": FLOOR, "delivered": FLOOR}],
    "all_gone": [[2, 2]],
    "newly_gone": [[5, 6]],
}
Json = dict[str, Any]


def written(number: int, plain: bytes) -> ArchiveSegment:
    first, packed = number * 3 - 2, seal(plain, NONE)
    return ArchiveSegment(
        key=segment_key(pack_folder(number, "0" * 8), "EVENTS", first, first + 2, ".zst"),
        size_bytes=len(packed),
        sha256=hashlib.sha256(packed).hexdigest(),
        plain_bytes=len(plain),
        messages=3,
        first_seq=first,
        last_seq=first + 2,
        first_ns=BEGAN_NS + first * 10**9,
        last_ns=BEGAN_NS + (first + 2) * 10**9,
        codecs=(ZSTD,),
    )


def entries(number: int) -> bytes:
    """Three messages of a checkpoint."""
    first = number * 3 - 2
    return b"".join(entry(b"events.a", BEGAN_NS + at * 10**9, at, b"", b"hello") for at in range(first, first + 3))


def checkpoint(number: int, segment: ArchiveSegment, details: object) -> Json:
    stream = StreamCheckpoint(
        name="EVENTS",
        life=f"{CREATED}#1",
        at_ns=segment.last_ns + 1,
        through=segment.last_seq,
        first_seq=1,
        last_seq=segment.last_seq,
        messages=segment.last_seq,
        bytes=100,
        vanished=0,
        segments=(segment,),
    )
    record = Checkpoint(
        number=number,
        previous="",
        writer="w",
        at_ns=stream.at_ns,
        tool="secondsite",
        server="2.15.1",
        cluster="C",
        domain="",
        recipients=(),
        streams=(stream,),
        gone=(),
        missing=(),
        details=seal_text(details_text(details), NONE),  # type: ignore[arg-type] # a forger may write anything
    )
    return json.loads(json.dumps(asdict(record)))  # type: ignore[no-any-return]


def write(folder: Path, key: str, content: bytes) -> None:
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    (folder / key).write_bytes(content)


def ship(folder: Path, chance: Random | None = None) -> None:
    """Three checkpoints; with ``chance`` one of them, what it holds, or its segment is forged. All checksums fit."""
    forged = chance.choice(("record", "details", "entries")) if chance else ""
    which = chance.randint(1, 3) if chance else 0
    previous = ""
    for number in (1, 2, 3):
        here = chance if chance and number == which else None
        plain = changed_bytes(entries(number), here) if here and forged == "entries" else entries(number)
        segment = written(number, plain)
        write(folder, segment.key, seal(plain, NONE))
        details = changed_value({"EVENTS": DETAILS}, here) if here and forged == "details" else {"EVENTS": DETAILS}
        record = checkpoint(number, segment, details) | {"previous": previous}
        if here and forged == "record":
            changed = changed_value(record, here)
            record = changed if isinstance(changed, dict) else record
        content = write_document(record, "checksum", None)
        write(folder, index_key(number), content)
        previous = hashlib.sha256(content).hexdigest()


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in range(10**9))


async def brought_back(chain: Chain, archived: ArchivedMoment) -> list[tuple[str, str]]:
    """Every stream as a server would be given it."""
    reader, found = reader_of(chain, NONE, archived), []
    for stream in reader.manifest.streams:
        opened, whole = ArchiveReader(), hashlib.sha256()
        with suppress(ArchiveError):  # whoever restores it tells that it is cut short
            async for piece in reader.plain(stream.archive, stream.codecs):
                for message in opened.feed(piece):
                    whole.update(message.raw)
            opened.close()
        documents = [await reader.document(stream, name) for name in ("backup.json", "consumers.json")]
        found.append((stream.name, whole.hexdigest() + json.dumps(documents)))
    return found


async def moments(folder: Path) -> list[object]:
    """All that reads an archive, once; what it was brought back as."""
    store = ObjectStorage(parse_store(f"file://{folder}"))
    chain = await Chain(store).read()
    await read_head(chain)
    at = datetime.fromtimestamp(BEGAN_NS // 10**9 + 5, UTC)
    wanted = (Wanted(), Wanted(at=at), Wanted(stream="EVENTS", sequence=5))
    return [await brought_back(chain, await travel(chain, NONE, one)) for one in wanted]


def checked(folder: Path) -> bool:
    async def check() -> bool:
        chain = await Chain(ObjectStorage(parse_store(f"file://{folder}"))).read()
        return (await verify_archive(chain, NONE)).ok

    return bool(survives(lambda: asyncio.run(check())))


def compacted(folder: Path) -> None:
    async def make() -> None:
        store = ObjectStorage(parse_store(f"file://{folder}"))
        plan = CompactPlan(ArchivePlan(), timedelta(days=1))
        await compact(store, plan, BEGAN_NS, await Chain(store).read())

    survives(lambda: asyncio.run(make()))


@pytest.mark.parametrize("small", [False, True])
def test_archives_that_are_broken(folders: Iterator[Path], small: bool) -> None:
    """One object of it, checkpoint, base, bundle or segment: it is named, or the archive is what it was."""
    honest = next(folders)
    ship(honest)
    if small:
        compacted(honest)
        assert list(honest.rglob("bundles/*.zst"))
    whole = asyncio.run(moments(honest))
    assert checked(honest)
    objects = sorted(path.relative_to(honest) for path in honest.rglob("*") if path.is_file())
    for chance in seeds():
        folder = next(folders)
        shutil.copytree(honest, folder)
        path = folder / chance.choice(objects)
        if chance.random() < 0.1 and path != folder / index_key(3):
            path.unlink()
        else:
            path.write_bytes(changed_bytes(path.read_bytes(), chance))
        ok = checked(folder)
        found = survives(lambda folder=folder: asyncio.run(moments(folder)))  # type: ignore[misc] # bound here
        assert found is None or found == whole or not ok
        compacted(folder)


def test_archives_that_are_forged(folders: Iterator[Path]) -> None:
    for chance in seeds():
        folder = next(folders)
        ship(folder, chance)
        checked(folder)
        survives(lambda folder=folder: asyncio.run(moments(folder)))  # type: ignore[misc] # bound here
        compacted(folder)


def test_an_archive_is_what_was_shipped(folders: Iterator[Path]) -> None:
    """The honest one is read: or nothing above would prove anything."""
    folder = next(folders)
    ship(folder)
    assert checked(folder)
    newest = asyncio.run(moments(folder))
    ship(folder)
    assert asyncio.run(moments(folder)) == newest
    forged = evolve(written(1, b""), messages=4)
    record = checkpoint(1, forged, {"EVENTS": DETAILS})
    write(folder, index_key(1), write_document(record, "checksum", None))
    assert not checked(folder)


def test_details_that_unpack_to_no_end_are_refused() -> None:
    """Some kilobytes that fit their checksum, and gigabytes of memory as values."""
    compressor = zstd.ZstdCompressor()
    lists = b"[]," * (1 << 20)
    bomb = b"".join([compressor.compress(b"["), *(compressor.compress(lists) for _ in range(24)), compressor.flush()])
    segment = written(1, entries(1))
    record = checkpoint(1, segment, {}) | {"details": base64.b64encode(bomb).decode()}
    content = write_document(record, "checksum", None)
    assert len(content) < 1 << 20
    begins("the bomb")
    with pytest.raises(DamagedArchiveError, match="too many values"):
        details_of(checkpoint_from_json(content, 1, "store"), NONE, "store")
