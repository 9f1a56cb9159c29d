"""The digest of an archive that passes by: the archive goes on unchanged, and the proof need not read it again."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats_world import Server, connect, publish, run

from secondsite.backup.archive import entry
from secondsite.backup.digesting import Archived
from secondsite.backup.objects import Reader
from secondsite.backup.passing import NOTHING_PASSED, Passed, PassingDigest
from secondsite.backup.progress import Silent
from secondsite.backup.restore import RestorePlan, run_restore
from secondsite.backup.run import BackupPlan, run_backup
from secondsite.backup.s2_write import blocks
from secondsite.objects.store import ObjectStorage

WIDTH = 1024


HEAD = b"\xff\x06\x00\x00S2sTwO"
BEGIN = b"NATSARC1" + entry(b"state.json", 5, 0, b"", b'{"messages": 1}')


def archive(messages: int, size: int, begin: bytes = blocks(BEGIN), first: int = 1) -> bytes:
    """As servers send what they cannot make smaller."""
    content = [entry(b"s.1", number, number, b"", os.urandom(size)) for number in range(first, first + messages)]
    return HEAD + begin + blocks(b"".join(content)) + blocks(entry(b"", 0, 0, b"", b""))


def packed() -> bytes:
    """The beginning and one message of zeros: as a literal, and then copies of its last byte, 64 at a time."""
    copies = 8000
    message = entry(b"s.1", 1, 1, b"", bytes(1 + 64 * copies))
    head = BEGIN + message[: -64 * copies]
    size = len(head) + 64 * copies
    length = bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))
    block = bytes(4) + length + bytes((60 << 2, len(head) - 1)) + head + b"\xfe\x01\x00" * copies
    return b"\x00" + len(block).to_bytes(3, "little") + block


async def in_pieces(content: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def passed_by(content: bytes) -> tuple[bytes, Passed]:
    """What came out, and what was told of it."""

    async def work() -> tuple[bytes, Passed]:
        passing = PassingDigest(Archived(lambda: in_pieces(content)), WIDTH)
        try:
            out = b"".join([piece async for piece in passing.passing(in_pieces(content))])
            return out, await passing.result()
        finally:
            await passing.aclose()

    return run(work())


@pytest.mark.parametrize("messages", [0, 3, 5000])
def test_it_is_the_digest_of_what_was_handed_on(messages: int) -> None:
    content = archive(messages, 1000)
    out, told = passed_by(content)
    assert out == content
    assert told.digested
    assert told.digested.digest.count == messages
    assert told.digested == run(Archived(lambda: in_pieces(content)).digest(WIDTH))


def test_one_that_is_damaged_is_handed_on_and_left_to_the_proof() -> None:
    for content in (archive(5000, 1000)[:-9], archive(3, 10)[:-1], b"hello there" * 200_000):
        assert passed_by(content) == (content, NOTHING_PASSED)


def test_of_a_large_one_that_has_to_be_unpacked_the_blocks_are_told() -> None:
    content = archive(1500, 1000, packed(), first=2)
    assert run(Archived(lambda: in_pieces(content)).digest(WIDTH)).digest.count == 1501
    out, told = passed_by(content)
    assert (out, told.digested) == (content, None)
    assert told.framed
    assert told.framed.state == {"messages": 1}


def test_whoever_stops_early_leaves_nothing_running() -> None:
    content = archive(9000, 1000)

    async def work() -> None:
        passing = PassingDigest(Archived(lambda: in_pieces(content)), WIDTH)
        pieces = passing.passing(in_pieces(content))
        for _ in range(8):
            await anext(pieces)
        await passing.aclose()
        await pieces.aclose()

    run(work())


@pytest.mark.slow
def test_a_restore_and_its_proof_read_the_archive_once(
    start: Any, store: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source: Server = start("source")
    target: Server = start("target")
    read: list[str] = []
    plain = Reader.plain

    async def counted(reader: Reader, stored: Any, codecs: Any) -> AsyncIterator[bytes]:
        read.append(stored.key)
        async for piece in plain(reader, stored, codecs):
            yield piece

    async def work() -> None:
        client = await connect(source.url)
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        await publish(client, "S", 50, 40_000)
        manifest = await run_backup(source.place, store, BackupPlan(), Silent())
        monkeypatch.setattr(Reader, "plain", counted)
        (outcome,) = await run_restore(target.place, store, manifest, RestorePlan(), Silent())
        assert (outcome.proof.verdict, outcome.proof.messages) == ("equal", 50)
        assert read.count(manifest.streams[0].archive.key) == 1

    run(work())
